"""Opens the store that a URL names."""

from pathlib import Path

from fanxing.errors import InvalidRequest
from fanxing.flows.ports import Store
from fanxing.store.fake import FakeStore
from fanxing.store.postgres import PostgresStore
from fanxing.store.sqlite import SqliteStore


async def open_store(url: str, *, owner_url: str | None = None) -> Store:
    """`memory:`, `sqlite:///PATH` (relative to the working directory, or absolute with a fourth slash), or PostgreSQL.

    `owner_url`: the PostgreSQL role that migrates, where `url` names one that only serves.
    """
    if url.startswith(("postgresql://", "postgres://")):
        return await PostgresStore.open(url, owner_url)
    if owner_url is not None:
        raise InvalidRequest("only a PostgreSQL store has an owner", field="store_owner")
    if url == "memory:":
        return FakeStore()
    if url.startswith("sqlite:///"):
        return await SqliteStore.open(Path(url.removeprefix("sqlite:///")))
    raise InvalidRequest(
        f"{url.rsplit('@', maxsplit=1)[-1]!r} names no store: memory:, sqlite:///PATH or postgresql://...",
        field="store",
    )
