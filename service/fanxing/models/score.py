"""What one model says of one row."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Margin (sum of the leaves), probability as calibrated, and its upper 80 % bound, which the limit uses."""

    model: str
    margin: float
    probability: float
    probability_upper: float
    artefact_digest: str
