"""`fanxing feed`: tells through when a channel's payments are complete, and lists where feeds stand."""

from typing import Annotated

import typer

from fanxing.commands.calling import (
    DEFAULT_TARGET,
    AsJson,
    EffectiveTime,
    RequestId,
    Target,
    Token,
    connected,
)
from fanxing.commands.reading import moment, moment_if
from fanxing.v1 import payment_service_pb2 as pb
from fanxing.v1 import watermark_pb2

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Feeds and their watermarks.")


@app.command()
def record(
    channel: Annotated[str, typer.Argument(help="As its payments name it; an empty one for those that name none.")],
    *,
    complete_through: Annotated[str, typer.Option(help="The last moment that is complete, ISO 8601.")],
    merchant: Annotated[list[str] | None, typer.Option(help="Of this merchant's payments; none: of all.")] = None,
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Records that all payments of a channel that happened through a moment are on record.

    **Example:** `fanxing feed record qr --complete-through 2026-11-01T23:59:59+08:00`
    """
    request = pb.RecordWatermarkRequest(
        request_id=request_id,
        watermark=watermark_pb2.Watermark(channel=channel, complete_through=moment(complete_through)),
        merchant_ids=merchant or (),
        effective_time=moment_if(effective_time),
    )
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.payments.RecordWatermark, request)


@app.command("list")
def list_(
    *,
    merchant: Annotated[str, typer.Option(help="Those told for this merchant alone; none: those told for all.")] = "",
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Lists where feeds stand.

    **Example:** `fanxing feed list --merchant bun-shop-1`
    """
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.payments.ListFeeds, pb.ListFeedsRequest(merchant_id=merchant))
