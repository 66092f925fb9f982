"""`fanxing line`: accepts an offer and reads credit lines."""

from typing import Annotated

import typer

from fanxing.commands.calling import (
    DEFAULT_TARGET,
    AsJson,
    EffectiveTime,
    PageSize,
    PageToken,
    RequestId,
    Target,
    Token,
    connected,
)
from fanxing.commands.reading import moment_if
from fanxing.v1 import lending_service_pb2 as pb

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Credit lines.")


@app.command()
def accept(
    application_id: Annotated[str, typer.Argument(help="UUID of the application.")],
    *,
    digest: Annotated[str, typer.Option(help="The offer's digest, so that nobody accepts what was not shown.")],
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Accepts an offer and opens a credit line.

    **Example:** `fanxing line accept 0b0f8a3e-2a5c-5a60-9a6e-3f1d2c4b5a69 --digest 9f86d081884c7d65...`
    """
    request = pb.AcceptOfferRequest(
        request_id=request_id,
        application_id=application_id,
        offer_digest=digest,
        effective_time=moment_if(effective_time),
    )
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.lending.AcceptOffer, request)


@app.command()
def get(
    line_id: Annotated[str, typer.Argument(help="UUID of the line.")],
    *,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Reads a credit line: its limit, what is reserved, drawn and left.

    **Example:** `fanxing line get 3d1f0c2e-6f0a-5b1e-9d57-7a8b9c0d1e2f`
    """
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.lending.GetCreditLine, pb.GetCreditLineRequest(line_id=line_id))


@app.command("list")
def list_(
    *,
    merchant: Annotated[str, typer.Option(help="Only this merchant's.")] = "",
    page_size: PageSize = 100,
    page_token: PageToken = "",
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Lists credit lines, oldest first.

    **Example:** `fanxing line list --merchant bun-shop-1`
    """
    request = pb.ListCreditLinesRequest(merchant_id=merchant, page_size=page_size, page_token=page_token)
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.lending.ListCreditLines, request)
