"""import_model: a trained ensemble -> our artefact.

Treelite reads model files, in a confined process, since damaged ones crash, hang or fool it. What comes back is checked
node by node, tried against Treelite's own walk, and against the trainer's golden rows where there are some. What is
not supported is refused by name, never answered wrongly.
"""

import copy
import hashlib
import importlib
import json
import os
import secrets
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fanxing_core import artefact, layout
from fanxing_core.artefact import Artefact, Transform
from fanxing_core.errors import ModelError
from fanxing_core.files import regular_bytes
from fanxing_core.forest import Forest

SOURCE_BYTES_MAX = 256 << 20
WALL_S_MAX = 120
_MESSAGE_BYTES_MAX = 500
_FORESTS = {"RandomForestRegressor", "RandomForestClassifier", "ExtraTreesRegressor", "ExtraTreesClassifier"}
_BOOSTED = {"GradientBoostingRegressor", "GradientBoostingClassifier"}
_BINNED = {"HistGradientBoostingRegressor", "HistGradientBoostingClassifier"}

Golden = tuple[np.ndarray, np.ndarray]


def import_model(
    source: Path | str | Any,  # noqa: ANN401
    target: Path | str,
    *,
    golden: Golden | None = None,
    unconfined: bool = False,
) -> None:
    """Writes the artefact of a model to `target`. ModelError says what is wrong or unsupported; then none is written.

    source: the path of an XGBoost model (JSON or UBJSON) or a LightGBM model (text), told apart by content; or a fitted
    scikit-learn ensemble (random forest, extra trees, gradient boosting, histogram gradient boosting).
    golden: rows float64 (n, features) with the trainer's own margins, (n,) or (n, outputs), kept in the artefact
    and tried whenever it is loaded (XGBoost's output_margin, LightGBM's raw_score, of scikit-learn's forests what they
    predict). unconfined: read files even where the system refuses to confine the reader.
    """
    imported, rows, margins = imported_from(source, golden=golden, unconfined=unconfined)
    written = artefact.write(imported)
    check_probes(Forest(written).predict_margin(rows), margins, imported)
    _write_whole(Path(target), written)


def imported_from(
    source: Path | str | Any,  # noqa: ANN401
    *,
    golden: Golden | None = None,
    unconfined: bool = False,
) -> tuple[Artefact, np.ndarray, np.ndarray]:
    """A model's artefact, with rows to try it on, float64 (n, features), and margins by Treelite, (n, outputs)."""
    if isinstance(source, str | os.PathLike):
        content = regular_bytes(Path(source), SOURCE_BYTES_MAX)
        arrays = _read_apart(content, unconfined=unconfined)
        digest = hashlib.sha256(content).digest()
    else:
        packed = layout.pack(_arrays_of_estimator(source))
        arrays, digest = layout.unpack(packed), hashlib.sha256(packed).digest()
    try:
        imported = _artefact(arrays, digest, golden)
        artefact.read(artefact.write(imported))
        rows = arrays["probe_rows"].reshape(-1, imported.features)
        means = arrays["probe_margins"].reshape(len(rows), imported.outputs)
        margins = means * (imported.divisor / imported.margin_divisor)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError, struct.error) as error:
        # What the reader answered is no model, in whatever way.
        raise ModelError(str(error) if isinstance(error, ModelError) else f"the reader's answer: {error}") from error
    return imported, rows, margins


def check_probes(ours: np.ndarray, theirs: np.ndarray, imported: Artefact) -> None:
    """ModelError where margins (n,) or (n, outputs) differ from Treelite's by more than its own rounding explains."""
    leaf = imported.is_leaf
    weight = np.abs(imported.nodes["threshold"][leaf]).max(initial=0) * len(imported.roots) / imported.margin_divisor
    within = np.abs(ours.reshape(theirs.shape) - theirs) <= 1e-5 * np.abs(theirs) + 1e-6 * (1e-3 + weight)
    if not within.all():
        raise ModelError("the imported model answers otherwise than Treelite's own walk")


def _artefact(arrays: layout.Arrays, digest: bytes, golden: Golden | None) -> Artefact:
    meta, base = json.loads(arrays["meta"].tobytes()), arrays["base"]
    laid = layout.lay_out(arrays, outputs=len(base), orphans=bool(meta["orphans"]))
    rows, margins = golden if golden is not None else (np.empty((0, int(meta["features"]))), np.empty(0))
    rows = np.asarray(rows, dtype="<f8")
    if rows.ndim != 2 or rows.shape[1] != meta["features"]:
        raise ModelError(f"golden rows must be (n, {meta['features']}), not {rows.shape}")
    if np.size(margins) != len(rows) * len(base):
        raise ModelError(f"golden margins must be ({len(rows)}, {len(base)}), not {np.shape(margins)}")
    return Artefact(
        comparison=meta["comparison"],
        sum=meta["sum"],
        transform=Transform(meta["transform"]),
        features=meta["features"],
        scale=float(meta["scale"]),
        divisor=float(meta["divisor"]),
        margins_are_sums=bool(meta["sums"]),
        source_sha256=digest,
        library=str(meta["library"])[:16],
        library_version=str(meta["library_version"])[:16],
        base=base,
        golden_rows=rows,
        golden_margins=np.asarray(margins, dtype="<f8").reshape(len(rows), len(base)),
        **laid._asdict(),
    )


