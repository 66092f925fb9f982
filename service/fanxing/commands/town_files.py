"""`fanxing town make`, `score` and `koubei`: towns as files, and answers held against their truth."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fanxing.commands.failing import plain_failures
from fanxing.town.medium.size import MEDIUM
from fanxing.town.medium.write import write_medium
from fanxing.town.scoring import FALSE_POSITIVES, score
from fanxing.town.small import write_small
from fanxing.training.koubei import write_koubei

Found = dict[str, Any]


class TownSize(StrEnum):
    """S: 200 merchants, 120 days, as played by `make run`. M: 2,000 merchants, 24 months."""

    S = "S"
    M = "M"


@plain_failures()
def make_town(
    *,
    seed: Annotated[int, typer.Option(help="Which town.", min=0)] = 1,
    size: Annotated[TownSize, typer.Option(help="S: 200 merchants, 120 days. M: 2,000 merchants, 24 months.")] = (
        TownSize.S
    ),
    out: Annotated[Path, typer.Option(help="New folder: feeds, and the truth apart from them.")],
) -> None:
    """Writes a simulated town: the feeds that an engine may see, and in a folder of its own the truth.

    **Example:** `fanxing town make --seed 1 --size M --out var/town`
    """
    count = write_small(seed, out) if size is TownSize.S else write_medium(seed, MEDIUM, out)
    typer.echo(f"simulated town of seed {seed}, size {size}: {count:,} payments told in {out}")


@plain_failures()
def score_town(
    *,
    town: Annotated[Path, typer.Option(help="A folder that `fanxing town make` wrote.")],
    answers: Annotated[
        Path, typer.Option(help="Parquet: merchant_id, and some of flagged, controller, pd, limit_fen.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Holds answers against a town's truth: cheats caught, hands known, defaults foretold, limits given to whom.

    **Example:** `fanxing town score --town var/town --answers var/answers.parquet`
    """
    found = score(town, answers)
    console = Console(stderr=as_json)
    for name, table in (("fraud", _fraud), ("identity", _identity), ("default", _default), ("limits", _limits)):
        if name in found:
            console.print(table(found[name]))
    if as_json:
        typer.echo(json.dumps(found))


@plain_failures()
def read_koubei(
    *,
    directory: Annotated[Path, typer.Argument(help="daily_flow.parquet and shop_info.parquet of Koubei's data set.")],
    out: Annotated[Path, typer.Option(help="New folder for the feeds.")],
    stand_in_fen: Annotated[
        int,
        typer.Option(help="The data have no amounts: every payment is given so much times its shop's class.", min=1),
    ],
    shops: Annotated[int | None, typer.Option(help="Only the first so many shops.", min=1)] = None,
) -> None:
    """Turns real daily payment counts into feeds: payers unknown, amounts and times of day stand-ins, no truth.

    **Example:** `fanxing town koubei data/koubei --stand-in-fen 100 --shops 50 --out var/koubei`
    """
    count = write_koubei(directory, out, stand_in_fen, shops)
    typer.echo(f"{count:,} payments told in {out}; how many a day is real, amounts and times of day are stand-ins")


def _table(title: str, caption: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", caption=caption, caption_justify="left", min_width=76)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _yuan(fen: float) -> str:
    return f"{fen / 100:,.0f}"


def _fraud(found: Found) -> Table:
    title = f"Cheats caught at {FALSE_POSITIVES:.0%} false positives (simulated)"
    table = _table(title, f"Honest merchants flagged: {found['false_positives']:.2%}.", "kind", "cheats", "recall")
    for kind, row in found["by_kind"].items():
        table.add_row(kind, str(row["cheats"]), _share(row["recall"]))
    table.add_row("all", str(found["cheats"]), _share(found["recall"]))
    return table


def _identity(found: Found) -> Table:
    columns = ("pairs of one hand", "told", "recall", "precision")
    table = _table("Merchants of one hand (simulated)", "Every two merchants of one controller are a pair.", *columns)
    table.add_row(str(found["pairs"]), str(found["told"]), _share(found["recall"]), _share(found["precision"]))
    return table


def _default(found: Found) -> Table:
    caption = (
        f"Mean distance of given from true, by bins: {found['calibration_error']:.4f}. "
        f"Brier score {found['brier']:.4f}; the truth's own {found['brier_of_truth']:.4f}."
    )
    columns = ("PD given, lowest to highest", "merchants", "given", "true", "defaulted")
    table = _table("Default within 12 months (simulated)", caption, *columns)
    for place, row in enumerate(found["bins"], 1):
        shares = (_share(row[name]) for name in ("given", "true", "defaulted"))
        table.add_row(f"bin {place}", str(row["merchants"]), *shares)
    return table


def _limits(found: Found) -> Table:
    caption = (
        f"Of {_yuan(found['limit_fen'])} yuan {_share(found['to_cheats_share'])} would go to cheats; "
        f"expected loss {_share(found['expected_loss_share'])}."
    )
    columns = ("kind", "merchants", "approved", "median", "mean", "largest")
    table = _table("Limits, yuan; declined: 0 (simulated)", caption, *columns)
    for row in found["by_kind"]:
        counts = (str(row["merchants"]), str(row["approved"]))
        table.add_row(row["kind"], *counts, *(_yuan(row[f"{name}_fen"]) for name in ("median", "mean", "largest")))
    return table
