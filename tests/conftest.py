"""What tests of several rooms share."""

import asyncio
import os
import uuid
from types import SimpleNamespace

import asyncpg
import pytest
from deploy.postgres import Database, cluster
from loadtest.policy import write_lenient_policy


@pytest.fixture(scope="session")
def policy_directory(tmp_path_factory):
    """The town's policy with no fear of default: these tests are about lending, and their merchants are no town's."""
    return write_lenient_policy(tmp_path_factory.mktemp("policy") / "lenient")


@pytest.fixture(scope="session")
def database_server():
    """A real PostgreSQL: the one that FANXING_TEST_DSN names (a superuser's URL), or one of our own."""
    given = os.environ.get("FANXING_TEST_DSN")
    if given is None:
        with cluster() as running:
            yield running
        return
    made = []

    def database(name):
        made.append(name)
        asyncio.run(execute(given, f"CREATE DATABASE {name}"))
        url = f"{given.rpartition('/')[0]}/{name}{given[given.find('?') :] if '?' in given else ''}"
        return Database(url, url)

    yield SimpleNamespace(admin_url=given, database=database)
    for name in made:
        asyncio.run(execute(given, f"DROP DATABASE {name} WITH (FORCE)"))


async def execute(url, *statements):
    """Statements by someone who is not the service."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def database(database_server):
    """A new, empty data base."""
    return database_server.database(f"fanxing_{uuid.uuid4().hex[:16]}")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))])
def address(request, tmp_path):
    """What `open_store` is told, for each kind of store."""
    if request.param == "postgres":
        made = request.getfixturevalue("database")
        return {"url": made.url, "owner_url": made.owner_url}
    return {"url": "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'store.sqlite'}"}
