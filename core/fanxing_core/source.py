"""What a model file says beside its trees."""

from typing import NamedTuple


class Source(NamedTuple):
    """A checked file: who wrote it, and what its margins need beside the trees."""

    library: str
    version: str
    scale: float = 1.0
    """Of the sigmoid."""
    base_scores: tuple[float, ...] = ()
    """XGBoost's, before its objective's link; one for all outputs or one for each."""
