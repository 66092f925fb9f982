"""The peers that decisions of a day rank a merchant among: how indicators were spread when that was last published.

What is published on a day holds for the decisions of the next and of later ones, until there is newer or it is a
quarter old. The first decision of a day puts on record what the day reads, nothing where there is nothing, and no
publication changes that, however a caller dates it (`settled`). What only looks reads the same, and until that is on
record what it would be now (`looked_at`).
"""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta

from fanxing.errors import Contention, PeersSettled, StoreUnavailable
from fanxing.flows.held import Held
from fanxing.flows.moments import before_day_us, day_start_us, local_day
from fanxing.flows.once import ATTEMPTS, attempts, committed
from fanxing.flows.peers_measured import measured_peers
from fanxing.flows.ports import Artefact, ChangeSet, Get, PeersOfDay, Range, Record, Snapshot, Store
from fanxing.indicators.peers import NO_PEERS, STALE_DAYS, Peers
from fanxing.indicators.peers_bytes import PeersDamaged, unpack_peers
from fanxing.institutions import Institution

BYTES_HELD_MAX = 256 << 20
"""Of all institutions together, at 27 kB a cell: ten with a thousand cells each, or a thousand with ten."""
DAYS_HELD_MAX = 1024
KIND = "peers"
_ONE = timedelta(days=1)
_Named = tuple[str, str]
"""Of which institution, and the day or the digest."""


class PeersOnRecord:
    """Keeps the last that were read. Calls that need the same at once wait for one reading, or one publication.

    Publications are measured one after another, whoever asks for whichever days: each reads all logs of an institution.
    Institutions take turns, so that one which asks for many days keeps another waiting for one of them at most.
    """

    def __init__(self) -> None:
        self._days: Held[_Named, PeersOfDay] = Held(DAYS_HELD_MAX)
        self._published: Held[_Named, PeersOfDay] = Held(DAYS_HELD_MAX)
        self._peers: Held[_Named, Peers] = Held(BYTES_HELD_MAX, lambda each: each.cuts.nbytes + each.merchants.nbytes)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._one_at_a_time = asyncio.Lock()

    async def settled(self, institution: Institution, store: Store, day: date) -> Peers:
        """What decisions of that local day read; the first to ask puts on record which. NO_PEERS where there are none.

        StoreUnavailable where the bytes on record are damaged and can no longer be made again.
        """
        key = institution.institution_id, day.isoformat()
        return await self.of(institution, store, await self._days.get(key, lambda: _settle(institution, store, day)))

    async def looked_at(self, institution: Institution, store: Store, day: date) -> Peers:
        """The same if it is on record, else what it would be now."""
        return await self.of(institution, store, await newest(institution, store, day))

    async def of(self, institution: Institution, store: Store, head: PeersOfDay) -> Peers:
        """The peers of that digest."""
        if not head.digest:
            return NO_PEERS
        key = institution.institution_id, head.digest
        return await self._peers.get(key, lambda: _read(institution, store, head))

    async def publish(self, institution: Institution, store: Store, at_us: int) -> PeersOfDay:
        """Measures all merchants as known before this day and publishes that for the next; again on a day: the same.

        PeersSettled where decisions of the next day have been made already.
        """
        day = local_day(at_us, institution.time_zone) + _ONE

        async def published() -> PeersOfDay:
            async with self._turns[institution.institution_id], self._one_at_a_time:
                return await _publish(institution, store, day)

        return await self._published.get((institution.institution_id, day.isoformat()), published)


async def newest(institution: Institution, store: Store, day: date) -> PeersOfDay:
    """What is on record of the day, else the newest that was published for a day of the quarter before."""
    rows = Range(PeersOfDay, ("day",), after=((day - timedelta(STALE_DAYS)).isoformat(),), until=(day.isoformat(),))
    found = Snapshot(await store.read(institution.institution_id, rows)).many(0, PeersOfDay)
    if found and found[-1].day == day.isoformat():
        return found[-1]
    since_us = day_start_us(day - timedelta(STALE_DAYS), institution.time_zone)
    last = max(found, key=lambda each: each.known_us, default=None)
    if last is None or last.known_us < since_us:
        return PeersOfDay(day=day.isoformat(), digest="", known_us=0)
    return replace(last, day=day.isoformat())


async def _settle(institution: Institution, store: Store, day: date) -> PeersOfDay:
    return await _put(institution, store, await newest(institution, store, day))


async def _publish(institution: Institution, store: Store, day: date) -> PeersOfDay:
    known_us = before_day_us(day - _ONE, institution.time_zone)
    head = await _on_record(institution, store, day.isoformat())
    if head is None:
        peers, content = await measured_peers(institution, store, known_us)
        mine = PeersOfDay(day=day.isoformat(), digest=peers.digest, known_us=known_us)
        head = await _put(institution, store, mine, Artefact(digest=peers.digest, kind=KIND, content=content))
    if head.known_us != known_us:
        raise PeersSettled(f"decisions of {day} have been made, which read other peers", day=day)
    return head


async def _on_record(institution: Institution, store: Store, day: str) -> PeersOfDay | None:
    return Snapshot(await store.read(institution.institution_id, Get(PeersOfDay, ((day,),)))).one(0, PeersOfDay)


async def _put(institution: Institution, store: Store, mine: PeersOfDay, *more: Record) -> PeersOfDay:
    """What is on record of the day from now on: this, unless another process was first."""
    async for _ in attempts(ATTEMPTS):
        await committed(institution, store, ChangeSet(inserts_if_absent=(*more, mine)))
        head = await _on_record(institution, store, mine.day)
        if head is not None:
            return head
    raise Contention("other calls changed the peers on record every time; retry")


async def _read(institution: Institution, store: Store, head: PeersOfDay) -> Peers:
    """The peers on record. Where their bytes are damaged, some made again will do if their digest is the same."""
    answers = await store.read(institution.institution_id, Get(Artefact, ((head.digest,),)))
    artefact = Snapshot(answers).one(0, Artefact)
    try:
        return await asyncio.to_thread(unpack_peers, b"" if artefact is None else artefact.content, head.digest)
    except PeersDamaged as damage:
        peers, _ = await measured_peers(institution, store, head.known_us)
        if peers.digest == head.digest:
            return peers
        raise StoreUnavailable(
            f"the peers {head.digest} are damaged ({damage}); made again they would be others"
        ) from damage
