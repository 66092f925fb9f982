"""`fanxing town play`, the body of `make run`: four months of the simulated market town, then loans.

The other verbs of `fanxing town`, which work on files, stand in `town_files.py`.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.progress import Progress

from fanxing.books import read_books
from fanxing.commands import town_files
from fanxing.commands.failing import plain_failures
from fanxing.commands.town_tables import show
from fanxing.launch import launched
from fanxing.play import Played, latencies, play, results, scored_otherwise, steps
from fanxing.settings import TOWN_POLICY
from fanxing.strategies.policy import load_policy
from fanxing.town.findings import findings
from fanxing.town.world import CURRENCY, DAYS, MERCHANTS, TIME_ZONE, Town, build_town
from fanxing.wire.client import Client
from fanxing.wire.tariff import Tariff

app = typer.Typer(no_args_is_help=True, help="The market town: a simulated world with known truth.")


app.command("make")(town_files.make_town)
app.command("score")(town_files.score_town)
app.command("koubei")(town_files.read_koubei)


@app.command("play")
@plain_failures()
def play_town(
    *,
    seed: Annotated[int, typer.Option(help="Which town.")] = 1,
    merchants: Annotated[int, typer.Option(help="How many merchants.", min=40, max=MERCHANTS)] = MERCHANTS,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Starts a service, plays four months of the town through it, then scores, applies, accepts and disburses.

    **Example:** `fanxing town play --seed 1`
    """
    console = Console(stderr=as_json)
    console.print(f"[bold]The market town is simulated[/bold]: seed {seed}, {merchants} merchants, {DAYS} days.")
    with tempfile.TemporaryDirectory() as scratch:
        found = _played(build_town(seed, merchants), Path(scratch), console)
    show(found, console)
    if as_json:
        typer.echo(json.dumps(found))


def _played(town: Town, home: Path, console: Console) -> dict[str, Any]:
    """Plays through a service of its own; the books are read from its files once it has stopped."""
    store, journal = home / "town.sqlite", home / "rail.jsonl"
    caller = ("--currency", CURRENCY, "--time-zone", TIME_ZONE, "--clock", "CALLER")
    files = ("--store", f"sqlite:///{store}", "--rail-journal", str(journal), "--policy", str(TOWN_POLICY))
    with launched("serve", "--listen", "127.0.0.1:0", *caller, *files, log=home / "service.log") as service:
        with Client(service.target) as client, Progress(console=console) as bar:
            client.wait_ready(30)
            task = bar.add_task("four months, then loans", total=steps(town))
            played = play(town, client, lambda count: bar.advance(task, count))
        cpu_s = sum(psutil.Process(service.process.pid).cpu_times()[:2])
    books = read_books(f"sqlite:///{store}", journal)
    return {
        **findings(town, results(played), load_policy(TOWN_POLICY).constants.limit),
        "scored_otherwise": scored_otherwise(played),
        "payments": played.recorded,
        "duplicates": played.duplicates,
        **latencies(played),
        **_cost(played, cpu_s, books["stored_bytes"]),
        **books,
    }


def _cost(played: Played, cpu_s: float, stored_bytes: int) -> dict[str, Any]:
    """The whole service's processor time and store over the loans made, four months of records included."""
    loans = len(played.loans)
    yuan = round(float(Tariff().yuan(int(cpu_s * 1e6), stored_bytes)) / loans, 6) if loans else None
    return {"cpu_seconds": round(cpu_s, 2), "yuan_per_loan": yuan}
