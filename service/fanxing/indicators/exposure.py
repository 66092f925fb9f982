"""What the merchant and its group may already draw, as the lender's own book knows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Amounts in fen. `previous_limit_fen`: the highest line opened in the last 30 days, None without one.

    `last_limit_fen`: that of the newest line opened, closed since or not; 0 without one.
    `funder_headroom_fen`: what the funder can still lend, None when that is not limited.
    """

    lines_open: int
    outstanding_fen: int
    group_outstanding_fen: int
    previous_limit_fen: int | None
    last_limit_fen: int
    instalments_paid_on_time: int
    funder_headroom_fen: int | None


NOTHING_DRAWN = Exposure(
    lines_open=0,
    outstanding_fen=0,
    group_outstanding_fen=0,
    previous_limit_fen=None,
    last_limit_fen=0,
    instalments_paid_on_time=0,
    funder_headroom_fen=None,
)
