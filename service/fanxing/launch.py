"""Starts a service as a process of its own, for the tools that bring one along: replay, town, load and tests."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STOP_S = 20.0


class NotServing(Exception):
    """A service that was started ended before it served."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A service that answers at `target`, and its process."""

    target: str
    process: "subprocess.Popen[str]"


def start(*arguments: str, log: Path | None = None) -> Launched:
    """Starts `fanxing ARGUMENTS` (serve, or simulate-rail) and returns once it serves.

    Its log goes to `log` (appended), or to this process's standard error. NotServing when it ends instead.
    """
    errors = log.open("a") if log else None
    process = subprocess.Popen(  # noqa: S603  our own interpreter and package
        [sys.executable, "-m", "fanxing", *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
    )
    if errors:
        errors.close()
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise NotServing(f"the service ended with exit code {process.wait(STOP_S)} before it served{_last_words(log)}")
    return Launched(json.loads(line)["target"], process)


def _last_words(log: Path | None) -> str:
    """What it said last, where that was kept."""
    told = log.read_text(encoding="utf-8", errors="replace").rpartition("fanxing: ")[2].strip() if log else ""
    return f": {told}" if told else ""


def stop(launched: Launched) -> None:
    """Asks the service to stop and waits; a service that does not is killed."""
    launched.process.terminate()
    try:
        launched.process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        launched.process.kill()
        launched.process.wait()
    if launched.process.stdout:
        launched.process.stdout.close()


@contextmanager
def launched(*arguments: str, log: Path | None = None) -> Iterator[Launched]:
    """`start`, and `stop` when the block ends."""
    service = start(*arguments, log=log)
    try:
        yield service
    finally:
        stop(service)
