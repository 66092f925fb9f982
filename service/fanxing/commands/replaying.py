"""`fanxing replay berka` and `fanxing train`: history through the service, and the models that decide on it."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import fanxing
from fanxing.books import Books, read_books
from fanxing.commands.failing import plain_failures
from fanxing.launch import Launched, launched
from fanxing.models.assess import CORE_DIGEST
from fanxing.replay import (
    Replayed,
    auc,
    auc_of,
    decided_by,
    policy_digest,
    probabilities,
    replay,
    write_decisions,
    write_scores,
)
from fanxing.training import bank as berka
from fanxing.wire.client import Client
from fanxing.wire.tariff import Tariff

READY_S = 30
"""For so long a target may take to answer."""
replay_app = typer.Typer(no_args_is_help=True, help="Replays history through the gRPC contract.")
train_app = typer.Typer(no_args_is_help=True, help="Fits a PD model and writes a policy directory.")
Directory = Annotated[Path, typer.Argument(help="account.csv, loan.csv and trans.parquet in Berka's format.")]


@replay_app.callback()
def _replay() -> None:
    """Keeps `berka` a subcommand while it is the only one."""


def _training(name: str) -> Any:  # noqa: ANN401  a module
    """The module that fits; it needs the extra `training`, which playing by a given policy does not."""
    try:
        return import_module(f"fanxing.training.{name}")
    except ModuleNotFoundError as error:
        typer.echo(f"fanxing: fitting needs {error.name}: pip install 'fanxing[training]'", err=True)
        raise typer.Exit(2) from error


@train_app.command("berka")
@plain_failures()
def train_berka(directory: Directory, out: Annotated[Path, typer.Option(help="Policy directory to write.")]) -> None:
    """Fits on a bank in Berka's format and writes a policy directory.

    **Example:** `fanxing train berka data/berka --out var/berka-policy`
    """
    fitted = _training("berka").train(directory, out)
    typer.echo(f"AUC out of fold, mean of 5 x 5 folds on the loans with history: {fitted.auc:.4f}")


@train_app.command("town")
@plain_failures()
def train_town(out: Annotated[Path, typer.Option(help="Policy directory to write.")]) -> None:
    """Fits on simulated towns and writes a policy directory.

    **Example:** `fanxing train town --out var/town-policy`
    """
    fitted = _training("town").train(out)
    typer.echo(f"AUC out of fold, mean of 5 x 5 folds on simulated merchants: {fitted.auc:.4f}")


@replay_app.command("berka")
@plain_failures()
def replay_berka(
    directory: Directory,
    *,
    policy: Annotated[Path | None, typer.Option(help="Published policy; none: train on the directory first.")] = None,
    store: Annotated[str | None, typer.Option(help="Store to play into; none: a temporary one.")] = None,
    store_owner: Annotated[str | None, typer.Option(help="PostgreSQL URL of the role that migrates it.")] = None,
    rail_journal: Annotated[
        Path | None,
        typer.Option(help="Journal of the simulated rail; none: named for the store, beside it or in var."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="A service that runs already, with a CALLER clock in CZK.")] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token for that service.", envvar="FANXING_TOKEN")] = None,
    scores: Annotated[Path | None, typer.Option(help="Write one CSV row a loan.")] = None,
    decisions: Annotated[Path | None, typer.Option(help="Write each decision, less its cost, as a JSON line.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Replays a bank: every movement recorded, every loan applied for as of its day, approved offers paid out.

    **Example:** `fanxing replay berka data/berka --json`
    """
    bank = berka.read_bank(directory)
    chosen = policy or _trained(bank, directory)
    with _service(chosen, Place(store, store_owner, rail_journal, target)) as run:
        before = run.cpu_s()
        with Client(run.target, token) as client, Progress(console=Console(stderr=True)) as bar:
            client.wait_ready(READY_S)
            total = len(bank.merchants) + sum(map(len, bank.payments.values())) + len(bank.loans)
            task = bar.add_task("replay", total=total)
            done = replay(bank, client, lambda count: bar.advance(task, count))
        spent_s = run.cpu_s() - before if run.service else None
    if decided_by(done) != {policy_digest(chosen)}:
        Console(stderr=True).print("[yellow]Some decisions were on record already, made under another policy.[/yellow]")
    books = run.books or dict.fromkeys(Books.__annotations__)
    found = _summary(bank, done, chosen) | {"cpu_seconds": spent_s} | books
    found["yuan_per_loan"] = _yuan_per_loan(done, spent_s, run.books)
    if scores:
        write_scores(scores, bank, done, probabilities(bank, done, chosen)[0])
    if decisions:
        write_decisions(decisions, bank, done)
    _show(found)
    if as_json:
        typer.echo(json.dumps(found))


