"""The rule of feed lag: for how long receipts may have been unknown for a limit to grow, and for any decision."""

from fanxing.errors import FeedStale
from fanxing.strategies.constants import FeedLag


def refuse_stale(rules: FeedLag | None, lag_hours: float, *, grows: bool) -> None:
    """FeedStale beyond `no_decision_hours`, and beyond `no_increase_hours` where a limit would have to grow.

    A decline would say something of the merchant, where only its feed is at fault.
    """
    if rules is None:
        return
    _refuse(lag_hours, rules.no_decision_hours, "nothing is decided")
    if grows:
        _refuse(lag_hours, rules.no_increase_hours, "no limit grows, and a first one is an increase too")


def _refuse(lag_hours: float, hours: float, follows: str) -> None:
    if lag_hours > hours:
        raise FeedStale(f"receipts have been unknown for more than {hours:g} hours: {follows}", lag_hours=lag_hours)
