"""RecordWatermark: a feed tells through when it is complete; ListFeeds: where feeds stand."""

from dataclasses import dataclass, replace

from fanxing.errors import WatermarkBackwards
from fanxing.feeds import ALL_MERCHANTS, Feed, RecordedWatermark, Watermark
from fanxing.flows.find import find, not_found
from fanxing.flows.moments import iso, moment, refuse_backwards, refuse_future
from fanxing.flows.once import once
from fanxing.flows.ports import ChangeSet, Get, Record, Snapshot
from fanxing.flows.watermarks import feeds_query
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.merchants import Merchant

_THROUGH = "watermark.complete_through"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordWatermark:
    """The plain command. No merchants: all of them."""

    request_id: str
    watermark: Watermark
    merchant_ids: tuple[str, ...]
    effective_us: int | None


async def record_watermark(institution: Institution, command: RecordWatermark, world: World) -> tuple[Feed, ...]:
    """Records a watermark for each merchant or for all, once, all or none; the feeds as they stand, in that order."""
    keys = tuple((merchant_id, command.watermark.channel) for merchant_id in command.merchant_ids or (ALL_MERCHANTS,))

    async def unit(_: str) -> ChangeSet:
        merchants = Get(Merchant, tuple((merchant_id,) for merchant_id in command.merchant_ids))
        answers = Snapshot(await world.store.read(institution.institution_id, Get(Feed, keys), merchants))
        _refuse_strangers(command, answers)
        at_us = moment(institution, command.effective_us, world.now)
        refuse_future(command.watermark.complete_through_us, at_us, _THROUGH)
        held = {(feed.merchant_id, feed.channel): feed for feed in answers.many(0, Feed)}
        told = [_told(institution, held.get(key), key, command.watermark.complete_through_us, at_us) for key in keys]
        return _changes([feed for feed in told if feed != held.get((feed.merchant_id, feed.channel))])

    await once(institution, world.store, "RecordWatermark", command, unit)
    return Snapshot(await world.store.read(institution.institution_id, Get(Feed, keys))).many(0, Feed)


async def list_feeds(institution: Institution, merchant_id: str, world: World) -> tuple[Feed, ...]:
    """The feeds told for a merchant alone, or for all, in the order of their channels; or MerchantNotFound."""
    if merchant_id != ALL_MERCHANTS:
        await find(institution, Merchant, merchant_id, world)
    return Snapshot(await world.store.read(institution.institution_id, feeds_query(merchant_id))).many(0, Feed)


def _refuse_strangers(command: RecordWatermark, answers: Snapshot) -> None:
    known = {merchant.merchant_id for merchant in answers.many(1, Merchant)}
    for place, merchant_id in enumerate(command.merchant_ids):
        if merchant_id not in known:
            error = not_found(Merchant, merchant_id)
            error.field = f"merchant_ids[{place}]"
            raise error


def _told(institution: Institution, held: Feed | None, key: tuple[str, str], through_us: int, at_us: int) -> Feed:
    """The feed after a telling, never complete beyond the moment of the call; as it was, where that says nothing new.

    One that goes back is refused and not passed over: its sender may have found a gap in what it had claimed to be
    complete, and must not believe that this stops anything.
    """
    merchant_id, channel = key
    past_us = min(through_us, at_us)
    if held is None:
        return Feed(merchant_id=merchant_id, channel=channel, complete_through_us=past_us, known_us=at_us)
    refuse_backwards(institution, at_us, held.known_us, f"the feed {channel!r}")
    if through_us < held.complete_through_us:
        last = iso(held.complete_through_us)
        whose = f" of merchant {merchant_id}" if merchant_id else ""
        raise WatermarkBackwards(
            f"the feed {channel!r}{whose} was complete through {last}",
            field=_THROUGH,
            last=last,
            merchant_id=merchant_id,
        )
    if past_us <= held.complete_through_us:
        return held
    known_us = max(at_us, held.known_us)
    return replace(held, complete_through_us=past_us, known_us=known_us, version=held.version + 1)


def _changes(told: list[Feed]) -> ChangeSet:
    """The log grows, and the feeds stand where it ends."""
    log: list[Record] = [
        RecordedWatermark(
            merchant_id=feed.merchant_id,
            channel=feed.channel,
            complete_through_us=feed.complete_through_us,
            known_us=feed.known_us,
        )
        for feed in told
    ]
    first = [feed for feed in told if feed.version == 1]
    return ChangeSet(inserts=(*log, *first), updates=tuple(feed for feed in told if feed.version > 1))
