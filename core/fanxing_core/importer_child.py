"""Runs apart: reads a model file with Treelite and answers plain arrays on standard output. It is not trusted.

The importer calls `arrays_of` itself for a scikit-learn estimator, which is in memory already.
"""

import ctypes
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import treelite

from fanxing_core import confine, layout, lightgbm_text, sources, xgboost_file
from fanxing_core.artefact import NodeFlag, Transform
from fanxing_core.errors import ModelError

Model = Any
"""A treelite.Model; Treelite is untyped."""

CPU_S, CPU_BYTES_A_S = 5, 1 << 20
"""CPU seconds for any source, and how many bytes of it grant one more."""
MEMORY_BYTES, MEMORY_TIMES_SOURCE = 1 << 30, 40
OUTPUT_BYTES_MAX = 1 << 30
_PROBES, _PROBE_VALUES_MAX = 64, 1 << 20
_TRANSFORMS = {
    "identity": Transform.IDENTITY,
    "identity_multiclass": Transform.IDENTITY,
    "sigmoid": Transform.SIGMOID,
    "multiclass_ova": Transform.SIGMOID,
    "softmax": Transform.SOFTMAX,
    "exponential": Transform.EXP,
    "signed_square": Transform.SIGNED_SQUARE,
    "logarithm_one_plus_exp": Transform.LOG1P_EXP,
    "hinge": Transform.STEP,
}
_LESS, _LESS_EQUAL, _CATEGORICAL = 2, 3, 2
"""Treelite's codes of `<`, of `<=`, and of a node that tests for categories."""


