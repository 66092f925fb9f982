"""PostgreSQL, for production and for more than one process: one round trip a unit of work.

The owner role migrates. Serving connections act as `fanxing_app` whoever logs in, so that row-level security binds
them. The institution is set by the unit of work itself and ends with it: nothing stays on a pooled connection.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from fanxing.errors import OutcomeUnknown, StoreUnavailable
from fanxing.flows.ports import ChangeSet, Committed, Conflict, ConflictKind, Query, Record
from fanxing.institutions import Clock, Institution
from fanxing.store.migrate import migrations
from fanxing.store.schema import answered
from fanxing.store.statements import Statement, change_statements, query_statement, rows

SERVING_ROLE = "fanxing_app"
CONNECTIONS_MAX = 8
CALL_S = 10.0
_SESSION = {
    "role": SERVING_ROLE,
    "application_name": "fanxing",
    "bytea_output": "hex",
    # Below CALL_S: what we no longer wait for must not commit an hour later.
    "statement_timeout": "8s",
}
_MIGRATING = 0x66616E78
"""Key of the advisory lock that lets one process migrate at a time."""
_LOST = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
"""The connection went away, or the answer did not come. (asyncpg calls it an internal error when a call begins just as
the end of the connection arrives.)"""
_DURABLE = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply", "local")}
"""Settings without which an acknowledged commit may be lost with the power."""


class PostgresStore:
    """The store in a PostgreSQL database. Open it with `await PostgresStore.open(url)`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str, owner_url: str | None = None) -> "PostgresStore":
        """Migrates as the owner where the tables are not there yet, then connects to serve.

        `owner_url`: a role that may create tables; the one of `url` when it is the same. StoreUnavailable when the
        data base cannot be reached, is newer than this code, or would forget what it acknowledged.
        """
        try:
            await _migrate(owner_url or url)
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=CONNECTIONS_MAX,
                command_timeout=CALL_S,
                server_settings=_SESSION,
                init=_refuse_forgetful,
                reset=_nothing_to_reset,
            )
        except asyncpg.InsufficientPrivilegeError as error:
            raise StoreUnavailable(
                f"the store cannot be opened: {error}. The owner of the tables migrates (--store-owner), "
                f"a role that is {SERVING_ROLE} or may become it serves (--store)"
            ) from error
        except (*_LOST, asyncpg.PostgresError, ValueError) as error:
            raise StoreUnavailable(f"the store cannot be opened: {error}") from error
        return cls(pool)

    async def read(self, institution_id: str, *queries: Query) -> tuple[tuple[Record, ...], ...]:
        """One answer a query, from one snapshot."""
        answers = await self._answers(institution_id, [query_statement(query) for query in queries])
        return tuple(rows(answered(query), answer) for query, answer in zip(queries, answers, strict=True))

    async def ledger_sum_fen(self, institution_id: str) -> int:
        """Sum of all entries."""
        statement = "SELECT to_json(coalesce(sum(amount_fen), 0)) FROM entries WHERE institution_id = $2"
        (total,) = await self._answers(institution_id, [Statement(statement, "null")])
        return int(json.loads(total or "0"))

    async def _answers(self, institution_id: str, statements: list[Statement]) -> list[str | None]:
        texts, arguments = [each.text for each in statements], [each.argument for each in statements]
        async with self._connection() as connection:
            try:
                answers = await connection.fetchval("SELECT read_unit($1, $2, $3)", institution_id, texts, arguments)
            except asyncpg.PostgresError as error:
                raise StoreUnavailable(f"the store cannot be read: {error}") from error
            except _LOST as error:
                connection.terminate()
                raise StoreUnavailable(f"the store went away while it was read: {error!r}") from error
        return list(answers)

    async def commit(self, institution_id: str, changes: ChangeSet) -> Committed | Conflict:
        """Applies all changes durably, or none. Goes on to the end when the caller goes away."""
        return await asyncio.shield(asyncio.ensure_future(self._commit(institution_id, change_statements(changes))))

    async def _commit(self, institution_id: str, statements: list[Statement]) -> Committed | Conflict:
        arguments = (
            [each.text for each in statements],
            [each.argument for each in statements],
            [each.rows_min for each in statements],
        )
        async with self._connection() as connection:
            try:
                await connection.execute("SELECT change_unit($1, $2, $3, $4)", institution_id, *arguments)
            except asyncpg.PostgresError as error:
                return _refused(error, statements)
            except _LOST as error:
                connection.terminate()
                raise OutcomeUnknown(f"the store went away while it committed: {error!r}") from error
        return Committed()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """A connection for one call; StoreUnavailable when there is none, so that nothing was asked yet."""
        try:
            connection = await self._pool.acquire(timeout=CALL_S)
        except (*_LOST, asyncpg.PostgresError, ValueError) as error:
            raise StoreUnavailable(f"the store cannot be reached: {error!r}") from error
        try:
            yield connection
        finally:
            with suppress(*_LOST, asyncpg.PostgresError):  # the call's own error is what its caller hears
                await self._pool.release(connection)

    async def institutions(self) -> tuple[Institution, ...]:
        """All institutions."""
        rows_of = "SELECT json_agg(json_build_array(institution_id, currency, time_zone, clock)) FROM institutions"
        (found,) = await self._answers("", [Statement(rows_of, "null")])
        return tuple(
            Institution(institution_id=row[0], currency=row[1], time_zone=row[2], clock=Clock(row[3]))
            for row in json.loads(found or "[]")
        )

    async def stored_bytes(self) -> int:
        """Tables and indexes, in bytes."""
        size = "SELECT to_json(sum(pg_total_relation_size(oid))) FROM pg_class WHERE relkind = 'r' AND relrowsecurity"
        (found,) = await self._answers("", [Statement(size, "null")])
        return int(json.loads(found or "0"))

    async def close(self) -> None:
        """Finishes what is under way and lets go of the connections; of a server that is frozen without waiting."""
        try:
            await asyncio.wait_for(self._pool.close(), CALL_S)
        except (*_LOST, asyncpg.PostgresError):
            self._pool.terminate()


