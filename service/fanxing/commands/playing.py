"""`fanxing town play`, the body of `make run`: four months of the simulated market town, then loans."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.progress import Progress

from fanxing.launch import launched
from fanxing.play import Played, books, play, report
from fanxing.settings import TOWN_POLICY
from fanxing.town.world import CURRENCY, DAYS, MERCHANTS, TIME_ZONE, build_town
from fanxing.wire.client import Client
from fanxing.wire.tariff import Tariff

app = typer.Typer(no_args_is_help=True, help="The market town: a simulated world with known truth.")


@app.callback()
def _town() -> None:
    """Keeps `play` a subcommand while it is the only one."""


@app.command("play")
def play_town(
    *,
    seed: Annotated[int, typer.Option(help="Which town.")] = 1,
    merchants: Annotated[int, typer.Option(help="How many merchants.", min=40, max=MERCHANTS)] = MERCHANTS,
) -> None:
    """Starts a service, plays four months of the town through it, then applies, accepts and disburses.

    **Example:** `fanxing town play --seed 1`
    """
    console = Console()
    console.print(f"[bold]The market town is simulated[/bold]: seed {seed}, {merchants} merchants, {DAYS} days.")
    town = build_town(seed, merchants)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        store = f"sqlite:///{home / 'town.sqlite'}"
        caller = ("--currency", CURRENCY, "--time-zone", TIME_ZONE, "--clock", "CALLER")
        files = ("--rail-journal", str(home / "rail.jsonl"), "--policy", str(TOWN_POLICY))
        arguments = ("serve", "--listen", "127.0.0.1:0", "--store", store, *caller, *files)
        with launched(*arguments, log=home / "service.log") as service:
            with Client(service.target) as client, Progress(console=console) as bar:
                client.wait_ready(30)
                task = bar.add_task("four months", total=sum(map(len, town.payments)))
                played = play(town, client, lambda count: bar.advance(task, count))
            cpu = sum(psutil.Process(service.process.pid).cpu_times()[:2])
        report(town, played, console)
        _tell_cost(console, played, cpu, books(store, home / "rail.jsonl"))


def _tell_cost(console: Console, played: Played, cpu_s: float, kept: tuple[int, int, int]) -> None:
    """Cost a loan, and whether the books balance."""
    loans = Counter(played.loans.values())["ACTIVE"]
    if loans:
        yuan = float(Tariff().yuan(int(cpu_s * 1e6), 0)) / loans
        console.print(
            f"{cpu_s:.1f} CPU seconds in the service, {yuan:.5f} yuan a loan, four months of records included"
        )
    ledger_sum, count, fen = kept
    console.print(f"ledger sum {ledger_sum} fen; the simulated rail paid {count} loans, {fen / 100:,.2f} yuan")
