"""What is applied for: a part of the row, since it decides too."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Amount in fen, None for as much as possible, and months."""

    requested_fen: int | None
    term_months: int