def _refused(error: asyncpg.PostgresError, statements: list[Statement]) -> Conflict:
    """What the data base says of a unit of work that it did not do, as a conflict or as the right error."""
    if error.sqlstate == "FX001":
        statement = statements[int(str(error))]
        return Conflict(statement.conflict, statement.table)
    match error:
        case asyncpg.UniqueViolationError():
            return Conflict(ConflictKind.EXISTS, error.table_name or "")
        case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError():
            return Conflict(ConflictKind.VERSION, str(error))
        case asyncpg.PostgresConnectionError() | asyncpg.AdminShutdownError() | asyncpg.CrashShutdownError():
            raise OutcomeUnknown(f"the store went away while it committed: {error}") from error
        case asyncpg.DataError() | asyncpg.IntegrityConstraintViolationError():
            raise error  # a fault of ours, which no retry mends
    raise StoreUnavailable(f"the store cannot be written: {error}") from error


async def _nothing_to_reset(_: Any) -> None:  # noqa: ANN401  asyncpg's proxy of a connection
    """Spares the round trip that would reset a connection on which nothing is ever set."""


async def _refuse_forgetful(connection: Any) -> None:  # noqa: ANN401  asyncpg's proxy of a connection
    """Refuses a data base that may lose or garble what it acknowledged, and a role that sees through the policies."""
    for name, allowed in {**_DURABLE, "server_encoding": ("UTF8",)}.items():
        value = await connection.fetchval("SELECT current_setting($1)", name)
        if value not in allowed:
            raise ValueError(f"{name} is {value}, it must be {' or '.join(allowed)}")
    query = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    if await connection.fetchval(query):
        raise ValueError(f"{SERVING_ROLE} sees through row-level security; make it a plain role")


async def _migrate(url: str) -> None:
    """Applies what is missing, as one transaction; nothing when the tables are as this code has them."""
    wanted = migrations("postgres")
    connection = await asyncpg.connect(url, command_timeout=60)
    try:
        done = await _version(connection)
        if done > wanted[-1][0]:
            raise ValueError(f"its tables are of version {done}, this code knows {wanted[-1][0]}")
        if done == wanted[-1][0]:
            return
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
            await connection.execute("CREATE TABLE IF NOT EXISTS migrations (version integer PRIMARY KEY)")
            done = await _version(connection)
            for number, text in wanted:
                if number > done:
                    await connection.execute(text)
                    await connection.execute("INSERT INTO migrations VALUES ($1)", number)
    finally:
        await connection.close()


async def _version(connection: Any) -> int:  # noqa: ANN401  asyncpg's connection
    """The newest migration that was applied; 0 for an empty data base."""
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        return 0
    return int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM migrations"))
