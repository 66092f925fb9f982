"""Feeds: through when a channel's payments are complete. Beyond its watermark receipts are unknown, not absent.

Who sends a channel's payments tells, for all merchants or for some, that everything until a moment is on record. Such
a telling is a claim that is never taken back, so a feed's watermark only ever moves on. For a merchant the greater of
both claims counts, and of the channels that it uses the one that is furthest behind.
"""

from collections.abc import Iterable
from dataclasses import dataclass

ALL_MERCHANTS = ""
"""Stands for the merchant where a feed is told of as a whole, also for merchants to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Every payment of `channel` that happened through `complete_through_us` (microseconds UTC) is on record."""

    channel: str
    complete_through_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWatermark(Watermark):
    """A telling in the log. Along a feed's tellings `complete_through_us` increases, and `known_us` never decreases."""

    merchant_id: str
    known_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed(RecordedWatermark):
    """A channel's feed, of all merchants or of one: its newest telling. `version` guards the next one."""

    version: int = 1


def greatest(told: Iterable[Watermark]) -> tuple[Watermark, ...]:
    """The greatest watermark of each channel, in the order of their names."""
    best: dict[str, int] = {}
    for each in told:
        best[each.channel] = max(each.complete_through_us, best.get(each.channel, 0))
    return tuple(Watermark(channel=name, complete_through_us=best[name]) for name in sorted(best))


def at_most(told: Iterable[Watermark], seen: Iterable[Watermark]) -> tuple[Watermark, ...]:
    """What was told, no further than `seen` says; a channel of which that says nothing had told nothing."""
    bounds = {each.channel: each.complete_through_us for each in seen}
    return tuple(
        Watermark(channel=each.channel, complete_through_us=min(each.complete_through_us, bounds[each.channel]))
        for each in told
        if each.channel in bounds
    )
