"""The racers: ours, and whichever others are installed. Each loads a model once and answers rows in one thread.

To add one, decorate a function of a model's path that returns an Engine.
"""

import ctypes
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Call = Callable[[Any], np.ndarray]


class Engine(NamedTuple):
    """Calls with rows (n, features) for probabilities (n,), or contributions (n, features + 1); None: cannot."""

    row: Call
    batch: Call | None = None
    explain: Call | None = None
    prepare: Call = lambda rows: rows
    """What rows float32 are made into before they are timed."""
    prepare_explained: Call = lambda rows: rows


@dataclass
class Peer:
    """How to load a model from its `source`, or a whole panel, for who has such a call.

    Sources are xgb.json and lgb.txt, and fxf and lgb.fxf, which is either of them imported.
    """

    load: Callable[[str], Engine]
    needs: tuple[str, ...]
    source: str
    panel: Callable[[Sequence[str], np.ndarray, int], Call] | None = field(default=None)


PEERS: dict[str, Peer] = {}


def peer(name: str, source: str, *needs: str) -> Callable[[Callable[[str], Engine]], Callable[[str], Engine]]:
    def enter(load: Callable[[str], Engine]) -> Callable[[str], Engine]:
        PEERS[name] = Peer(load, needs, source)
        return load

    return enter


def installed() -> list[str]:
    """Names of the peers whose modules are there."""
    return [name for name, each in PEERS.items() if all(map(importlib.util.find_spec, each.needs))]


@peer("fanxing", "fxf", "fanxing_core")
def fanxing(path: str) -> Engine:
    from fanxing_core import Forest

    forest = Forest(path)
    return Engine(forest.predict, forest.predict, forest.explain)


def fanxing_panel(paths: Sequence[str], columns: np.ndarray, wide: int) -> Call:
    from fanxing_core import Forest, Panel

    return Panel([Forest(path) for path in paths], columns, wide).predict


PEERS["fanxing"].panel = fanxing_panel
# Ours once more, of LightGBM's file: it compares and sums in 64 bits, XGBoost's in 32.
PEERS["fanxing 64 bits"] = replace(PEERS["fanxing"], source="lgb.fxf")


@peer("lightgbm", "lgb.txt", "lightgbm")
def lightgbm(path: str) -> Engine:
    """Its fastest way in: the single-row call of its C interface, set up once. Batches go through `predict`."""
    from lightgbm import Booster, basic

    booster = Booster(model_file=path)
    library, config, length, out = basic._LIB, ctypes.c_void_p(), ctypes.c_int64(), np.empty(1)
    features, given = booster.num_feature(), b"num_threads=1"
    # of the handle: probabilities, from tree 0, all of them, of float32 values
    made = library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, 0, 0, -1, 0, features, given, ctypes.byref(config)
    )
    assert made == 0, library.LGBM_GetLastError()
    fast, to_length, to = library.LGBM_BoosterPredictForMatSingleRowFast, ctypes.byref(length), out.ctypes.data
    fast.argtypes = [ctypes.c_void_p] * 4

    def row(values: np.ndarray, _kept: object = (booster, length)) -> np.ndarray:
        fast(config, values.ctypes.data, to_length, to)
        return out

    def batch(rows: np.ndarray, **how: bool) -> np.ndarray:
        return booster.predict(rows, num_threads=1, **how)

    return Engine(row, batch, lambda rows: batch(rows, pred_contrib=True))


@peer("xgboost", "xgb.json", "xgboost")
def xgboost(path: str) -> Engine:
    """Scores through `inplace_predict`, which copies no rows; the matrix that contributions need is made untimed."""
    from xgboost import Booster, DMatrix

    booster = Booster({"nthread": 1}, model_file=path)
    booster.set_param({"nthread": 1})

    def predict(rows: np.ndarray) -> np.ndarray:
        return booster.inplace_predict(rows, validate_features=False)

    def explain(rows: DMatrix) -> np.ndarray:
        return booster.predict(rows, pred_contribs=True, validate_features=False)

    return Engine(predict, predict, explain, prepare_explained=lambda rows: DMatrix(rows, nthread=1))


@peer("treelite gtil", "xgb.json", "treelite")
def treelite(path: str) -> Engine:
    from treelite import frontend, gtil

    model = frontend.load_xgboost_model(path, format_choice="json")

    def predict(rows: np.ndarray) -> np.ndarray:
        return gtil.predict(model, rows, nthread=1).ravel()

    return Engine(predict, predict)


@peer("lleaves raw", "lgb.txt", "lleaves")
def lleaves(path: str) -> Engine:
    """Compiles the trees; the compiled function is called as it is. It takes minutes for what is large."""
    from lleaves import Model

    model = Model(path)
    model.compile()
    address = ctypes.cast(model._c_entry_func, ctypes.c_void_p).value
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)(address)

    out = np.empty(1)
    to = out.ctypes.data

    def row(values: np.ndarray, _kept: object = model) -> np.ndarray:
        function(values.ctypes.data, to, 0, 1)
        return out

    return Engine(row, lambda rows: model.predict(rows, n_jobs=1), prepare=lambda rows: rows.astype("f8"))


@peer("onnxruntime", "lgb.txt", "onnxruntime", "onnxmltools", "lightgbm")
def onnxruntime(path: str) -> Engine:
    from lightgbm import Booster
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType
    from onnxruntime import InferenceSession, SessionOptions

    booster = Booster(model_file=path)
    types = [("rows", FloatTensorType([None, booster.num_feature()]))]
    model = convert_lightgbm(booster, initial_types=types, zipmap=False, target_opset=15)
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def predict(rows: np.ndarray) -> np.ndarray:
        return session.run(["probabilities"], {"rows": rows})[0][:, 1]

    return Engine(predict, predict)


@peer("onedal", "xgb.json", "daal4py", "xgboost")
def onedal(path: str) -> Engine:
    import daal4py
    import daal4py.mb
    from xgboost import Booster

    daal4py.daalinit(1)
    model = daal4py.mb.convert_model(Booster(model_file=path))

    def predict(rows: np.ndarray) -> np.ndarray:
        return model.predict_proba(rows)[:, 1]

    return Engine(predict, predict)


@peer("nvforest cpu", "xgb.json", "nvforest")
def nvforest(path: str) -> Engine:
    from nvforest import load_model

    model = load_model(path, device="cpu", model_type="xgboost_json", precision="single")

    def predict(rows: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict_proba(rows)).reshape(len(rows), -1)[:, -1]

    return Engine(predict, predict)


def panel_of(each: Peer, folder: Path, columns: np.ndarray, wide: int) -> Engine:
    """An engine for one wide row (wide,) that answers with the scores of a panel's models, (models,)."""
    paths = [str(folder / f"{model}.{each.source}") for model in range(len(columns))]
    if each.panel is not None:
        return Engine(each.panel(paths, columns, wide))
    engines = [each.load(path) for path in paths]
    prepare = engines[0].prepare
    gathered = [prepare(np.empty((1, len(own)), "f4")) for own in columns]
    together = list(zip([engine.row for engine in engines], columns, gathered, strict=True))

    def call(row: np.ndarray) -> np.ndarray:
        scores = np.empty(len(together))
        for place, (predict, own, values) in enumerate(together):
            row.take(own, out=values[0], mode="clip")
            scores[place] = predict(values)[0]
        return scores

    return Engine(call, prepare=prepare)
