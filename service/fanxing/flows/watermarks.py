"""What of the feeds is known about a merchant at a moment: what was told by then, and what decisions saw of it.

A feed of all merchants cannot tick the clock of each. So a feed has a clock of its own, and a decision keeps what it
saw: of any moment up to a decision's, no more is ever known of the feeds than that decision saw.
"""

from collections.abc import Collection, Iterable

from fanxing.feeds import Feed, RecordedWatermark, Watermark, at_most, greatest
from fanxing.flows.ports import ORDERS, Range, Snapshot, Store
from fanxing.institutions import Clock, Institution
from fanxing.strategies.decision import Decision


def feeds_query(merchant_id: str) -> Range:
    """The query for the feeds that are told for a merchant alone, or for all of them."""
    return Range(Feed, ("merchant_id", "channel"), prefix=(merchant_id,))


async def told_by(
    institution: Institution, feeds: Iterable[Feed], channels: Collection[str], known_us: int, store: Store
) -> tuple[Watermark, ...]:
    """What these feeds had told by then of those channels, each as far as either of its feeds goes."""
    return await _told(institution, feeds, channels, "known_us", known_us, store)


async def told_now(
    institution: Institution, feeds: Iterable[Feed], channels: Collection[str], at_us: int, known_us: int, store: Store
) -> tuple[Watermark, ...]:
    """What these feeds have told of those channels, for a call of the moment `at_us` that is put on record at another.

    A SYSTEM clock that stood ahead has dated a telling, and with it every later one, when it was not yet. They are on
    record and count, but for those that speak of a moment yet to come, even where the call's own record is dated behind
    it: another shop of the controller may have moved that ahead. A CALLER's dates are taken as they are told.
    """
    if institution.clock is Clock.CALLER:
        return await told_by(institution, feeds, channels, known_us, store)
    return await _told(institution, feeds, channels, "complete_through_us", at_us, store)


async def _told(
    institution: Institution,
    feeds: Iterable[Feed],
    channels: Collection[str],
    field: str,
    until_us: int,
    store: Store,
) -> tuple[Watermark, ...]:
    """The newest telling of each feed whose `field` is no later; along the log no field ever decreases."""
    names = frozenset(channels)
    asked = [feed for feed in feeds if feed.channel in names]
    told: list[RecordedWatermark] = [feed for feed in asked if getattr(feed, field) <= until_us]
    earlier = [_newest(feed, field, until_us) for feed in asked if getattr(feed, field) > until_us]
    if earlier:
        answers = Snapshot(await store.read(institution.institution_id, *earlier))
        told += [each for place in range(len(earlier)) for each in answers.many(place, RecordedWatermark)]
    return greatest(told)


def _newest(feed: Feed, field: str, until_us: int) -> Range:
    (order,) = (each for each in ORDERS[RecordedWatermark] if each[2] == field)
    prefix = feed.merchant_id, feed.channel
    return Range(RecordedWatermark, order, prefix=prefix, until=(until_us,), limit=1, backwards=True)


async def seen_at(
    institution: Institution,
    merchant_id: str,
    told: tuple[Watermark, ...],
    known_us: int,
    through_seq: int,
    store: Store,
) -> tuple[Watermark, ...]:
    """What was told by then, no less than the last decision by then saw and no further than the first one since.

    So at a decision's own moment it is what that saw, by whatever clock it was told. A decision that has read payments
    beyond `through_seq`, where the caller's snapshot ends, was made since: what it saw may speak of those.
    """
    order, merchant = ("merchant_id", "known_us", "decision_id"), (merchant_id,)
    by_then = Range(Decision, order, prefix=merchant, until=(known_us,), limit=1, backwards=True)
    since = Range(Decision, order, prefix=merchant, after=(known_us - 1,), limit=1)
    answers = Snapshot(await store.read(institution.institution_id, by_then, since))
    last, first = answers.one(0, Decision), answers.one(1, Decision)
    known = told if last is None or last.merchant_seq > through_seq else greatest((*told, *last.watermarks))
    return known if first is None else at_most(known, first.watermarks)
