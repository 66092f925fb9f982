"""PostgreSQL: roles apart, institutions walled off, one migration, and a server that dies loses and doubles nothing."""

import asyncio
import signal
from dataclasses import replace

import asyncpg
import pytest
from deploy.postgres import cluster
from msgspec import structs
from tests.conftest import execute
from tests.store.test_store import merchant, payment

from fanxing.errors import OutcomeUnknown, StoreUnavailable
from fanxing.flows.ports import Artefact, ChangeSet, Committed, Conflict, Get, Range, Request
from fanxing.ledger import Entry
from fanxing.merchants import Merchant
from fanxing.payments import RecordedPayment
from fanxing.store.open import open_store
from fanxing.store.schema import TABLES
from fanxing.store.statements import change_statements, query_statement

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
async def store(database):
    opened = await open_store(database.url, owner_url=database.owner_url)
    yield opened
    await opened.close()


def request(number):
    return Request(rpc="r", request_id=str(number), command_hash="", resource_id="")


async def test_migrations_agree_with_the_records(database, store):
    connection = await asyncpg.connect(database.url)
    for table in TABLES.values():
        columns = "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position"
        found = [row[0] for row in await connection.fetch(columns, table.name)]
        assert found == ["institution_id", *table.names]
        key = (
            "SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k (number, place), pg_attribute a "
            "WHERE i.indrelid = $1::regclass AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.number "
            "ORDER BY k.place"
        )
        assert [row[0] for row in await connection.fetch(key, table.name)] == ["institution_id", *table.key]
    await connection.close()


async def test_every_table_but_the_institutions_is_walled_off_even_for_its_owner(database, store):
    connection = await asyncpg.connect(database.url)
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    await connection.close()
    assert {row[0] for row in rows} == {"institutions", "migrations"}


async def test_who_serves_sees_nothing_without_an_institution_and_only_its_own_with_one(database, store):
    await store.commit("a", ChangeSet(inserts=(merchant(name="A"),)))
    await store.commit("b", ChangeSet(inserts=(merchant(name="B"),)))
    connection = await asyncpg.connect(database.url)
    assert await connection.fetchval("SELECT count(*) FROM merchants") == 0
    await connection.execute("SELECT set_config('fanxing.institution', 'a', false)")
    assert await connection.fetchval("SELECT string_agg(name, '') FROM merchants") == "A"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await connection.execute("INSERT INTO quotas VALUES ('b', 'funding', 9, 0)")
    await connection.close()


