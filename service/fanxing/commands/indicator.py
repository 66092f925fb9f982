"""`fanxing indicator`: the catalogue, and its values for a merchant as they were known at any moment."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fanxing.commands import peers
from fanxing.commands.calling import DEFAULT_TARGET, AsJson, EffectiveTime, Target, Token, connected
from fanxing.commands.exporting import export_matrix
from fanxing.commands.reading import moment_if
from fanxing.indicators.catalogue import STANDARD, catalogue_digest, definition_of, names_with
from fanxing.v1 import merchant_service_pb2 as pb

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="The catalogue of indicators.")
app.add_typer(peers.app, name="peers")
Prefix = Annotated[str, typer.Option(help="All indicators whose names begin so.")]
Names = Annotated[list[str] | None, typer.Argument(help="Full names; none: the standard ones.")]


@app.command("list")
def list_names(
    prefix: Annotated[str, typer.Argument(help="Only names that begin so.")] = "",
    *,
    names: Annotated[bool, typer.Option("--names", help="One name a line, all of them.")] = False,
) -> None:
    """Lists the catalogue: how many, and the first of them with what they mean; or all names.

    **Example:** `fanxing indicator list receipts_fen_weekend --names`
    """
    found = list(names_with(prefix))
    if names:
        typer.echo("\n".join(found))
        return
    shown = found if len(found) <= len(STANDARD) else [name for name in STANDARD if name.startswith(prefix)] or found
    table = Table("name", "unit", "meaning", title=f"{len(found):,} indicators, of which {min(len(shown), 100)}")
    for name in shown[:100]:
        definition = definition_of(name)
        assert definition is not None, "it was listed"
        table.add_row(definition.name, definition.unit, definition.meaning)
    Console().print(table)
    typer.echo(f"catalogue {catalogue_digest()}")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A full name.")]) -> None:
    """Shows what one indicator means, its unit, and what it is when nothing is known.

    **Example:** `fanxing indicator show receipts_fen_weekend_noon_30d_share`
    """
    definition = definition_of(name)
    if definition is None:
        raise typer.BadParameter(f"the catalogue has no indicator {name}")
    table = Table(show_header=False)
    for field, text in (
        ("name", definition.name),
        ("unit", definition.unit),
        ("meaning", definition.meaning),
        ("when nothing is known", definition.missing),
    ):
        table.add_row(field, text)
    Console().print(table)


@app.command()
def compute(
    merchant_id: Annotated[str, typer.Argument(help="The institution's own id.")],
    names: Names = None,
    *,
    prefix: Prefix = "",
    as_of: Annotated[str | None, typer.Option(help="The moment that windows end at, ISO 8601.")] = None,
    known_at: Annotated[str | None, typer.Option(help="Only what was known by then counts.")] = None,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Shows a merchant's indicators as they were known at any moment.

    **Example:** `fanxing indicator compute bun-shop-1 receipts_fen_30d payers_distinct_30d --as-of 2026-11-01`
    """
    request = pb.GetIndicatorsRequest(
        merchant_id=merchant_id,
        names=names or (),
        prefix=prefix,
        as_of=moment_if(as_of),
        known_at=moment_if(known_at),
        effective_time=moment_if(effective_time),
    )
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.merchants.GetIndicators, request)


@app.command()
def export(
    names: Names = None,
    *,
    at: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Parquet: merchant_id, at, perhaps known_at (timestamps).")
    ],
    out: Annotated[Path, typer.Option(help="Parquet to write: merchant_id, at, a column for each indicator.")],
    prefix: Prefix = "",
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
) -> None:
    """Writes indicators of many merchants at many moments, each by what was known at that moment (or at known_at).

    **Example:** `fanxing indicator export --prefix receipts_fen --at moments.parquet --out matrix.parquet`
    """
    with connected(target, token, as_json=False) as connection:
        request = pb.GetIndicatorsRequest(names=names or (), prefix=prefix, effective_time=moment_if(effective_time))
        rows = export_matrix(connection.client, request, at, out)
    typer.echo(f"{rows:,} rows in {out}")