def _read_apart(content: bytes, *, unconfined: bool) -> dict[str, np.ndarray]:
    """The arrays of a model file, read in a process that may crash, hang or swell without harm."""
    bounded = "no" if unconfined else str(len(content))
    command = [sys.executable, "-I", "-m", "fanxing_core.importer_child", bounded]
    alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    # To files, not pipes, so that the kernel bounds what it answers.
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(  # noqa: S603  our own interpreter and module
                command, input=content, stdout=answer, stderr=said, timeout=WALL_S_MAX, check=False, env=alone
            )
        except subprocess.TimeoutExpired as error:
            raise ModelError("reading the model took too long") from error
        if done.returncode:
            said.seek(max(0, said.seek(0, os.SEEK_END) - _MESSAGE_BYTES_MAX))
            lines = said.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1] if done.returncode > 0 and lines else f"its reader ended with {done.returncode}"
            raise ModelError(f"the model cannot be read: {reason}")
        answer.seek(0)
        return layout.unpack(answer.read())


def _arrays_of_estimator(estimator: Any) -> dict[str, np.ndarray]:  # noqa: ANN401
    """The arrays of a fitted scikit-learn ensemble."""
    kind = type(estimator).__name__
    if not type(estimator).__module__.startswith("sklearn.ensemble.") or kind not in _FORESTS | _BOOSTED | _BINNED:
        raise ModelError(f"{type(estimator).__module__}.{kind} is neither a path nor a supported ensemble")
    child = importlib.import_module("fanxing_core.importer_child")  # and Treelite with it
    read = importlib.import_module("treelite.sklearn").import_model
    version = importlib.import_module("sklearn").__version__
    comparison = 64 if kind in _BINNED else 32
    scale = 2.0 if getattr(estimator, "loss", None) == "exponential" else 1.0
    meta = {"library": "scikit-learn", "library_version": version, "comparison": comparison, "sum": 64, "scale": scale}
    try:
        model, base = read(_complete(estimator)), _base_of(estimator)
    except ModelError:
        raise
    except Exception as error:  # Treelite and scikit-learn raise whatever they like for what they cannot do
        raise ModelError(f"the {kind} cannot be read: {error}") from error
    arrays: dict[str, np.ndarray] = child.arrays_of(model, meta | {"orphans": False}, base)
    if kind in _FORESTS and len(arrays["vectors"]) and hasattr(estimator, "n_classes_"):
        arrays["vectors"] = _shares_of_classes(estimator, arrays)
    if comparison == 32:
        arrays["value"] = np.where(arrays["left"] >= 0, _floor32(arrays["value"]), arrays["value"])
    return arrays


def _complete(estimator: Any) -> Any:  # noqa: ANN401
    """The estimator as Treelite must see it. ModelError for what it would read wrongly."""
    if getattr(estimator, "is_categorical_", None) is not None and np.any(estimator.is_categorical_):
        raise ModelError("categorical features of scikit-learn are not supported")
    if getattr(estimator, "n_outputs_", 1) > 1 and hasattr(estimator, "n_classes_"):
        raise ModelError("several targets of several classes are not supported")
    if hasattr(estimator, "estimators_"):
        # Treelite trusts the parameter, which says how many were wanted; early stopping makes fewer.
        estimator = copy.copy(estimator)
        estimator.n_estimators = len(estimator.estimators_)
    return estimator


def _base_of(estimator: Any) -> np.ndarray | None:  # noqa: ANN401
    """What boosting starts from, as the estimator itself computes it, (outputs,); None for forests."""
    kind = type(estimator).__name__
    if kind in _BINNED:
        return np.asarray(estimator._baseline_prediction, dtype="f8").ravel()  # noqa: SLF001
    if kind in _BOOSTED:
        row = np.zeros((1, estimator.n_features_in_), dtype="f4")
        return np.asarray(estimator._raw_predict_init(row), dtype="f8").ravel()  # noqa: SLF001
    return None


def _shares_of_classes(estimator: Any, arrays: layout.Arrays) -> np.ndarray:  # noqa: ANN401
    """The leaves' shares of each class (nodes, classes) as they are: Treelite divides them by their sum once more."""
    trees = [each.tree_ for each in estimator.estimators_]
    shares = np.concatenate([tree.value[:, 0, :] for tree in trees])
    if not np.array_equal(arrays["left"], np.concatenate([tree.children_left for tree in trees])):
        raise ModelError("Treelite numbers the nodes otherwise than scikit-learn")
    if not np.allclose(shares.sum(axis=1), 1):
        raise ModelError("forests from before scikit-learn 1.3, whose leaves are counts, are not supported")
    return np.where((arrays["left"] < 0)[:, None], shares, 0)


def _floor32(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 up to each: where values are float32, `x <= t` is the same for both."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near).astype("f8")


def _write_whole(target: Path, content: bytes) -> None:
    """Either all of it under its name, and on the disk, or nothing."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ModelError(f"{target}: {error.strerror}") from error
