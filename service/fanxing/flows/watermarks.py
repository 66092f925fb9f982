"""What of the feeds is known about a merchant at a moment: what was told by then, and what decisions saw of it.

A feed of all merchants cannot tick the clock of each. So a feed has a clock of its own, and a decision keeps what it
saw: of any moment up to a decision's, no more is ever known of the feeds than that decision saw.
"""

from collections.abc import Collection, Iterable

from fanxing.feeds import Feed, RecordedWatermark, Watermark, at_most, greatest
from fanxing.flows.ports import Range, Snapshot, Store
from fanxing.institutions import Clock, Institution
from fanxing.strategies.decision import Decision


def feeds_query(merchant_id: str) -> Range:
    """The query for the feeds that are told for a merchant alone, or for all of them."""
    return Range(Feed, ("merchant_id", "channel"), prefix=(merchant_id,))


async def told_by(
    institution: Institution, feeds: Iterable[Feed], channels: Collection[str], known_us: int, store: Store
) -> tuple[Watermark, ...]:
    """What these feeds had told by then of those channels, each as far as either of its feeds goes."""
    asked = [feed for feed in feeds if feed.channel in channels]
    known: list[RecordedWatermark] = [feed for feed in asked if feed.known_us <= known_us]
    earlier = [_newest(feed, known_us) for feed in asked if feed.known_us > known_us]
    if earlier:
        answers = Snapshot(await store.read(institution.institution_id, *earlier))
        known += [each for place in range(len(earlier)) for each in answers.many(place, RecordedWatermark)]
    return greatest(known)


def _newest(feed: Feed, known_us: int) -> Range:
    order = ("merchant_id", "channel", "known_us", "complete_through_us")
    prefix = feed.merchant_id, feed.channel
    return Range(RecordedWatermark, order, prefix=prefix, until=(known_us,), limit=1, backwards=True)


async def told_now(
    institution: Institution, feeds: Iterable[Feed], channels: Collection[str], known_us: int, store: Store
) -> tuple[Watermark, ...]:
    """What these feeds have told of those channels, for a call of that moment.

    A SYSTEM clock that stood ahead has dated a telling, and with it every later one, when it was not yet. They are on
    record and count, but for one that speaks of a moment yet to come. A CALLER's dates are taken as they are told.
    """
    held = list(feeds)
    told = await told_by(institution, held, channels, known_us, store)
    if institution.clock is Clock.CALLER:
        return told
    past = [feed for feed in held if feed.channel in channels and feed.complete_through_us <= known_us]
    return greatest((*told, *past))


async def seen_at(
    institution: Institution, merchant_id: str, told: tuple[Watermark, ...], known_us: int, store: Store
) -> tuple[Watermark, ...]:
    """What was told by then, no less than the last decision by then saw and no further than the first one since.

    So at a decision's own moment it is what that saw, by whatever clock it was told.
    """
    order, merchant = ("merchant_id", "known_us", "decision_id"), (merchant_id,)
    by_then = Range(Decision, order, prefix=merchant, until=(known_us,), limit=1, backwards=True)
    since = Range(Decision, order, prefix=merchant, after=(known_us - 1,), limit=1)
    answers = Snapshot(await store.read(institution.institution_id, by_then, since))
    last, first = answers.one(0, Decision), answers.one(1, Decision)
    known = told if last is None else greatest((*told, *last.watermarks))
    return known if first is None else at_most(known, first.watermarks)
