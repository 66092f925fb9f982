"""The data bases alone: the rows that a service stored, once more, straight into the same tables of a new store."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import psutil
from deploy.postgres import Cluster, cluster

from fanxing.payments import RecordedPayment
from fanxing.store.open import open_store
from fanxing.store.schema import TABLES
from fanxing.store.sqlite import _connect

Keys = Sequence[tuple[str, str]]
"""Merchant and id of the payments of one batch, as they were sent."""
Rows = list[tuple[Any, ...]]
PAYMENTS = TABLES[RecordedPayment].name
NAMES = ("institution_id", *TABLES[RecordedPayment].names)


class Alone(Protocol):
    """New stores of one kind: for a service, and for its rows alone."""

    def options(self) -> list[str]:
        """Tells a service to serve from a new, empty store, whose rows are raced next."""

    def race(self, sent: Sequence[Keys]) -> tuple[float, float]:
        """Seconds and CPU seconds of writing the rows of that store into another new one, a commit a batch."""

    def cpu(self) -> float:
        """CPU seconds of the data base's own processes so far."""


def batches_of(stored: Sequence[tuple[Any, ...]], sent: Sequence[Keys]) -> list[Rows]:
    """The rows of the payments table as they came, batch by batch."""
    place = {key: number for number, batch in enumerate(sent) for key in batch}
    batches: list[Rows] = [[] for _ in sent]
    for row in sorted(stored, key=lambda row: (place[row[1:3]], row[1], row[-3])):
        batches[place[row[1:3]]].append(row)
    return batches


class Sqlite:
    """executemany, on files with the service's own settings."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, 0

    def _new(self) -> Path:
        self._made += 1
        return self._folder / f"{self._made}.sqlite"

    def options(self) -> list[str]:
        self._stored = self._new()
        return ["--store", f"sqlite:///{self._stored}"]

    def cpu(self) -> float:
        return 0.0

    def race(self, sent: Sequence[Keys]) -> tuple[float, float]:
        held = sqlite3.connect(self._stored)
        batches, path = batches_of(held.execute(f"SELECT * FROM {PAYMENTS}").fetchall(), sent), self._new()
        asyncio.run(_migrated(f"sqlite:///{path}", None))
        connection = _connect(path)
        start, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT INTO {PAYMENTS} VALUES ({', '.join('?' * len(NAMES))})", batch)
            connection.execute("COMMIT")
        taken = time.perf_counter() - start, time.process_time() - cpu
        connection.close()
        return taken


class Postgres:
    """COPY, on data bases of one embedded server."""

    def __init__(self, running: Cluster) -> None:
        self._running, self._made = running, 0

    def _new(self) -> tuple[str, str, str]:
        self._made += 1
        made = self._running.database(name := f"ingest_{self._made}")
        return made.url, made.owner_url, self._running._url("postgres", name)

    def options(self) -> list[str]:
        serving, owner, self._stored = self._new()
        return ["--store", serving, "--store-owner", owner]

    def cpu(self) -> float:
        server = psutil.Process(self._running._server.pid)
        own = server.cpu_times()
        found = [own.children_user, own.children_system]
        for each in (server, *server.children(recursive=True)):
            times = each.cpu_times()
            found += [times.user, times.system]
        return sum(found)

    def race(self, sent: Sequence[Keys]) -> tuple[float, float]:
        return asyncio.run(self._race(self._stored, self._new(), sent))

    async def _race(self, stored: str, new: tuple[str, str, str], sent: Sequence[Keys]) -> tuple[float, float]:
        held = await asyncpg.connect(stored)
        read = [tuple(row) for row in await held.fetch(f"SELECT * FROM {PAYMENTS}")]
        await held.close()
        serving, owner, admin = new
        await _migrated(serving, owner)
        connection, batches = await asyncpg.connect(admin), batches_of(read, sent)
        start, cpu = time.perf_counter(), time.process_time() + self.cpu()
        for batch in batches:
            async with connection.transaction():
                await connection.copy_records_to_table(PAYMENTS, records=batch, columns=NAMES)
        taken = time.perf_counter() - start, time.process_time() + self.cpu() - cpu
        await connection.close()
        return taken


async def _migrated(url: str, owner_url: str | None) -> None:
    await (await open_store(url, owner_url=owner_url)).close()


@contextmanager
def stores(kind: str, folder: Path) -> Iterator[Alone]:
    """New stores of that kind as long as the block lasts."""
    if kind == "sqlite":
        yield Sqlite(folder)
        return
    assert kind == "postgres", f"no kind of store: {kind}"
    with cluster() as running:
        yield Postgres(running)
