"""Forest: the face of the walk. It checks and allocates, the core fills."""

import hashlib
from pathlib import Path

import numpy as np

from fanxing_core import _explain, _forest, artefact, columns
from fanxing_core.errors import ModelError
from fanxing_core.explain import Explainer
from fanxing_core.files import regular_bytes


class Forest(_forest.Walk):
    """A tree ensemble, from its artefact: a path or bytes. ModelError if it is bad.

    `machine` names the walk ("portable", "avx2", "avx512"); None is the best that this processor can do. All give the
    same bits. Safe to share between threads.
    """

    def __init__(self, source: Path | str | bytes, *, machine: str | None = None) -> None:
        content = source if isinstance(source, bytes) else regular_bytes(Path(source))
        self.artefact = artefact.read(content)
        self._explainer: Explainer | None = None
        self.digest = hashlib.sha256(content).hexdigest()
        able = _forest.MACHINES[: _forest.BEST + 1]
        if machine is not None and machine not in able:
            raise ValueError(f"this processor has the walks {', '.join(able)}, not {machine}")
        chosen = _forest.BEST if machine is None else able.index(machine)
        super().__init__(self.artefact, columns.columns_of(self.artefact), chosen)
        self._bytes = len(content)
        self._try_golden()

    def explain(self, rows: np.ndarray) -> np.ndarray:
        """Exact SHAP values, additive to the margin: float64 (n, outputs, features + 1); of one output without it.

        See `Explainer`, which the first call makes ready. ModelError where the library kept no covers.
        """
        if self._explainer is None:
            self._explainer = Explainer(self.artefact, portable=self.machine == 0)
        return self._explainer.explain(rows)

    def describe(self) -> dict[str, int | str]:
        """Trees, nodes, features and those used, outputs, depth, bytes, and where it comes from."""
        held = self.artefact
        return {
            "trees": len(held.roots),
            "nodes": len(held.nodes),
            "features": held.features,
            "features_used": len(np.unique(held.nodes["feature"][~held.is_leaf])),
            "outputs": held.outputs,
            "depth": self.depth,
            "bytes": self._bytes,
            "library": held.library,
            "library_version": held.library_version,
            "source_sha256": held.source_sha256.hex(),
        }

    def _try_golden(self) -> None:
        """The rows that the trainer gave must still have the margins that it gave."""
        held = self.artefact
        if len(held.golden_rows):
            margins = self.predict_margin(held.golden_rows).reshape(held.golden_margins.shape)
            if margins.tobytes() != held.golden_margins.tobytes():
                raise ModelError("golden rows have other margins here than where the model was trained")


def _core_digest() -> str:
    """SHA-256 (hex) of the compiled walk and of what reads artefacts for it."""
    digest = hashlib.sha256()
    for file in (_forest.__file__, _explain.__file__, artefact.__file__, columns.__file__):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


CORE_DIGEST = _core_digest()
