"""What is told of an indicator."""

from dataclasses import dataclass

MISSING, ZERO = "missing", "zero"


@dataclass(frozen=True, slots=True)
class Definition:
    """One indicator. `missing` tells what it is when nothing is known: "missing" (NaN) or "zero"."""

    name: str
    unit: str
    meaning: str
    missing: str
