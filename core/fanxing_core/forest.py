"""Forest: the face of the walk. It checks and allocates, the core fills."""

import hashlib
import mmap
from pathlib import Path

import numpy as np

from fanxing_core import _walk, artefact
from fanxing_core.errors import ModelError

assert artefact.NODE.itemsize == _walk.NODE_BYTES, "the node is written twice, and both agree"


class Forest:
    """A tree ensemble with one output, from its artefact: a path (memory-mapped) or bytes. ModelError if it is bad."""

    def __init__(self, source: Path | str | bytes) -> None:
        content = source if isinstance(source, bytes) else _mapped(Path(source))
        self._artefact = artefact.read(content)
        self.digest = hashlib.sha256(content).hexdigest()
        self.features = self._artefact.features
        self._try_golden()

    def predict_margin(self, rows: np.ndarray) -> np.ndarray:
        """Sums of leaves, float64 (n,), of rows (n, features), NaN where missing. ValueError for another shape.

        The bits are those of the library that trained the model.
        """
        checked = np.ascontiguousarray(rows, dtype=np.float64)
        if checked.ndim != 2 or checked.shape[1] != self.features:
            raise ValueError(f"rows must be (n, {self.features}), not {checked.shape}")
        out = np.empty(len(checked))
        held = self._artefact
        _walk.walk_float64(held.roots, held.nodes, held.base, checked, out)
        return out

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities 1 / (1 + exp(-scale x margin)), float64 (n,); the last bit of exp differs by machine."""
        return np.asarray(1 / (1 + np.exp(-self._artefact.sigmoid * self.predict_margin(rows))))

    def describe(self) -> dict[str, int | str]:
        """Trees, nodes, features and the source's digest."""
        held = self._artefact
        return {
            "trees": len(held.roots),
            "nodes": len(held.nodes),
            "features": held.features,
            "source_sha256": held.source_sha256.hex(),
        }

    def _try_golden(self) -> None:
        """The rows that the trainer gave must still have the margins that it gave."""
        if len(self._artefact.golden_rows):
            margins = self.predict_margin(self._artefact.golden_rows)
            if margins.tobytes() != self._artefact.golden_margins.tobytes():
                raise ModelError("golden rows have other margins here than where the model was trained")


def _mapped(path: Path) -> memoryview:
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: {error}") from error


def _core_digest() -> str:
    """SHA-256 (hex) of the compiled walk and of what reads artefacts for it."""
    digest = hashlib.sha256()
    for file in (_walk.__file__, artefact.__file__):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


CORE_DIGEST = _core_digest()
