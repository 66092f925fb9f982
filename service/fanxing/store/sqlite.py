"""SQLite, the embedded default: WAL, synchronous=FULL, one process by lock file, one writer that commits many together.

Change sets that wait are applied in one transaction, a savepoint each, so that one fsync serves all of them and a
conflict undoes only its own. Reads run on a connection of their own, each in one transaction: one consistent snapshot.
"""

import asyncio
import fcntl
import queue
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from fanxing.errors import OutcomeUnknown, StoreUnavailable
from fanxing.flows.ports import (
    ChangeSet,
    Committed,
    Conflict,
    ConflictKind,
    Get,
    NetReceipts,
    Query,
    Range,
    Record,
)
from fanxing.institutions import Clock, Institution
from fanxing.store.migrate import migrations
from fanxing.store.net_receipts import net_receipts_arguments, net_receipts_sql
from fanxing.store.schema import Table, answered, ordered
from fanxing.store.sqlite_statements import Statement, change_statements, together

TOGETHER_MAX = 256
CACHED_STATEMENTS = 32
"""Of a connection, prepared: one of a thousand rows takes two megabytes, and another number of rows is another one."""
_NET_RECEIPTS = net_receipts_sql("?1", ("?2", "?3", "?4", "?5", "?6"), "min")
WAL_PAGES = 16_000
"""Of the log before a commit copies it into the file: 64 MB at most but for one transaction, read again after a crash.
A page that changes with every batch is so copied once for many of them."""
Outcome = Committed | Conflict
Waiting = tuple[list[Statement], "asyncio.Future[Outcome]", asyncio.AbstractEventLoop]


class SqliteStore:
    """The store in one file. Open it with `await SqliteStore.open(path)`."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self._lock = lock
        self._writer = _connect(path)
        self._reader = _connect(path)
        self._reading = ThreadPoolExecutor(1, "sqlite-read")
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="sqlite-write", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path) -> "SqliteStore":
        """Opens or creates the file and migrates it; StoreUnavailable when another process has it, or it is damaged."""
        return await asyncio.to_thread(cls._open, path)

    @classmethod
    def _open(cls, path: Path) -> "SqliteStore":
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.with_name(path.name + ".lock").open("w")
        except OSError as error:
            raise StoreUnavailable(f"the store cannot be opened: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise StoreUnavailable(f"another process serves from {path}") from error
        try:
            _migrate(path)
            return cls(path, lock)
        except sqlite3.Error as error:
            lock.close()
            raise StoreUnavailable(f"{path}: {error}") from error

    async def read(self, institution_id: str, *queries: Query) -> tuple[tuple[Record, ...], ...]:
        """One answer a query, from one snapshot."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._read, institution_id, queries)

    def _read(self, institution_id: str, queries: tuple[Query, ...]) -> tuple[tuple[Record, ...], ...]:
        try:
            self._reader.execute("BEGIN")
            try:
                return tuple(_answer(self._reader, institution_id, query) for query in queries)
            finally:
                self._reader.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store cannot be read: {error}") from error

    async def commit(self, institution_id: str, changes: ChangeSet) -> Outcome:
        """Applies all changes durably, or none. Goes on to the end when the caller goes away."""
        if not self._thread.is_alive():
            raise StoreUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        self._waiting.put((change_statements(institution_id, changes), outcome, loop))
        return await asyncio.shield(outcome)

    async def ledger_sum_fen(self, institution_id: str) -> int:
        """Sum of all entries."""
        query = "SELECT coalesce(sum(amount_fen), 0) FROM entries WHERE institution_id = ?"
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(self._reading, self._rows, query, (institution_id,))
        return int(rows[0][0])

    async def institutions(self) -> tuple[Institution, ...]:
        """All institutions."""
        query = "SELECT institution_id, currency, time_zone, clock FROM institutions ORDER BY institution_id"
        rows = await asyncio.get_running_loop().run_in_executor(self._reading, self._rows, query, ())
        return tuple(
            Institution(institution_id=row[0], currency=row[1], time_zone=row[2], clock=Clock(row[3])) for row in rows
        )

    async def stored_bytes(self) -> int:
        """Pages in use, in bytes."""
        pragmas = "pragma_page_count, pragma_freelist_count, pragma_page_size"
        query = f"SELECT (page_count - freelist_count) * page_size FROM {pragmas}"
        rows = await asyncio.get_running_loop().run_in_executor(self._reading, self._rows, query, ())
        return int(rows[0][0])

    def _rows(self, query: str, arguments: tuple[str, ...]) -> list[tuple[str, ...]]:
        try:
            return self._reader.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store cannot be read: {error}") from error

    async def close(self) -> None:
        """Finishes what waits and lets go of the file."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reading.shutdown()
        self._reader.close()
        self._writer.close()
        self._lock.close()

    def _write(self) -> None:
        """The writer thread: takes all that waits, commits it together, tells each caller."""
        while True:
            first = self._waiting.get()
            if first is None:
                return
            together = [first]
            while len(together) < TOGETHER_MAX and not self._waiting.empty():
                more = self._waiting.get()
                if more is None:
                    self._waiting.put(None)
                    break
                together.append(more)
            for waiting, outcome in zip(together, self._committed(together), strict=True):
                _tell(waiting, outcome)

    def _committed(self, together: list[Waiting]) -> list[Outcome | Exception]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [self._applied(statements) for statements, _, _ in together]
        except sqlite3.Error as error:
            self._undo()
            return [StoreUnavailable(f"the store cannot be written: {error}")] * len(together)
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            return [OutcomeUnknown(f"the store failed while it committed: {error}")] * len(together)
        return list(outcomes)

    def _undo(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _applied(self, statements: list[Statement]) -> Outcome | Exception:
        """What became of one change set. A fault in it is its caller's to hear, not that of those beside it."""
        outcome: Outcome | Exception
        self._writer.execute("SAVEPOINT one")
        try:
            outcome = _apply(self._writer, statements) or Committed()
        except sqlite3.IntegrityError as error:
            outcome = error
        except sqlite3.Error:
            raise  # the store is locked, full or gone, for all of them
        except Exception as error:  # noqa: BLE001  what cannot be stored at all
            outcome = error
        if not isinstance(outcome, Committed):
            self._writer.execute("ROLLBACK TO one")
        self._writer.execute("RELEASE one")
        return outcome


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=2.0, cached_statements=CACHED_STATEMENTS
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
    connection.execute("PRAGMA cache_size=-65536")
    connection.execute("PRAGMA temp_store=MEMORY")  # what a savepoint may have to put back; else it goes to a file
    return connection


