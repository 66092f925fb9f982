"""The day's graph on record: sums of the log as every store makes them, one graph a day for all, damage told."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from msgspec import structs
from tests.store.test_store import merchant, payment

from fanxing.errors import StoreUnavailable
from fanxing.flows.graphs import Graphs, graph_window
from fanxing.flows.moments import day_start_us
from fanxing.flows.ports import Artefact, ChangeSet, Get, GraphOfDay, NetReceipts
from fanxing.flows.world import World
from fanxing.institutions import Clock, Institution
from fanxing.payments import PaymentKind, Window
from fanxing.serve import _background
from fanxing.settings import Settings
from fanxing.store.fake import FakeStore
from fanxing.store.open import open_store

BANK = Institution(institution_id="bank", currency="CNY", time_zone="Asia/Shanghai", clock=Clock.CALLER)
DAY, DAY_US = date(2026, 9, 1), 86_400_000_000
START_US = day_start_us(DAY, BANK.time_zone)
MIDDLE_US = START_US - 30 * DAY_US


@pytest.fixture
async def store(address):
    opened = await open_store(**address)
    yield opened
    await opened.close()


def receipt(name, payer, fen, shop="m1", **changes):
    values = {"payment_id": f"{shop}-{name}", "payer_token": payer, "amount_fen": fen, "payer_real_name": None}
    return structs.replace(payment(1, shop), **(values | {"occurred_us": MIDDLE_US, "known_us": MIDDLE_US} | changes))


def refund(name, of, fen, shop="m1", **changes):
    return receipt(name, "", fen, shop, kind=PaymentKind.REFUND, refund_of=f"{shop}-{of}", **changes)


async def record(store, *payments):
    """In the order of each shop's log."""
    numbered, counts = [], defaultdict(lambda: 0)
    for each in payments:
        counts[each.merchant_id] += 1
        numbered.append(structs.replace(each, merchant_seq=counts[each.merchant_id]))
    await store.commit("bank", ChangeSet(inserts=tuple(numbered)))


async def sums(store, window, shop="m1"):
    (found,) = await store.read("bank", NetReceipts(shop, window))
    assert all(each.merchant_id == shop for each in found)
    return [(each.payer_token, each.net_fen) for each in found]


WINDOW = graph_window(DAY, BANK.time_zone)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"occurred_us": START_US - 7 * DAY_US - 1}, True),
        ({"occurred_us": START_US - 7 * DAY_US}, False),
        ({"occurred_us": START_US - 187 * DAY_US}, True),
        ({"occurred_us": START_US - 187 * DAY_US - 1}, False),
        ({"known_us": START_US - 300_000_001}, True),
        ({"known_us": START_US - 300_000_000}, False),
        ({"payer_token": ""}, False),
        ({"kind": PaymentKind.OUTFLOW}, False),
        ({"merchant_id": "m2"}, False),
    ],
)
async def test_what_counts_is_seven_days_old_not_too_old_known_before_the_day_and_someones(store, changes, counts):
    await record(store, structs.replace(receipt("r", "ann", 300), **changes))
    assert await sums(store, WINDOW) == ([("ann", 300)] if counts else [])


@pytest.mark.parametrize(
    ("changes", "left_fen"),
    [
        ({}, 700),
        ({"occurred_us": START_US - 1}, 700),
        ({"occurred_us": START_US}, 1_000),
        ({"known_us": START_US - 300_000_000}, 1_000),
        ({"amount_fen": 5_000}, 0),
        ({"refund_of": "m1-none"}, 1_000),
        ({"occurred_us": MIDDLE_US - 300 * DAY_US}, 700),
    ],
)
@pytest.mark.parametrize("refund_first", [False, True])
async def test_a_refund_is_booked_to_its_receipt_whichever_comes_first(store, changes, left_fen, refund_first):
    log = [receipt("r", "ann", 1_000), structs.replace(refund("back", "r", 300), **changes)]
    await record(store, *log[:: -1 if refund_first else 1], receipt("other", "bo", 40))
    assert await sums(store, WINDOW) == [("ann", left_fen), ("bo", 40)][left_fen == 0 :]


