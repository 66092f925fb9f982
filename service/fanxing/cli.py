"""`fanxing`: serves, and calls what is served. Each verb is a thin client of the gRPC contract."""

from pathlib import Path
from typing import Annotated

import typer

from fanxing.commands import add_to
from fanxing.commands.failing import plain_failures
from fanxing.institutions import Clock
from fanxing.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", help=__doc__)


@app.command()
def serve(
    *,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = None,
    store: Annotated[str | None, typer.Option(help="memory:, sqlite:///PATH or postgresql://...")] = None,
    store_owner: Annotated[str | None, typer.Option(help="PostgreSQL URL of the owner role, to migrate.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy directory to publish at start.")] = None,
    institutions: Annotated[Path | None, typer.Option(help="TOML file of institutions and tokens.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of institution demo.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Of institution demo.")] = None,
    clock: Annotated[Clock | None, typer.Option(help="Of institution demo.")] = None,
    rail: Annotated[str | None, typer.Option(help="HOST:PORT of the payout rail; none: a simulator.")] = None,
    rail_simulated: Annotated[bool | None, typer.Option(help="That rail is a simulator.")] = None,
    rail_journal: Annotated[Path | None, typer.Option(help="Journal of the embedded rail simulator.")] = None,
    reflection: Annotated[bool | None, typer.Option(help="Answer gRPC reflection.")] = None,
) -> None:
    """Serves the gRPC contract. Every option may stand in the environment too, as FANXING_STORE and so on.

    **Example:** `fanxing serve --listen 127.0.0.1:50051 --store sqlite:///var/fanxing.sqlite`
    """
    given = {name: value for name, value in locals().items() if value is not None}
    from fanxing.serve import run  # noqa: PLC0415  the server's imports take a second that other verbs need not wait

    with plain_failures():
        run(Settings(**given))


@app.command("simulate-rail")
def simulate_rail(
    *,
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = "127.0.0.1:50052",
    rail_journal: Annotated[Path, typer.Option(help="The journal, fsynced.")] = Path("var/rail.jsonl"),
) -> None:
    """Serves a simulated payout rail, for several service processes to share. No money moves.

    **Example:** `fanxing simulate-rail --listen 127.0.0.1:50052 --rail-journal var/rail.jsonl`
    """
    from fanxing.serve import run_rail_simulator  # noqa: PLC0415

    with plain_failures():
        run_rail_simulator(Settings(listen=listen, rail_journal=rail_journal))


add_to(app)
