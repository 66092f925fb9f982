"""One class for every store: all or nothing, guarded, in order, and each institution for itself."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import date

import asyncpg
import pytest

from fanxing.errors import StoreUnavailable
from fanxing.feeds import RecordedWatermark
from fanxing.flows.ports import ChangeSet, Committed, ConflictKind, Get, GraphOfDay, Increment, Quota, Range, Request
from fanxing.ledger import Entry
from fanxing.merchants import Merchant
from fanxing.payments import PaymentKind, RecordedPayment
from fanxing.store.fake import FakeStore
from fanxing.store.open import open_store
from fanxing.store.postgres import PostgresStore
from fanxing.store.schema import TABLES
from fanxing.store.sqlite import SqliteStore


def merchant(merchant_id="m1", **changes):
    values = dict.fromkeys(("place", "licence_token", "phone_token", "device_token", "time_zone"), "") | {
        "name": "面馆 № 1",
        "category": "canteen",
        "opened_on": date(2026, 1, 31),
        "code_activated_on": None,
        "frontage": 0.1 + 0.2,
        "controller_token": "c",
        "payout_account_token": "a",
    }
    return Merchant(merchant_id=merchant_id, **(values | changes))


def payment(seq, merchant_id="m1"):
    return RecordedPayment(
        merchant_id=merchant_id,
        payment_id=f"p{seq}",
        amount_fen=2**53 + seq,
        occurred_us=seq,
        kind=PaymentKind.RECEIPT,
        payer_real_name=None if seq % 2 else True,
        merchant_seq=seq,
        known_us=seq // 3,
        content_hash="",
    )


@pytest.fixture
async def store(address):
    opened = await open_store(**address)
    yield opened
    await opened.close()


class TestEveryStore:
    async def test_what_goes_in_comes_out_to_the_last_bit(self, store):
        records = (merchant(), payment(1), payment(2))
        assert await store.commit("a", ChangeSet(inserts=records)) == Committed()
        found = await store.read("a", Get(Merchant, (("m1",),)), Get(RecordedPayment, (("m1", "p1"), ("m1", "p2"))))
        assert found == ((merchant(),), (payment(1), payment(2)))

    async def test_all_or_nothing(self, store):
        await store.commit("a", ChangeSet(inserts=(merchant(),)))
        outcome = await store.commit("a", ChangeSet(inserts=(merchant("m2"), merchant())))
        assert outcome.kind is ConflictKind.EXISTS
        assert await store.read("a", Get(Merchant, (("m2",),))) == ((),)

    async def test_one_record_cannot_be_inserted_twice(self, store):
        same = merchant()
        assert (await store.commit("a", ChangeSet(inserts=(same, same)))).kind is ConflictKind.EXISTS
        assert await store.read("a", Get(Merchant, (("m1",),))) == ((),)

    async def test_what_cannot_be_stored_is_one_callers_trouble_only(self, store):
        requests = [Request(rpc="r", request_id=str(n), command_hash="", resource_id="") for n in range(20)]
        innocent = [store.commit("a", ChangeSet(inserts=(request,))) for request in requests]
        broken = replace(merchant("m9"), name="\ud800")
        if isinstance(store, FakeStore):
            broken = object()  # it keeps whatever is a record
        outcomes = await asyncio.gather(
            *innocent[:10], store.commit("a", ChangeSet(inserts=(broken,))), *innocent[10:], return_exceptions=True
        )
        assert outcomes.count(Committed()) == 20
        assert isinstance(outcomes[10], Exception)
        assert not isinstance(outcomes[10], StoreUnavailable)

    async def test_an_update_needs_the_version_before_it(self, store):
        await store.commit("a", ChangeSet(inserts=(merchant(),)))
        newer = merchant(version=2, payment_count=1)
        assert await store.commit("a", ChangeSet(updates=(newer,))) == Committed()
        assert (await store.commit("a", ChangeSet(updates=(newer,)))).kind is ConflictKind.VERSION
        assert (await store.commit("a", ChangeSet(updates=(merchant("m9", version=2),)))).kind is ConflictKind.VERSION

    async def test_thousands_are_updated_at_once_to_the_last_bit(self, store):
        many = [merchant(f"m{number}") for number in range(2000)]
        await store.commit("a", ChangeSet(inserts=tuple(many)))
        changed = {"frontage": 1 / 3, "code_activated_on": date(2026, 2, 28), "payment_count": 2**53 + 1, "place": "1"}
        newer = tuple(replace(each, version=2, **changed) for each in many)
        assert await store.commit("a", ChangeSet(updates=newer)) == Committed()
        assert await store.read("a", Get(Merchant, tuple((each.merchant_id,) for each in many))) == (newer,)

    async def test_of_many_updates_with_one_that_is_stale_none_stays(self, store):
        many = tuple(merchant(f"m{number}") for number in range(2000))
        await store.commit("a", ChangeSet(inserts=many))
        newer = [replace(each, version=2) for each in many]
        newer[-1] = replace(newer[-1], version=3)
        stale = ChangeSet(inserts=(payment(1),), updates=tuple(newer))
        assert (await store.commit("a", stale)).kind is ConflictKind.VERSION
        keys = tuple((each.merchant_id,) for each in many)
        assert await store.read("a", Get(Merchant, keys), Get(RecordedPayment, (("m1", "p1"),))) == (many, ())

    async def test_of_racing_updates_one_wins(self, store):
        await store.commit("a", ChangeSet(inserts=(merchant(),)))
        racing = [store.commit("a", ChangeSet(updates=(merchant(version=2, name=str(n)),))) for n in range(16)]
        outcomes = await asyncio.gather(*racing)
        assert sum(outcome == Committed() for outcome in outcomes) == 1

    async def test_what_is_there_is_kept_by_an_insert_if_absent(self, store):
        first, later = (GraphOfDay(day="2026-09-01", digest=digest, known_us=0) for digest in ("one", "other"))
        await store.commit("a", ChangeSet(inserts_if_absent=(first,)))
        assert await store.commit("a", ChangeSet(inserts_if_absent=(later,))) == Committed()
        assert await store.read("a", Get(GraphOfDay, (("2026-09-01",),))) == ((first,),)

    async def test_a_quota_stays_within_its_bounds(self, store):
        assert (await store.commit("a", ChangeSet(increments=(Increment("f", 1),)))).kind is ConflictKind.QUOTA
        await store.commit("a", ChangeSet(inserts=(Quota(name="f", limit_fen=10, used_fen=0),)))
        outcomes = await asyncio.gather(
            *(store.commit("a", ChangeSet(increments=(Increment("f", 3),))) for _ in range(8))
        )
        assert sum(outcome == Committed() for outcome in outcomes) == 3
        assert (await store.commit("a", ChangeSet(increments=(Increment("f", -10),)))).kind is ConflictKind.QUOTA

    async def test_a_range_is_in_order_and_within_its_bounds(self, store):
        await store.commit("a", ChangeSet(inserts=tuple(payment(seq) for seq in (3, 1, 5, 2, 4))))
        await store.commit("a", ChangeSet(inserts=(payment(9, "m2"),)))
        order = ("merchant_id", "merchant_seq")

        async def seqs(**bounds):
            ((*found,),) = await store.read("a", Range(RecordedPayment, order, prefix=("m1",), **bounds))
            return [each.merchant_seq for each in found]

        assert await seqs() == [1, 2, 3, 4, 5]
        assert await seqs(after=(2,)) == [3, 4, 5]
        assert await seqs(after=(1,), until=(4,), limit=2) == [2, 3]
        assert await seqs(after=(1,), until=(4,), limit=2, backwards=True) == [4, 3]
        assert await seqs(backwards=True) == [5, 4, 3, 2, 1]

    async def test_the_newest_of_a_log_is_found_by_the_beginning_of_its_order(self, store):
        told = [
            RecordedWatermark(merchant_id="", channel=channel, complete_through_us=through, known_us=through // 10)
            for channel, through in (("bank", 95), ("qr", 11), ("qr", 12), ("qr", 23), ("qr", 35))
        ]
        await store.commit("a", ChangeSet(inserts=tuple(told)))
        order = ("merchant_id", "channel", "known_us", "complete_through_us")
        for known_us, newest in ((0, ()), (1, (told[2],)), (2, (told[3],)), (9, (told[4],))):
            query = Range(RecordedWatermark, order, prefix=("", "qr"), until=(known_us,), limit=1, backwards=True)
            assert await store.read("a", query) == (newest,)

    async def test_a_range_by_a_bound_shorter_than_its_order(self, store):
        entry = Entry(transaction_id="", line_number=0, account="cash", amount_fen=0, booked_us=0)
        entries = [replace(entry, transaction_id=f"t{n // 2}", line_number=n % 2) for n in range(6)]
        await store.commit("a", ChangeSet(inserts=tuple(entries)))
        order = ("transaction_id", "line_number")
        assert await store.read("a", Range(Entry, order, until=("t1",))) == (tuple(entries[:4]),)
        assert await store.read("a", Range(Entry, order, after=("t0", 0))) == (tuple(entries[1:]),)

    async def test_institutions_never_see_each_other(self, store):
        await store.commit("a", ChangeSet(inserts=(merchant(name="A"),)))
        assert await store.commit("b", ChangeSet(inserts=(merchant(name="B"),))) == Committed()
        assert (await store.read("b", Range(Merchant, ("merchant_id",))))[0] == (merchant(name="B"),)
        assert (await store.commit("c", ChangeSet(updates=(merchant(version=2),)))).kind is ConflictKind.VERSION

    async def test_the_ledgers_sum_is_the_institutions_own(self, store):
        entry = Entry(transaction_id="t", line_number=1, account="cash", amount_fen=7, booked_us=0)
        await store.commit("a", ChangeSet(inserts=(entry, replace(entry, line_number=2, amount_fen=-7))))
        assert await store.ledger_sum_fen("a") == 0
        if isinstance(store, PostgresStore):  # it refuses what the ledger's own law should have refused
            with pytest.raises(asyncpg.CheckViolationError, match="sums to 7 fen"):
                await store.commit("b", ChangeSet(inserts=(entry,)))
        else:
            await store.commit("b", ChangeSet(inserts=(entry,)))
        assert await store.ledger_sum_fen("b") == (0 if isinstance(store, PostgresStore) else 7)

    async def test_thousands_go_in_and_come_out_in_the_order_asked(self, store):
        many = tuple(payment(seq, f"m{seq % 7}") for seq in range(1, 5000))
        assert await store.commit("a", ChangeSet(inserts=many)) == Committed()
        asked = many[4000:] + many[:4000:-1] + (payment(9999),)
        keys = tuple((each.merchant_id, each.payment_id) for each in asked)
        assert await store.read("a", Get(RecordedPayment, keys), Get(RecordedPayment, ())) == (asked[:-1], ())

    async def test_of_thousands_with_one_that_is_taken_none_stays(self, store):
        await store.commit("a", ChangeSet(inserts=(payment(700),)))
        many = ChangeSet(inserts=(merchant(), *(payment(seq) for seq in range(1, 1000))))
        assert (await store.commit("a", many)).kind is ConflictKind.EXISTS
        keys = tuple(("m1", f"p{seq}") for seq in range(1, 1000))
        found = await store.read("a", Get(RecordedPayment, keys), Get(Merchant, (("m1",),)))
        assert found == ((payment(700),), ())

    async def test_what_is_stored_takes_bytes(self, store):
        before = await store.stored_bytes()
        await store.commit("a", ChangeSet(inserts=tuple(payment(seq) for seq in range(1, 1000))))
        grown = await store.stored_bytes() - before
        assert grown == 0 if isinstance(store, FakeStore) else grown > 50_000

    async def test_a_caller_who_goes_away_halves_nothing(self, store):
        request = Request(rpc="r", request_id="1", command_hash="", resource_id="")
        call = asyncio.ensure_future(store.commit("a", ChangeSet(inserts=(merchant(), request))))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await store.commit("a", ChangeSet(inserts=(merchant("m2"),)))
        merchants, requests = await store.read("a", Get(Merchant, (("m1",),)), Get(Request, (("r", "1"),)))
        assert len(merchants) == len(requests)


async def test_migrations_agree_with_the_records(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.sqlite")
    for table in TABLES.values():
        columns = store._reader.execute(f"PRAGMA table_info({table.name})").fetchall()
        assert [row[1] for row in columns] == ["institution_id", *table.names]
        key = [row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5]]
        assert key == ["institution_id", *table.key]
    await store.close()


async def test_a_second_process_is_kept_out(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.sqlite")
    with pytest.raises(StoreUnavailable, match="another process"):
        await SqliteStore.open(tmp_path / "store.sqlite")
    await store.close()
    await (await SqliteStore.open(tmp_path / "store.sqlite")).close()


async def test_a_full_disk_loses_nothing_and_heals(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.sqlite")
    await store.commit("a", ChangeSet(inserts=(merchant(),)))
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailable):
        await store.commit("a", ChangeSet(inserts=tuple(payment(seq) for seq in range(1, 5000))))
    assert await store.read("a", Get(Merchant, (("m1",),)), Get(RecordedPayment, (("m1", "p1"),))) == (
        (merchant(),),
        (),
    )
    store._writer.execute("PRAGMA max_page_count = 1000000")
    assert await store.commit("a", ChangeSet(inserts=(payment(1),))) == Committed()
    await store.close()


async def test_a_change_that_cannot_be_stored_does_not_end_the_writer(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.sqlite")
    with pytest.raises(OverflowError):
        await store.commit("a", ChangeSet(inserts=(Quota(name="f", limit_fen=2**70, used_fen=0),)))
    assert await store.commit("a", ChangeSet(inserts=(merchant(),))) == Committed()
    await store.close()


async def test_a_closed_store_says_so(tmp_path):
    store = await SqliteStore.open(tmp_path / "store.sqlite")
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.commit("a", ChangeSet(inserts=(merchant(),)))


async def test_a_damaged_file_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await SqliteStore.open(tmp_path / "store.sqlite")


WRITER = """
import asyncio, sys
from pathlib import Path
from fanxing.flows.ports import ChangeSet, Request
from fanxing.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    for number in range(100000):
        request = Request(rpc="r", request_id=str(number), command_hash="", resource_id="")
        await store.commit("a", ChangeSet(inserts=(request,)))
        print(number, flush=True)

asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "store.sqlite"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        for _ in range(200):
            last = int(writer.stdout.readline())
        writer.kill()
        last = max([last, *map(int, writer.stdout.read().split()[:-1])])

    async def kept():
        store = await SqliteStore.open(path)
        found = await store.read("a", Get(Request, tuple(("r", str(number)) for number in range(last + 1))))
        await store.close()
        return len(found[0])

    assert asyncio.run(kept()) == last + 1