async def test_sums_of_a_random_log_are_those_of_its_receipts_one_by_one(store):
    chance = np.random.default_rng(11)
    log = []
    for number in range(400):
        times = {name: int(chance.integers(0, 100)) for name in ("occurred_us", "known_us")}
        shop, fen = f"m{chance.integers(2)}", int(chance.integers(1, 900))
        if chance.random() < 0.4:
            log.append(refund(number, int(chance.integers(0, 400)), fen, shop, **times))
        else:
            log.append(receipt(number, ("", "ann", "bo", "陈", "di")[chance.integers(5)], fen, shop, **times))
    await record(store, *log)
    for _ in range(30):
        since, until, before, known = (int(each) for each in chance.integers(0, 110, 4))
        window = Window(since_us=since, until_us=until, refunded_before_us=before, known_us=known)
        for shop in ("m0", "m1", "m2"):
            assert await sums(store, window, shop) == one_by_one(log, shop, window)


def one_by_one(log, shop, window):
    wanted = defaultdict(int)
    for each in log:
        if each.merchant_id != shop or each.kind is PaymentKind.REFUND or each.known_us > window.known_us:
            continue
        back = [
            other.amount_fen
            for other in log
            if (other.merchant_id, other.refund_of) == (shop, each.payment_id)
            and other.known_us <= window.known_us
            and other.occurred_us < window.refunded_before_us
        ]
        if each.payer_token and window.since_us <= each.occurred_us < window.until_us:
            wanted[each.payer_token] += max(0, each.amount_fen - sum(back))
    return sorted((payer, fen) for payer, fen in wanted.items() if fen)


async def town(store):
    """Three shops; ann is seen at two of them."""
    shops = [merchant(f"m{n}", controller_token=f"c{n}", payout_account_token=f"a{n}") for n in range(3)]
    await store.commit("bank", ChangeSet(inserts=tuple(shops)))
    await record(store, receipt("r", "ann", 300), receipt("r", "ann", 300, "m2"), receipt("s", "bo", 299, "m2"))
    return shops


async def seen_behind(store, shop="m0"):
    """Something of before the day becomes known only now."""
    await store.commit("bank", ChangeSet(inserts=(structs.replace(receipt("late", "ann", 900, shop), merchant_seq=9),)))


async def test_the_first_graph_of_a_day_is_every_processs_for_ever(store):
    shops = await town(store)
    first = await Graphs().settled(BANK, store, DAY)
    assert [len(each) for each in first.vouching_for(["ann", "bo"], first.own(shops[0]))] == [2, 0]
    await seen_behind(store)
    later = await Graphs().settled(BANK, store, DAY)
    looked = await Graphs().looked_at(BANK, store, DAY)
    assert first.digest == later.digest == looked.digest
    assert (await Graphs().looked_at(BANK, store, date(2026, 9, 2))).digest != first.digest
    ((head,), (artefact,)) = await store.read(
        "bank", Get(GraphOfDay, ((DAY.isoformat(),),)), Get(Artefact, ((first.digest,),))
    )
    assert (head.known_us, head.digest, artefact.kind) == (START_US - 300_000_001, first.digest, "graph")


class Meanwhile:
    """A store before whose first commit something else happens."""

    def __init__(self, store, act):
        self._store, self._act = store, act

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, institution_id, changes):
        act, self._act = self._act, None
        if act is not None:
            await act()
        return await self._store.commit(institution_id, changes)


async def test_of_processes_that_build_at_once_one_is_first_and_all_read_its_graph(store):
    await town(store)
    found = []

    async def another_is_first():
        await seen_behind(store)
        found.append(await Graphs().settled(BANK, store, DAY))

    found.append(await Graphs().settled(BANK, Meanwhile(store, another_is_first), DAY))
    found += await asyncio.gather(*(Graphs().settled(BANK, store, DAY) for _ in range(6)))
    assert len({graph.digest for graph in found}) == 1
    assert len(found[-1].vouching_for(["ann"], frozenset())[0]) == 3  # what the first of them saw


async def test_looking_puts_nothing_on_record(store):
    await town(store)
    graphs = Graphs()
    before = (await graphs.looked_at(BANK, store, DAY)).digest
    await seen_behind(store)
    assert (await graphs.looked_at(BANK, store, DAY)).digest == before
    graphs.forget(BANK, START_US - 1)
    assert (await graphs.looked_at(BANK, store, DAY)).digest != before
    assert (await store.read("bank", Get(GraphOfDay, ((DAY.isoformat(),),)))) == ((),)


