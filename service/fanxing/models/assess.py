"""assess: values by name -> what each model says of them. The core is entered once a model."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fanxing.models.model import Model
from fanxing.models.score import Score
from fanxing_core import CORE_DIGEST

__all__ = ["CORE_DIGEST", "assess"]


def assess(models: Sequence[Model], values: Mapping[str, float]) -> tuple[Score, ...]:
    """The scores, in the order of the models, from the indicators that are present."""
    return tuple(_score(model, values) for model in models)


def _score(model: Model, values: Mapping[str, float]) -> Score:
    row = np.array([[values.get(column, math.nan) for column in model.card.columns]])
    margin = float(model.forest.predict_margin(row)[0])
    pd, upper = model.calibrated(margin)
    return Score(
        model=model.name,
        margin=margin,
        probability=pd,
        probability_upper=upper,
        artefact_digest=model.forest.digest,
    )
