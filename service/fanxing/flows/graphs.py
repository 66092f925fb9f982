"""The payer graph of a day, from the merchants and payments known five minutes before the day began.

A call that took its moment before midnight has committed by then. What decides reads the graph that was put on record
by who needed it first, the same for every process for ever (`settled`). What only looks reads that one too, and until
there is one a graph of its own, which freezes nothing (`looked_at`).
"""

import asyncio
from datetime import date, timedelta

from fanxing.errors import Contention, StoreUnavailable
from fanxing.flows.held import Held
from fanxing.flows.moments import before_day_us, day_start_us
from fanxing.flows.once import ATTEMPTS, attempts, committed
from fanxing.flows.ports import Artefact, ChangeSet, Get, GraphOfDay, NetReceipts, Range, Snapshot, Store
from fanxing.indicators.graph import LAG_DAYS, WINDOW_DAYS, PayerGraph, build_graph
from fanxing.indicators.graph_bytes import GraphDamaged, pack_graph, unpack_graph
from fanxing.institutions import Institution
from fanxing.merchants import Merchant
from fanxing.payments import Sighting, Window

HELD_MAX = 16
"""Graphs of a few megabytes each where merchants are thousands."""
KIND = "graph"
MERCHANTS_A_READ = 4
"""Few enough that the reads of other calls come in between, and that a data base with cold pages answers in time."""
_Day = tuple[str, date]
"""Of which institution, and which."""


class Graphs:
    """Keeps the last days' graphs. Calls that need one at once wait for the same one."""

    def __init__(self) -> None:
        self._settled: Held[_Day, PayerGraph] = Held(HELD_MAX)
        self._looked_at: Held[_Day, PayerGraph] = Held(HELD_MAX)

    async def settled(self, institution: Institution, store: Store, day: date) -> PayerGraph:
        """The graph that decisions of that local day read; the first to ask puts it on record.

        StoreUnavailable where the one on record is damaged and can no longer be built again.
        """
        key = institution.institution_id, day
        return await self._settled.get(key, lambda: _settle(institution, store, day))

    async def looked_at(self, institution: Institution, store: Store, day: date) -> PayerGraph:
        """The same graph if there is one, else what it would be now."""
        key = institution.institution_id, day
        if key in self._settled or await _on_record(institution, store, day):
            return await self.settled(institution, store, day)
        return await self._looked_at.get(key, lambda: _built(institution, store, day))

    def forget(self, institution: Institution, known_us: int) -> None:
        """Drops what was looked at of later days: something has become known that they would hold.

        A caller may look ahead, and a SYSTEM clock is asked for a few minutes' future.
        """
        mine, zone = institution.institution_id, institution.time_zone
        self._looked_at.forget(lambda key: key[0] == mine and known_us < day_start_us(key[1], zone))


async def _on_record(institution: Institution, store: Store, day: date) -> GraphOfDay | None:
    answers = await store.read(institution.institution_id, Get(GraphOfDay, ((day.isoformat(),),)))
    return Snapshot(answers).one(0, GraphOfDay)


async def _settle(institution: Institution, store: Store, day: date) -> PayerGraph:
    head = await _on_record(institution, store, day)
    if head is not None:
        return await _read(institution, store, day, head)
    graph, content = await _built_and_packed(institution, store, day)
    mine = GraphOfDay(day=day.isoformat(), digest=graph.digest, known_us=before_day_us(day, institution.time_zone))
    artefact = Artefact(digest=graph.digest, kind=KIND, content=content)
    async for _ in attempts(ATTEMPTS):
        await committed(institution, store, ChangeSet(inserts_if_absent=(artefact, mine)))
        head = await _on_record(institution, store, day)
        if head is not None:  # another process may have been first
            return graph if head == mine else await _read(institution, store, day, head)
    raise Contention("other calls changed the payer graphs every time; retry with the same request_id")


async def _read(institution: Institution, store: Store, day: date, head: GraphOfDay) -> PayerGraph:
    """The graph on record. Where its bytes are damaged, one built again will do if it is the same to its digest."""
    answers = await store.read(institution.institution_id, Get(Artefact, ((head.digest,),)))
    artefact = Snapshot(answers).one(0, Artefact)
    try:
        content = b"" if artefact is None else artefact.content
        return await asyncio.to_thread(unpack_graph, content, head.digest, day, institution.institution_id)
    except GraphDamaged as damage:
        graph, _ = await _built_and_packed(institution, store, day)
        if graph.digest == head.digest:
            return graph
        raise StoreUnavailable(
            f"the payer graph {head.digest} of {day} is damaged ({damage}); built again it would be another one"
        ) from damage


async def _built(institution: Institution, store: Store, day: date) -> PayerGraph:
    graph, _ = await _built_and_packed(institution, store, day)
    return graph


async def _built_and_packed(institution: Institution, store: Store, day: date) -> tuple[PayerGraph, bytes]:
    """The graph of what is on record now and was known before the day, and its bytes."""
    before = before_day_us(day, institution.time_zone)
    answers = Snapshot(await store.read(institution.institution_id, Range(Merchant, ("merchant_id",))))
    merchants = [each for each in answers.many(0, Merchant) if each.registered_us <= before]
    window = graph_window(day, institution.time_zone)
    queries = [NetReceipts(each.merchant_id, window) for each in merchants]
    sightings: list[Sighting] = []
    for first in range(0, len(queries), MERCHANTS_A_READ):
        together = queries[first : first + MERCHANTS_A_READ]
        answers = Snapshot(await store.read(institution.institution_id, *together))
        for place in range(len(together)):
            sightings += answers.many(place, Sighting)
    graph = await asyncio.to_thread(build_graph, sightings, merchants, day, institution.institution_id)
    return await asyncio.to_thread(pack_graph, graph, day)


def graph_window(day: date, time_zone: str) -> Window:
    """The receipts that a day's graph is made of, as known before it."""
    since, until = (day_start_us(day - timedelta(days), time_zone) for days in (WINDOW_DAYS, LAG_DAYS))
    start = day_start_us(day, time_zone)
    return Window(since_us=since, until_us=until, refunded_before_us=start, known_us=before_day_us(day, time_zone))