def _migrate(path: Path) -> None:
    connection = _connect(path)
    try:
        (done,) = connection.execute("PRAGMA user_version").fetchone()
        for number, text in migrations("sqlite"):
            if number > done:
                connection.executescript(f"BEGIN;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;")
    finally:
        connection.close()


def _tell(waiting: Waiting, outcome: Outcome | Exception) -> None:
    _, future, loop = waiting

    def tell() -> None:
        if future.done():
            return
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    loop.call_soon_threadsafe(tell)


def _apply(connection: sqlite3.Connection, statements: list[Statement]) -> Conflict | None:
    for each in statements:
        try:
            changed = connection.execute(each.text, each.values).rowcount
        except sqlite3.IntegrityError as error:
            if each.conflict is not ConflictKind.EXISTS:
                raise
            return Conflict(ConflictKind.EXISTS, str(error))
        if changed < each.rows_min:
            return Conflict(each.conflict, each.table)
    return None


def _answer(connection: sqlite3.Connection, institution_id: str, query: Query) -> tuple[Record, ...]:
    table = answered(query)
    columns = ", ".join(table.names)
    if isinstance(query, NetReceipts):
        summed = connection.execute(_NET_RECEIPTS, (institution_id, *net_receipts_arguments(query)))
        return tuple(table.decode(row) for row in summed)  # type: ignore[misc]
    if isinstance(query, Get):
        found = [row for asked in together(query.keys) for row in _found(connection, institution_id, table, asked)]
        return tuple(table.decode(row) for row in found)  # type: ignore[misc]
    where, arguments = _bounds(query)
    statement = f"SELECT {columns} FROM {table.name} WHERE institution_id = ?{where}"
    return tuple(table.decode(row) for row in connection.execute(statement, (institution_id, *arguments)))  # type: ignore[misc]


def _found(
    connection: sqlite3.Connection, institution_id: str, table: Table, asked: tuple[str, list[Any]]
) -> list[tuple[Any, ...]]:
    """The rows with these keys. CROSS JOIN keeps the order that was asked in, and each key finds its row by index."""
    places, keys = asked
    matches = " AND ".join(f"found.{name} = asked.column{number}" for number, name in enumerate(table.key, 1))
    columns = ", ".join(f"found.{name}" for name in table.names)
    statement = (
        f"WITH asked AS (VALUES {places}) SELECT {columns} FROM asked CROSS JOIN {table.name} AS found "
        f"ON found.institution_id = ? AND {matches}"
    )
    return connection.execute(statement, (*keys, institution_id)).fetchall()


def _bounds(query: Range) -> tuple[str, list[str | int]]:
    """The rest of a range's statement, and its arguments."""
    rest = query.order[len(query.prefix) :]
    where = "".join(f" AND {name} = ?" for name in query.order[: len(query.prefix)])
    arguments: list[str | int] = [*query.prefix]
    for sign, bound in ((">", query.after), ("<=", query.until)):
        if bound:
            names, places = ", ".join(rest[: len(bound)]), ", ".join("?" * len(bound))
            where += f" AND ({names}) {sign} ({places})"
            arguments += bound
    where += f" ORDER BY {ordered(query)}"
    if query.limit is not None:
        where += " LIMIT ?"
        arguments.append(query.limit)
    return where, arguments
