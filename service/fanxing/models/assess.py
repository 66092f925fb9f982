"""assess: one row -> what each model says of it. The core is entered once a model."""

from collections.abc import Sequence

import numpy as np

from fanxing.models.model import Model
from fanxing.models.score import Score
from fanxing_core import CORE_DIGEST

__all__ = ["CORE_DIGEST", "assess"]


def assess(models: Sequence[Model], row: np.ndarray) -> tuple[Score, ...]:
    """The scores, in the order of the models. `row` is float64 in the catalogue's order, NaN where missing."""
    return tuple(_score(model, row) for model in models)


def _score(model: Model, row: np.ndarray) -> Score:
    margin = float(model.forest.predict_margin(row[model.places].reshape(1, -1))[0])
    pd, upper = model.calibrated(margin)
    return Score(
        model=model.name,
        margin=margin,
        probability=pd,
        probability_upper=upper,
        artefact_digest=model.forest.digest,
    )
