"""`fanxing indicator peers`: how indicators are spread over the merchants of a category and place."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fanxing.commands.calling import DEFAULT_TARGET, AsJson, EffectiveTime, Target, Token, connected
from fanxing.commands.reading import moment_if
from fanxing.v1 import merchant_service_pb2 as pb

PUBLISH_S = 3600.0
SHOWN_PERCENT = (1, 5, 10, 25, 50, 75, 90, 95, 99)
app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="What merchants are ranked among.")


@app.command()
def publish(
    *,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Publishes, for the decisions of tomorrow and later, how indicators are spread by what was known before today.

    It measures every merchant, some fifteen a second. Again on the same day it answers with what was published first.

    **Example:** `fanxing indicator peers publish`, once a week from a timer
    """
    request = pb.PublishPeersRequest(effective_time=moment_if(effective_time))
    with connected(target, token, as_json=as_json) as connection:
        connection.show(connection.client.merchants.PublishPeers(request, timeout=PUBLISH_S))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A rank, such as receipts_fen_90d_peer_rank.")],
    *,
    category: Annotated[str, typer.Option(help="With a place: the cuts of that cell.")] = "",
    place: Annotated[str, typer.Option(help="See category.")] = "",
    as_of: Annotated[str | None, typer.Option(help="The moment whose day is meant, ISO 8601.")] = None,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Shows among how many merchants of each category and place an indicator is ranked, or the cuts of one.

    **Example:** `fanxing indicator peers show receipts_fen_90d_peer_rank --category buns --place district-3`
    """
    request = pb.GetPeersRequest(
        name=name,
        category=category,
        place=place,
        as_of=moment_if(as_of),
        effective_time=moment_if(effective_time),
    )
    with connected(target, token, as_json=as_json) as connection:
        answer = connection.call(connection.client.merchants.GetPeers, request)
    for cell in () if as_json or not category else answer.cells:
        table = Table("percent of peers", "have at most", title="cuts", title_justify="left")
        for percent in SHOWN_PERCENT:
            table.add_row(str(percent), f"{cell.cuts[percent - 1]:,.6g}")
        Console().print(table)
