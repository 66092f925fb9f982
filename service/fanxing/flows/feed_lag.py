"""Whether a merchant's feeds are near enough for what is asked of it; judged before anything is put on record."""

from fanxing.errors import FeedStale
from fanxing.feeds import Watermark
from fanxing.flows.moments import iso
from fanxing.indicators.history import PaymentHistory
from fanxing.indicators.known_through import furthest_behind, lag_hours, receipts_all_later
from fanxing.strategies.feed_lag import refuse_stale
from fanxing.strategies.policy import Policy


def refuse_behind(
    policy: Policy, history: PaymentHistory, told: tuple[Watermark, ...], as_of_us: int, *, grows: bool
) -> None:
    """FeedStale, with the channel that is to be mended, where the policy's rule of feed lag has nothing decided."""
    rules, behind = policy.constants.limit.feed_lag, furthest_behind(history, told, as_of_us)
    if rules is None or behind is None:
        return
    through_us = min(as_of_us, behind.complete_through_us)
    try:
        refuse_stale(rules, lag_hours(as_of_us, through_us), grows=grows)
        _refuse_unseen(history, through_us, as_of_us)
    except FeedStale as stale:
        where = {"channel": behind.channel, "complete_through": iso(behind.complete_through_us)}
        raise FeedStale(stale.message, **stale.metadata, **where) from stale


def _refuse_unseen(history: PaymentHistory, through_us: int, as_of_us: int) -> None:
    """A trade that began after the watermark would be declined as one that has no receipts."""
    if receipts_all_later(history, through_us, as_of_us):
        lag = lag_hours(as_of_us, through_us)
        raise FeedStale("every receipt on record is later than receipts are known: nothing is decided", lag_hours=lag)
