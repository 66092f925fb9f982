"""`python -m loadtest`: a bounded load run against a service, its own or a given one, and a report.

Exit code 1 when any call failed or nothing was lent.
"""

from loadtest.locustfile import Applicant, Course  # first: it makes sockets and threads gevent's  # isort: skip

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from loadtest.policy import write_lenient_policy
from loadtest.tally import Tally
from locust.env import Environment
from rich.console import Console

from fanxing.launch import launched

POLL_S = 0.05


@contextmanager
def service_or(target: str | None) -> Iterator[str]:
    """The given service, or one of its own on a store that is thrown away."""
    if target is not None:
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="fanxing-load-") as folder:
        place = Path(folder)
        own = ("--store", f"sqlite:///{place}/load.sqlite", "--rail-journal", str(place / "rail.jsonl"))
        lenient = ("--policy", str(write_lenient_policy(place / "policy")))
        with launched("serve", "--listen", "127.0.0.1:0", *own, *lenient, log=place / "service.log") as service:
            yield service.target


def run(target: str, users: int, seconds: float, loans: int) -> Tally:
    """Runs the load until the time is over or there were that many shops, and waits for calls under way."""
    Applicant.course = Course(loans)
    environment = Environment(user_classes=[Applicant], host=target, stop_timeout=30)
    runner = environment.create_local_runner()
    started = time.perf_counter()
    runner.start(users, spawn_rate=users)
    assert runner.spawning_greenlet is not None
    runner.spawning_greenlet.join()
    while time.perf_counter() - started < seconds and runner.user_count:
        time.sleep(POLL_S)
    runner.stop()
    Applicant.course.tally.seconds = time.perf_counter() - started
    runner.quit()
    return Applicant.course.tally


def main(
    *,
    target: Annotated[str | None, typer.Option(help="HOST:PORT; none: a service of its own.")] = None,
    users: Annotated[int, typer.Option(min=1, help="Callers at a time.")] = 8,
    seconds: Annotated[float, typer.Option(min=0.1, help="At most so long.")] = 20.0,
    loans: Annotated[int, typer.Option(min=1, help="At most so many shops.")] = 5000,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of tables.")] = False,
) -> None:
    """Loads a service with shops that register, record, apply, accept and draw.

    Example: python -m loadtest --target 127.0.0.1:50051 --users 16 --seconds 30 --json
    """
    with service_or(target) as address:
        tally = run(address, users, seconds, loans)
    if as_json:
        typer.echo(tally.to_json())
    else:
        tally.show(Console())
    raise typer.Exit(1 if tally.failed else 0)


if __name__ == "__main__":
    typer.run(main)