def _trained(bank: berka.Bank, directory: Path) -> Path:
    """The policy fitted on this very data by this very code, from the cache or fitted now."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fanxing"
    cache = home / f"berka-{bank.sha256[:16]}-{_code_sha256()[:16]}"
    if not cache.is_dir():
        Console(stderr=True).print(f"no --policy: fitting one on {directory}")
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as scratch:
            _training("berka").train(directory, Path(scratch) / "policy")
            with suppress(OSError):  # another replay was first; what it wrote is the same
                (Path(scratch) / "policy").rename(cache)
    return cache


def _code_sha256() -> str:
    """Of all of ours that makes a policy out of data: indicators, models, training, policy to start from, core."""
    package = Path(fanxing.__file__).parent
    sources = sorted(
        path
        for room in ("indicators", "models", "training", "policies/berka")
        for path in (package / room).rglob("*")
        if path.suffix in {".py", ".toml", ".cel"}
    )
    return hashlib.sha256(CORE_DIGEST.encode() + b"".join(path.read_bytes() for path in sources)).hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """Where to play: into a store by a service of our own, or at a target."""

    store: str | None
    store_owner: str | None
    rail_journal: Path | None
    target: str | None

    def home(self, scratch: Path) -> Path:
        """The folder for what has no other place: beside an SQLite file, `var` for PostgreSQL, else thrown away."""
        if self.store and self.store.startswith("sqlite:///"):
            return Path(self.store.removeprefix("sqlite:///")).parent
        return Path("var") if self.store and self.store.startswith("postgres") else scratch


@dataclass(slots=True)
class Run:
    """What is played at: a target, the service where it is our own, and its books once that has stopped."""

    target: str
    service: Launched | None = None
    books: Books | None = None

    def cpu_s(self) -> float:
        """Processor seconds that our own service has used so far."""
        return float(sum(psutil.Process(self.service.process.pid).cpu_times()[:2])) if self.service else 0.0


@contextmanager
def _service(policy: Path, place: Place) -> Iterator[Run]:
    """The target, or a service started for it."""
    if place.target:
        yield Run(place.target)
        return
    with tempfile.TemporaryDirectory() as scratch:
        home = place.home(Path(scratch))
        home.mkdir(parents=True, exist_ok=True)
        url = place.store or f"sqlite:///{home / 'replay.sqlite'}"
        rail = place.rail_journal or home / f"{Path(urlsplit(url).path).name}.rail.jsonl"
        owner = ("--store-owner", place.store_owner) if place.store_owner else ()
        caller = ("--currency", berka.CURRENCY, "--time-zone", berka.TIME_ZONE, "--clock", "CALLER")
        options = ("--listen", "127.0.0.1:0", "--store", url, *owner, "--rail-journal", str(rail), *caller)
        with launched("serve", *options, "--policy", str(policy), log=home / "service.log") as service:
            run = Run(service.target, service)
            yield run
        run.books = read_books(url, rail)


def _yuan_per_loan(done: Replayed, cpu_s: float | None, books: Books | None) -> float | None:
    """The service's processor time in this run and all that its store keeps, over the loans paid out."""
    if cpu_s is None or books is None or not done.disbursed:
        return None
    return round(float(Tariff().yuan(int(cpu_s * 1e6), books["stored_bytes"])) / done.disbursed, 6)


def _summary(bank: berka.Bank, done: Replayed, policy: Path) -> dict[str, Any]:
    pd, apart = probabilities(bank, done, policy)
    history = berka.with_history(bank)
    judged = [loan for loan, has in zip(bank.loans, history, strict=True) if has and loan.bad is not None]
    ranked = auc(judged, pd) if judged else None
    return {
        "payments": done.payments,
        "duplicates": done.duplicates,
        "applications": len(done.decisions),
        "approved": done.states["APPROVED"],
        "declined": done.states["DECLINED"],
        "referred": done.states["REFERRED"],
        "disbursed": done.disbursed,
        "auc": ranked and ranked[0],
        "auc_low": ranked and ranked[1],
        "auc_high": ranked and ranked[2],
        "auc_of": auc_of(judged or list(bank.loans), apart),
        "principal_fen": done.principal_fen,
        **_percentiles("score_ms", done.score_ms),
        **_percentiles("disburse_ms", done.disburse_ms),
    }


def _percentiles(name: str, times: list[float]) -> dict[str, float | None]:
    """Median and 99th percentile."""
    if not times:
        return {f"{name}_p50": None, f"{name}_p99": None}
    p50, p99 = np.percentile(times, [50, 99])
    return {f"{name}_p50": round(float(p50), 3), f"{name}_p99": round(float(p99), 3)}


def _show(found: dict[str, Any]) -> None:
    table = Table(show_header=False)
    for name, value in found.items():
        table.add_row(name, _shown(value))
    Console(stderr=True).print(table)


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}" if isinstance(value, float) else str(value)
