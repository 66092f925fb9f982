"""Peers on record: what is published holds from tomorrow on, and what a day has read it reads for ever."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest
from msgspec import structs
from tests.store.test_graphs import BANK, Meanwhile
from tests.store.test_store import merchant, payment

from fanxing.errors import PeersSettled, StoreUnavailable
from fanxing.flows import peers as flow
from fanxing.flows.moments import day_start_us
from fanxing.flows.peers import PeersOnRecord
from fanxing.flows.ports import Artefact, ChangeSet, Get, PeersOfDay
from fanxing.indicators.peers import NO_PEERS, SPREAD, STALE_DAYS
from fanxing.store.fake import FakeStore
from fanxing.store.open import open_store

NAME, DAY_US = "receipts_fen_90d", 86_400_000_000
MONDAY = date(2026, 9, 7)
TUESDAY, WEDNESDAY, THURSDAY = (MONDAY + timedelta(days) for days in (1, 2, 3))


@pytest.fixture
async def store(address):
    opened = await open_store(**address)
    yield opened
    await opened.close()


def noon_us(day):
    return day_start_us(day, BANK.time_zone) + DAY_US // 2


SUNDAY_US = noon_us(MONDAY) - DAY_US


def shop(number, **changes):
    return merchant(f"m{number:03}", place="street", controller_token=f"c{number}", **changes)


def receipt(number, fen, seq=1, known_us=SUNDAY_US):
    """Of shop `number`."""
    told = payment(seq, f"m{number:03}")
    return structs.replace(told, payer_token="ann", amount_fen=fen, occurred_us=SUNDAY_US, known_us=known_us)


async def street(store, shops=30, bank="bank"):
    """Shop n has taken n + 1 yuan."""
    await store.commit(bank, ChangeSet(inserts=tuple(shop(number) for number in range(shops))))
    await store.commit(bank, ChangeSet(inserts=tuple(receipt(number, 100 * (number + 1)) for number in range(shops))))


async def grows(store, known_us):
    """Shop 0 becomes the largest."""
    await store.commit("bank", ChangeSet(inserts=(receipt(0, 10_000, 2, known_us),)))


def rank(peers, fen):
    return peers.rank(NAME, shop(0), fen)


async def test_what_is_published_today_holds_from_tomorrow_on_in_every_process(store):
    await street(store)
    head = await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))
    assert (head.day, len(head.digest)) == ("2026-09-08", 64)
    assert day_start_us(MONDAY, BANK.time_zone) - head.known_us == 300_000_001
    assert (await PeersOnRecord().settled(BANK, store, MONDAY)) is NO_PEERS
    for day in (TUESDAY, THURSDAY):
        for ask in (PeersOnRecord().looked_at, PeersOnRecord().settled, PeersOnRecord().looked_at):
            peers = await ask(BANK, store, day)
            assert (peers.digest, rank(peers, 1_500)) == (head.digest, 0.485)
            assert peers.merchants[0, SPREAD.index(NAME)] == 30


async def test_of_several_the_newest_that_was_published_before_the_day_is_read(store):
    await street(store)
    first = await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))
    await PeersOnRecord().settled(BANK, store, TUESDAY)
    await grows(store, noon_us(MONDAY))
    second = await PeersOnRecord().publish(BANK, store, noon_us(TUESDAY))
    assert first.digest != second.digest
    for day, head in ((TUESDAY, first), (WEDNESDAY, second), (THURSDAY, second)):
        assert (await PeersOnRecord().settled(BANK, store, day)).digest == head.digest


async def test_a_later_publication_changes_nothing_of_a_day_that_has_decided(store):
    """Whatever the caller dates it, and for what was ranked among none too."""
    await street(store)
    peers = PeersOnRecord()
    assert await peers.settled(BANK, store, THURSDAY) is NO_PEERS
    behind = await peers.publish(BANK, store, noon_us(MONDAY))
    with pytest.raises(PeersSettled, match="2026-09-10"):
        await peers.publish(BANK, store, noon_us(WEDNESDAY))
    for asked in (peers, PeersOnRecord()):
        for ask in (asked.looked_at, asked.settled):
            assert await ask(BANK, store, THURSDAY) is NO_PEERS
            assert (await ask(BANK, store, TUESDAY)).digest == behind.digest
            assert (await ask(BANK, store, THURSDAY + timedelta(days=1))).digest == behind.digest


async def test_an_older_publication_that_comes_late_does_not_replace_a_newer(store):
    await street(store)
    newer = await PeersOnRecord().publish(BANK, store, noon_us(TUESDAY))
    await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))
    assert (await PeersOnRecord().settled(BANK, store, THURSDAY)).digest == newer.digest


async def test_published_twice_on_a_day_it_is_what_was_published_first(store):
    await street(store)
    first = await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))
    await store.commit("bank", ChangeSet(inserts=(receipt(3, 50_000, 2),)))  # as if known on Sunday
    assert await PeersOnRecord().publish(BANK, store, noon_us(MONDAY) + 60_000_000) == first
    assert (await PeersOnRecord().looked_at(BANK, store, TUESDAY)).digest == first.digest


async def test_of_processes_that_publish_at_once_one_is_first_and_both_answer_the_same(store):
    await street(store)
    found = []

    async def another_is_first():
        await grows(store, SUNDAY_US)
        found.append(await PeersOnRecord().publish(BANK, store, noon_us(MONDAY)))

    found.append(await PeersOnRecord().publish(BANK, Meanwhile(store, another_is_first), noon_us(MONDAY)))
    assert found[0] == found[1]


async def test_a_decision_made_while_it_was_measured_keeps_what_it_read(store):
    await street(store)

    async def tomorrow_decides():
        await PeersOnRecord().settled(BANK, store, TUESDAY)

    with pytest.raises(PeersSettled):
        await PeersOnRecord().publish(BANK, Meanwhile(store, tomorrow_decides), noon_us(MONDAY))
    assert await PeersOnRecord().settled(BANK, store, TUESDAY) is NO_PEERS


async def test_looking_puts_nothing_on_record(store):
    await street(store)
    assert await PeersOnRecord().looked_at(BANK, store, WEDNESDAY) is NO_PEERS
    head = await PeersOnRecord().publish(BANK, store, noon_us(TUESDAY))
    assert (await PeersOnRecord().looked_at(BANK, store, WEDNESDAY)).digest == head.digest
    assert await store.read("bank", Get(PeersOfDay, (("2026-09-08",),))) == ((),)


@pytest.mark.parametrize(
    ("later", "told"),
    [({"known_us": SUNDAY_US + DAY_US // 2}, False), ({"known_us": SUNDAY_US + DAY_US // 2 - 300_000_001}, True)],
)
async def test_only_what_was_known_before_the_day_of_publication_counts(store, later, told):
    await street(store, 29)
    await store.commit("bank", ChangeSet(inserts=(shop(99), receipt(99, 1, **later))))
    await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))
    peers = await PeersOnRecord().settled(BANK, store, TUESDAY)
    assert (rank(peers, 1_500) is not None) is told


@pytest.mark.parametrize("registered_us", [SUNDAY_US, noon_us(MONDAY)])
async def test_a_merchant_registered_since_is_no_peer_yet(store, registered_us):
    await street(store, 29)
    await store.commit("bank", ChangeSet(inserts=(shop(99, registered_us=registered_us), receipt(99, 1))))
    await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))
    peers = await PeersOnRecord().settled(BANK, store, TUESDAY)
    assert (rank(peers, 1_500) is not None) is (registered_us == SUNDAY_US)


async def test_peers_of_more_than_a_quarter_ago_are_none(store):
    await street(store)
    head = await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))
    last = TUESDAY + timedelta(STALE_DAYS - 2)
    for day in (last - timedelta(days=30), last):
        assert (await PeersOnRecord().settled(BANK, store, day)).digest == head.digest
    assert await PeersOnRecord().settled(BANK, store, last + timedelta(days=1)) is NO_PEERS


async def test_institutions_have_peers_of_their_own(store):
    await street(store)
    await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))
    assert await PeersOnRecord().settled(replace(BANK, institution_id="union"), store, TUESDAY) is NO_PEERS


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
async def test_damaged_bytes_are_made_again_only_if_they_come_out_the_same(damage):
    store = FakeStore()
    await street(store)
    digest = (await PeersOnRecord().publish(BANK, store, noon_us(MONDAY))).digest
    artefacts = store._tables["bank"][Artefact]
    content = artefacts[digest,].content
    damaged = content[:-1] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:]
    if damage == "gone":
        del artefacts[digest,]
    else:
        artefacts[digest,] = replace(artefacts[digest,], content=damaged)
    assert (await PeersOnRecord().settled(BANK, store, TUESDAY)).digest == digest
    await grows(store, SUNDAY_US)
    for ask in (PeersOnRecord().settled, PeersOnRecord().looked_at):
        with pytest.raises(StoreUnavailable, match=f"the peers {digest} are damaged"):
            await ask(BANK, store, TUESDAY)


async def test_who_goes_away_while_it_is_measured_stops_nothing():
    store, peers = FakeStore(), PeersOnRecord()
    await street(store)
    calls = [asyncio.create_task(peers.publish(BANK, store, noon_us(MONDAY))) for _ in range(3)]
    await asyncio.sleep(0)
    calls[0].cancel()
    assert await calls[1] == await calls[2] == await peers.publish(BANK, store, noon_us(MONDAY))


async def test_publications_asked_for_at_once_are_measured_one_after_another(monkeypatch):
    """Of all days and institutions."""
    under_way, most, really = [], [], flow.measured_peers

    async def watched(institution, store, known_us):
        under_way.append(known_us)
        most.append(len(under_way))
        await asyncio.sleep(0.001)
        measured = await really(institution, store, known_us)
        under_way.remove(known_us)
        return measured

    monkeypatch.setattr(flow, "measured_peers", watched)
    store, peers = FakeStore(), PeersOnRecord()
    banks = [replace(BANK, institution_id=f"bank-{number}") for number in range(3)]
    asked = [peers.publish(bank, store, noon_us(MONDAY) + day * DAY_US) for bank in banks for day in range(20)]
    assert len({head.day for head in await asyncio.gather(*asked)}) == 20
    assert most == [1] * 60


async def test_an_institution_that_asks_for_many_days_keeps_another_waiting_for_one(monkeypatch):
    """Also where nobody waits for these any more."""
    turns, really = [], flow.measured_peers

    async def watched(institution, store, known_us):
        turns.append(institution.institution_id)
        await asyncio.sleep(0)
        return await really(institution, store, known_us)

    monkeypatch.setattr(flow, "measured_peers", watched)
    store, peers = FakeStore(), PeersOnRecord()
    asked = [asyncio.create_task(peers.publish(BANK, store, noon_us(MONDAY) + day * DAY_US)) for day in range(20)]
    await asyncio.sleep(0)
    for each in asked:
        each.cancel()
    await peers.publish(replace(BANK, institution_id="other"), store, noon_us(MONDAY))
    assert turns.count("bank") <= 2
    assert turns.count("other") == 1


class Counting(FakeStore):
    """How often published bytes were read."""

    artefacts = 0

    async def read(self, institution_id, *queries):
        self.artefacts += sum(isinstance(each, Get) and each.record is Artefact for each in queries)
        return await super().read(institution_id, *queries)


async def test_decisions_of_many_institutions_in_turn_read_the_bytes_of_each_once():
    store, peers = Counting(), PeersOnRecord()
    banks = [replace(BANK, institution_id=f"bank-{number}") for number in range(9)]
    for bank in banks:
        await street(store, bank=bank.institution_id)
        await peers.publish(bank, store, noon_us(MONDAY))
    for bank in banks * 3:
        assert (await peers.settled(bank, store, TUESDAY)).digest
    assert store.artefacts == len(banks)