async def test_institutions_have_graphs_of_their_own(store):
    await town(store)
    other = replace(BANK, institution_id="union")
    assert (await Graphs().settled(other, store, DAY)).payers.tolist() == []
    assert len((await Graphs().settled(BANK, store, DAY)).payers) == 1


class Summed(FakeStore):
    """Of which institutions logs were summed, in the order asked, and whether that many have a graph on record."""

    def __init__(self, institutions):
        super().__init__()
        self.order, self.wanted, self.all_there = [], institutions, asyncio.Event()

    async def read(self, institution_id, *queries):
        if isinstance(queries[0], NetReceipts):
            self.order.append(institution_id)
            await asyncio.sleep(0.001)
        return await super().read(institution_id, *queries)

    async def commit(self, institution_id, changes):
        self.wanted -= any(isinstance(each, GraphOfDay) for each in changes.inserts_if_absent)
        if not self.wanted:
            self.all_there.set()
        return await super().commit(institution_id, changes)


async def test_a_service_builds_the_graphs_of_its_institutions_one_after_another():
    """Or calls would wait behind reads of all of them."""
    store, shops = Summed(3), tuple(merchant(f"m{number}") for number in range(20))
    banks = [replace(BANK, institution_id=f"bank-{number}", clock=Clock.SYSTEM) for number in range(3)]
    for bank in banks:
        await store.commit(bank.institution_id, ChangeSet(inserts=shops))
    world = World(store=store, rail=None, now=lambda: START_US, cpu_time=lambda: 0)
    async with asyncio.timeout(30), _background(banks, Settings(), world):
        await store.all_there.wait()
    assert store.order == sorted(store.order)
    assert {*store.order} == {each.institution_id for each in banks}


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
async def test_damaged_bytes_are_built_again_only_if_they_come_out_the_same(damage):
    store = FakeStore()
    await town(store)
    digest = (await Graphs().settled(BANK, store, DAY)).digest
    artefacts = store._tables["bank"][Artefact]
    content = artefacts[digest,].content
    damaged = content[:-1] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:]
    if damage == "gone":
        del artefacts[digest,]
    else:
        artefacts[digest,] = Artefact(digest=digest, kind="graph", content=damaged)
    assert (await Graphs().settled(BANK, store, DAY)).digest == digest
    await seen_behind(store)
    for ask in (Graphs().settled, Graphs().looked_at):
        with pytest.raises(StoreUnavailable, match=f"the payer graph {digest} of 2026-09-01 is damaged"):
            await ask(BANK, store, DAY)


class Counting(FakeStore):
    """Counts who sums the log, and fails while it is told to."""

    def __init__(self):
        super().__init__()
        self.summed, self.fails = 0, False

    async def read(self, institution_id, *queries):
        await asyncio.sleep(0)
        if isinstance(queries[0], NetReceipts):
            self.summed += 1
            if self.fails:
                raise StoreUnavailable("gone")
        return await super().read(institution_id, *queries)


@pytest.mark.parametrize("how", ["settled", "looked_at"])
async def test_calls_at_once_wait_for_one_build_and_a_failure_is_not_kept(how):
    store, graphs = Counting(), Graphs()
    await town(store)
    store.fails = True
    failed = await asyncio.gather(*(getattr(graphs, how)(BANK, store, DAY) for _ in range(9)), return_exceptions=True)
    assert {type(each) for each in failed} == {StoreUnavailable}
    store.fails = False
    calls = [asyncio.create_task(getattr(graphs, how)(BANK, store, DAY)) for _ in range(9)]
    await asyncio.sleep(0)
    for gone in calls[:2]:
        gone.cancel()  # who goes away takes nothing from the others
    found = await asyncio.gather(*calls[2:])
    assert len({id(each) for each in found}) == 1
    assert store.summed == 2
    if how == "settled":
        assert (await Graphs().settled(BANK, store, DAY)).digest == found[0].digest
        assert store.summed == 2  # read, not built again