def main(bounded: str) -> None:
    """From standard input to standard output. `bounded`: how many bytes of source to grant means for, or `no`."""
    answer, sys.stdout = sys.stdout.buffer, sys.stderr  # Treelite prints what it logs
    try:
        if bounded != "no":
            _confine(int(bounded))
        answer.write(layout.pack(read(sys.stdin.buffer.read())))
        answer.flush()
    except MemoryError:
        sys.exit("it needs more memory than a model of its size may")
    except UnicodeDecodeError:  # Treelite quotes the damage in its message
        sys.exit("it is damaged")
    except (ModelError, treelite.TreeliteError) as error:
        sys.exit(re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", str(error)).partition("\n")[0])


def _confine(size: int) -> None:
    try:
        confine.limit(
            memory_bytes=MEMORY_BYTES + MEMORY_TIMES_SOURCE * size,
            cpu_s=CPU_S + size // CPU_BYTES_A_S,
            output_bytes=OUTPUT_BYTES_MAX,
        )
        confine.confine()
    except OSError as error:
        sys.exit(f"the system refuses to confine the reader ({error}), and unconfined=True was not asked for")


def read(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of layout.FIELDS of a model file. ModelError or TreeliteError, if nothing worse, for a bad one."""
    source = sources.describe(content)
    meta = {"library": source.library, "library_version": source.version, "scale": source.scale}
    if source.library == "lightgbm":
        arrays = arrays_of(_lightgbm(content), meta | {"comparison": 64, "sum": 64, "orphans": False})
        return arrays | {"value": _zeros_apart(arrays)}
    json_text = not content.startswith(b"{L")
    load = treelite.frontend.from_xgboost_json if json_text else treelite.frontend.from_xgboost_ubjson
    model = load(content)
    base = xgboost_file.base_margins(source.base_scores, _field(model, "postprocessor"), _outputs(model))
    return arrays_of(model, meta | {"comparison": 32, "sum": 32, "orphans": True}, base)


def _lightgbm(content: bytes) -> Model:
    # treelite.frontend reads LightGBM's text from files only, and no file can be opened here.
    handle = ctypes.c_void_p()
    load = treelite.core._LIB.TreeliteLoadLightGBMModelFromString  # noqa: SLF001
    # Treelite would take what follows for the last tree's, an importance of a feature called leaf_value for its leaves.
    trees = content.partition(b"\nend of trees\n")[0] + b"\n"
    treelite.core._check_call(load(ctypes.c_char_p(trees), ctypes.c_char_p(b"{}"), ctypes.byref(handle)))  # noqa: SLF001
    return treelite.Model(handle=handle)


def _zeros_apart(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Thresholds such that what LightGBM takes for 0 needs no care: all of -1e-35 to 1e-35 goes one way."""
    value, near = arrays["value"], lightgbm_text.ZERO
    cut = (arrays["flags"] & NodeFlag.LESS_EQUAL != 0) & (np.abs(value) <= near)
    return np.where(cut, np.where(value >= 0, near, np.nextafter(-near, -1)), value)


def arrays_of(model: Model, meta: dict[str, Any], base: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The arrays of layout.FIELDS for a Treelite model. ModelError for what no artefact can say.

    `meta` has library, library_version, comparison, sum, scale and orphans; the rest is added here. `base` replaces
    Treelite's own base scores.
    """
    postprocessor = _field(model, "postprocessor")
    if postprocessor not in _TRANSFORMS:
        raise ModelError(f"the objective's {postprocessor} is not supported")
    outputs = _outputs(model)
    arrays = _nodes(model) | {"base": _field(model, "base_scores") if base is None else base}
    vectors = len(arrays["vectors"]) > 0
    rounds = model.num_tree if vectors else model.num_tree // outputs
    averaged = bool(_field(model, "average_tree_output")[0])
    meta = meta | {
        "features": model.num_feature,
        "transform": _TRANSFORMS[postprocessor],
        "divisor": rounds if averaged else 1,
        "sums": meta["library"] == "lightgbm" and averaged and rounds > 1,
    }
    rows = _probe_rows(arrays, meta)
    margins = treelite.gtil.predict(model, rows, nthread=1, pred_margin=True).reshape(len(rows), -1)
    text = np.frombuffer(json.dumps(meta).encode(), dtype="u1")
    return arrays | {"meta": text, "probe_rows": rows, "probe_margins": margins}


def _field(model: Model, name: str) -> Any:  # noqa: ANN401
    value = model.get_header_accessor().get_field(name)
    return value if isinstance(value, str) else value.copy()  # it looks into the model, which may be gone first


def _outputs(model: Model) -> int:
    targets, classes = int(_field(model, "num_target")[0]), _field(model, "num_class").tolist()
    if set(classes) != {1} and len(classes) > 1:
        raise ModelError("several targets of several classes are not supported")
    return targets * int(classes[0])


def _nodes(model: Model) -> dict[str, np.ndarray]:
    trees = [model.get_tree_accessor(number) for number in range(model.num_tree)]
    if not trees:
        raise ModelError("the model has no tree")
    sizes = np.array([int(tree.get_field("num_nodes")[0]) for tree in trees])

    def joined(name: str, kind: str = "i8") -> np.ndarray:
        return np.concatenate([tree.get_field(name) for tree in trees]).astype(kind)

    left, operator = joined("cleft"), joined("cmp")
    leaf = left < 0
    categorical = ~leaf & (joined("node_type") == _CATEGORICAL)
    if not np.isin(operator[~leaf & ~categorical], (_LESS, _LESS_EQUAL)).all():
        raise ModelError("a comparison other than < and <= is not supported")
    set_flag = np.where(joined("category_list_right_child"), NodeFlag.CATEGORY_RIGHT, NodeFlag.CATEGORY_LEFT)
    flags = np.where(categorical, set_flag, np.where(operator == _LESS_EQUAL, NodeFlag.LESS_EQUAL, 0))
    flags |= np.where(joined("default_left"), NodeFlag.MISSING_LEFT, 0)
    lists = np.array([len(tree.get_field("category_list")) for tree in trees])
    begun = np.repeat(np.cumsum(lists) - lists, sizes)
    return {
        "sizes": sizes,
        "tree_outputs": _tree_outputs(model),
        "left": left,
        "right": joined("cright"),
        "feature": np.where(leaf, -1, joined("split_index")),
        "value": np.where(leaf, joined("leaf_value", "f8"), np.where(categorical, 0, joined("threshold", "f8"))),
        "flags": np.where(leaf, 0, flags),
        "covers": _covers(trees, len(left)),
        "vectors": _vectors(model, joined),
        "category_begin": joined("category_list_begin") + begun,
        "category_end": joined("category_list_end") + begun,
        "categories": joined("category_list"),
    }


def _tree_outputs(model: Model) -> np.ndarray:
    targets = int(_field(model, "num_target")[0])
    output = _field(model, "target_id" if targets > 1 else "class_id").astype("i8")
    return np.where(output < 0, -1, output)


def _covers(trees: list[Any], count: int) -> np.ndarray:
    """How much of the training data reached each node: weighed where the library says so, else counted."""
    for name in ("sum_hess", "data_count"):
        present = np.concatenate([tree.get_field(f"{name}_present") for tree in trees])
        if len(present) == count and present.all():
            return np.concatenate([tree.get_field(name) for tree in trees]).astype("f8")
    return np.empty(0)


def _vectors(model: Model, joined: Callable[..., np.ndarray]) -> np.ndarray:
    """The vector of each leaf, (nodes, outputs), zeros in other nodes; empty where leaves are numbers."""
    outputs, values = _outputs(model), joined("leaf_vector", "f8")
    if not len(values):
        return np.empty(0)
    leaf = joined("cleft") < 0
    lengths = joined("leaf_vector_end") - joined("leaf_vector_begin")
    if (lengths[leaf] != outputs).any() or len(values) != outputs * leaf.sum():
        raise ModelError("the model's vector leaves do not fit its outputs")
    vectors = np.zeros((len(leaf), outputs))
    vectors[leaf] = values.reshape(-1, outputs)
    return vectors


def _probe_rows(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> np.ndarray:
    """Rows, float64 (n, features), that tie with cuts, stand next to them, miss values, and name odd categories."""
    features = int(meta["features"])
    if not 0 < features <= _PROBE_VALUES_MAX:
        raise ModelError(f"{features} features are none or too many")
    rng, number = np.random.default_rng(0), np.float32 if meta["comparison"] == 32 else np.float64
    count = min(_PROBES, _PROBE_VALUES_MAX // features)
    rows = np.zeros((count, features), dtype=number)
    inner = np.flatnonzero((arrays["feature"] >= 0) & (arrays["feature"] < features))
    if len(inner):
        chosen = rng.choice(inner, size=(count, min(4 * features, 4096)))
        feature, values = arrays["feature"][chosen], arrays["value"][chosen].astype(number)
        values[::3] = np.nextafter(values[::3], number(np.inf))
        sets = arrays["flags"][chosen] & (NodeFlag.CATEGORY_LEFT | NodeFlag.CATEGORY_RIGHT) != 0
        most = int(arrays["categories"].max(initial=0))
        values[sets] = rng.integers(-2, min(most, 1 << 20) + 3, size=int(sets.sum()))
        # Treelite does not know what LightGBM takes for 0; scikit-learn has cuts at infinity.
        values[~np.isfinite(values) | (np.abs(values) <= lightgbm_text.ZERO)] = 0
        rows[np.arange(count)[:, None], feature] = values
    rows[rng.random(rows.shape) < 0.1] = np.nan
    for place, extreme in enumerate((np.nan, -3e38, 3e38, -0.0)[: count - 1]):
        rows[place] = extreme
    return rows.astype("f8")


if __name__ == "__main__":
    main(sys.argv[1])