async def test_nothing_of_an_institution_stays_on_a_connection(store):
    await store.commit("a", ChangeSet(inserts=(merchant(),)))
    await store.read("a", Get(Merchant, (("m1",),)))
    left = await store._pool.fetchval("SELECT current_setting('fanxing.institution', true)")
    assert not left


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entries",
        "UPDATE entries SET amount_fen = 0",
        "UPDATE payments SET amount_fen = 1",
        "UPDATE decisions SET verdict = ''",
        "UPDATE graph_days SET digest = ''",
        "UPDATE peer_days SET digest = ''",
        "DELETE FROM peer_days",
        "DELETE FROM graph_days",
        "UPDATE watermarks SET complete_through_us = 0",
        "DELETE FROM watermarks",
        "DELETE FROM feeds",
        "UPDATE artefacts SET content = ''",
        "DELETE FROM payments",
        "TRUNCATE loans",
        "DROP TABLE loans",
        "ALTER TABLE loans DISABLE ROW LEVEL SECURITY",
        "INSERT INTO migrations VALUES (99)",
    ],
)
async def test_who_serves_cannot_rewrite_history(database, store, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(database.url, statement)


async def test_a_superuser_serves_as_a_plain_role(database_server, database, store):
    url = database_server.admin_url.replace("/postgres?", f"/{name_of(database)}?")
    opened = await open_store(url)
    assert await opened._pool.fetchval("SELECT current_user") == "fanxing_app"
    await store.commit("a", ChangeSet(inserts=(merchant(),)))
    assert await opened.read("b", Range(Merchant, ("merchant_id",))) == ((),)
    await opened.close()


def name_of(database):
    return database.url.split("@/")[1].split("?")[0]


async def test_an_empty_data_base_needs_its_owner_once(database):
    with pytest.raises(StoreUnavailable, match="--store-owner"):
        await open_store(database.url)
    await asyncio.gather(*[_opened_and_closed(database.url, database.owner_url) for _ in range(4)])
    await _opened_and_closed(database.url)


async def _opened_and_closed(url, owner_url=None):
    await (await open_store(url, owner_url=owner_url)).close()


async def test_tables_of_a_newer_version_are_left_alone(database, store):
    await execute(database.owner_url, "INSERT INTO migrations VALUES (99)")
    with pytest.raises(StoreUnavailable, match="version 99"):
        await open_store(database.url)


async def test_a_data_base_that_forgets_what_it_acknowledged_is_refused(database, store):
    await execute(database.owner_url, f"ALTER DATABASE {name_of(database)} SET synchronous_commit = off")
    with pytest.raises(StoreUnavailable, match="synchronous_commit is off"):
        await open_store(database.url)


async def test_a_data_base_that_would_garble_names_is_refused(database_server, database):
    name = f"{name_of(database)}_ascii"
    await execute(
        database_server.admin_url, f"CREATE DATABASE {name} OWNER fanxing_owner ENCODING SQL_ASCII TEMPLATE template0"
    )
    with pytest.raises(StoreUnavailable, match="server_encoding is SQL_ASCII"):
        await open_store(
            database.url.replace(name_of(database), name), owner_url=database.owner_url.replace(name_of(database), name)
        )


async def test_bytes_and_odd_text_come_back_as_they_went(store):
    artefact = Artefact(digest="d", kind="policy", content=bytes(range(256)) * 9)
    odd = merchant(name="\"\\x41 ' $1 \\u0041 \n\t 🍜 {} [] null", place="a\\")
    await store.commit("a", ChangeSet(inserts=(artefact, odd)))
    assert await store.read("a", Get(Artefact, (("d",),)), Get(Merchant, (("m1",),))) == ((artefact,), (odd,))


async def deadlocks(database_server, database):
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = $1"
    connection = await asyncpg.connect(database_server.admin_url)
    try:
        return await connection.fetchval(query, name_of(database))
    finally:
        await connection.close()


async def test_racing_batches_over_the_same_merchants_never_deadlock(database_server, database, store):
    merchants = [merchant(f"m{number}") for number in range(6)]
    await store.commit("a", ChangeSet(inserts=tuple(merchants)))

    async def race(order):
        return await store.commit("a", ChangeSet(updates=tuple(replace(each, version=2) for each in order)))

    outcomes = await asyncio.gather(*(race(merchants[:: 1 if n % 2 else -1]) for n in range(12)))
    assert outcomes.count(Committed()) == 1
    assert all(isinstance(each, Conflict | Committed) for each in outcomes)
    assert await deadlocks(database_server, database) == 0


async def test_racing_batches_of_one_merchant_in_other_orders_never_deadlock(database_server, database, store):
    await store.commit("a", ChangeSet(inserts=(merchant(),)))

    async def race(version, names):
        batch = tuple(structs.replace(payment(seq), payment_id=name) for seq, name in enumerate(names, 1000 * version))
        return await store.commit("a", ChangeSet(inserts=batch, updates=(merchant(version=version + 1),)))

    names = [f"p{number:04}" for number in range(400)]
    for version in range(1, 9):
        own = [f"{version}-{name}" for name in names]
        outcomes = await asyncio.gather(race(version, own), race(version, own[::-1]))
        assert outcomes.count(Committed()) == 1
    assert await deadlocks(database_server, database) == 0


async def test_a_record_is_found_by_its_key_behind_the_wall_too(database, store):
    """A scan of the whole table would answer as well, and slower with every day."""
    await store.commit("a", ChangeSet(inserts=(payment(1),)))
    await execute(
        database.owner_url,
        "SELECT set_config('fanxing.institution', 'a', false)",
        "INSERT INTO requests SELECT 'a', 'r', n::text, '', '' FROM generate_series(1, 100000) AS n",
        "CREATE TEMP TABLE one AS SELECT * FROM payments",
        "INSERT INTO payments SELECT (json_populate_record(one, "
        "json_build_object('payment_id', n::text, 'merchant_seq', n))).* FROM one, generate_series(2, 100000) AS n",
        "ANALYZE requests, payments",
    )
    connection = await asyncpg.connect(database.url)
    await connection.execute("SELECT set_config('fanxing.institution', 'a', false)")
    for query in (Get(Request, (("r", "77"),)), Get(RecordedPayment, (("m1", "p5"), ("m1", "p6")))):
        statement = query_statement(query)
        plan = await connection.fetch("EXPLAIN " + statement.text, statement.argument, "a")
        assert not [row[0] for row in plan if "Seq Scan" in row[0]]
    await connection.close()


async def test_a_few_of_a_table_without_statistics_are_read_and_locked_by_their_keys(database, store):
    """Before the first ANALYZE a join would compare every row of the institution with every one that was sent."""
    await store.commit("a", ChangeSet(inserts=tuple(merchant(f"m{number}") for number in range(300))))
    some = [f"m{number}" for number in range(0, 300, 20)]
    locking, _ = change_statements(ChangeSet(updates=tuple(merchant(each, version=2) for each in some)))
    reading = query_statement(Get(Merchant, tuple((each,) for each in some)))
    connection = await asyncpg.connect(database.url)
    await connection.execute("SELECT set_config('fanxing.institution', 'a', false)")
    for statement in (locking, reading):
        plan = await connection.fetch("EXPLAIN " + statement.text, statement.argument, "a")
        conditions = [row[0] for row in plan if "Index Cond" in row[0]]
        assert conditions
        assert all("merchant_id = " in condition for condition in conditions), plan
    await connection.close()


async def test_a_read_is_one_snapshot_while_others_commit(store):
    """Two merchants always move together; a read that saw one before and one after would be torn."""
    first, second = merchant("m1"), merchant("m2")
    await store.commit("a", ChangeSet(inserts=(first, second)))

    async def move():
        for version in range(2, 60):
            moved = tuple(replace(each, version=version) for each in (first, second))
            assert await store.commit("a", ChangeSet(updates=moved)) == Committed()

    moving = asyncio.ensure_future(move())
    while not moving.done():
        ((one,), (other,)) = await store.read("a", Get(Merchant, (("m1",),)), Get(Merchant, (("m2",),)))
        assert one.version == other.version
    await moving


async def test_an_ended_connection_is_an_unknown_outcome_and_the_store_goes_on(database_server, store):
    await execute(database_server.admin_url, _end_all("fanxing"))
    outcomes = []
    for _ in range(10):
        try:
            outcomes.append(await store.commit("a", ChangeSet(inserts=(request(1),))))
            break
        except (OutcomeUnknown, StoreUnavailable) as error:
            outcomes.append(error)
    assert isinstance(outcomes[-1], Committed | Conflict)
    assert await store.read("a", Get(Request, (("r", "1"),))) == ((request(1),),)


def _end_all(application):
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{application}'"


@pytest.fixture
def own_server():
    """One that a test may crash."""
    with cluster() as running:
        yield running, running.database("own")


async def test_a_server_that_crashes_while_it_commits_loses_nothing_it_acknowledged(own_server):
    server, made = own_server
    store = await open_store(made.url, owner_url=made.owner_url)
    acknowledged, under_way = [], asyncio.Event()

    async def write():
        for number in range(100_000):
            await store.commit("a", ChangeSet(inserts=(request(number),)))
            acknowledged.append(number)
            if number == 200:
                under_way.set()

    writing = asyncio.ensure_future(write())
    await under_way.wait()
    await asyncio.to_thread(server.stop, signal.SIGQUIT)
    with pytest.raises((OutcomeUnknown, StoreUnavailable)):
        await writing
    with pytest.raises(StoreUnavailable):
        await store.commit("a", ChangeSet(inserts=(payment(1),)))
    await asyncio.to_thread(server.start)
    found = await store.read("a", Get(Request, tuple(("r", str(number)) for number in acknowledged)))
    assert len(found[0]) == len(acknowledged)
    assert await store.commit("a", ChangeSet(inserts=(payment(1),))) == Committed()
    await store.close()


async def test_a_transaction_that_does_not_sum_to_zero_takes_everything_with_it(store):
    entry = Entry(transaction_id="t", line_number=1, account="cash", amount_fen=7, booked_us=0)
    with pytest.raises(asyncpg.CheckViolationError):
        await store.commit("a", ChangeSet(inserts=(merchant(), entry)))
    assert await store.read("a", Get(Merchant, (("m1",),))) == ((),)
