"""`fanxing merchant`: registers a merchant, reads it, records its payments."""

from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import Parse, ParseError

from fanxing.commands.calling import (
    DEFAULT_TARGET,
    AsJson,
    EffectiveTime,
    RequestId,
    Target,
    Token,
    connected,
)
from fanxing.commands.reading import day, moment_if
from fanxing.v1 import merchant_service_pb2 as pb
from fanxing.v1 import payment_pb2, payment_service_pb2

BATCH = 1000
app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Merchants and payments.")
MerchantId = Annotated[str, typer.Argument(help="The institution's own id.")]


@app.command()
def register(
    merchant_id: MerchantId,
    *,
    name: Annotated[str, typer.Option(help="The sign over the door.")],
    category: Annotated[str, typer.Option(help="Trade, such as canteen or fruit.")],
    opened_on: Annotated[str, typer.Option(help="First day of trade, ISO 8601.")],
    controller: Annotated[str, typer.Option(help="Token of the person in control.")],
    payout_account: Annotated[str, typer.Option(help="Token of the account that loans are paid to.")],
    code_activated_on: Annotated[str | None, typer.Option(help="First day of QR payments, ISO 8601.")] = None,
    place: Annotated[str, typer.Option(help="Area code.")] = "",
    frontage: Annotated[float, typer.Option(help="Share of trade from the street, 0 to 1.")] = 0.0,
    licence: Annotated[str, typer.Option(help="Token of the trade licence.")] = "",
    phone: Annotated[str, typer.Option(help="Token of the phone number.")] = "",
    device: Annotated[str, typer.Option(help="Token of the merchant's device.")] = "",
    time_zone: Annotated[str, typer.Option(help="IANA name; empty: the institution's.")] = "",
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Registers a merchant.

    **Example:** `fanxing merchant register bun-shop-1 --name "Old Wang's buns" --category buns --opened-on 2026-03-01
    --controller c-77 --payout-account a-77`
    """
    merchant = pb.Merchant(
        merchant_id=merchant_id,
        name=name,
        category=category,
        opened_on=day(opened_on),
        code_activated_on=None if code_activated_on is None else day(code_activated_on),
        place=place,
        frontage=frontage,
        controller_token=controller,
        licence_token=licence,
        payout_account_token=payout_account,
        phone_token=phone,
        device_token=device,
        time_zone=time_zone,
    )
    request = pb.RegisterMerchantRequest(
        request_id=request_id, merchant=merchant, effective_time=moment_if(effective_time)
    )
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.merchants.RegisterMerchant, request)


@app.command()
def get(
    merchant_id: MerchantId, *, target: Target = DEFAULT_TARGET, token: Token = None, as_json: AsJson = False
) -> None:
    """Reads a merchant and the state of its record.

    **Example:** `fanxing merchant get bun-shop-1`
    """
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.merchants.GetMerchant, pb.GetMerchantRequest(merchant_id=merchant_id))


@app.command()
def record(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="One payment a line, as protobuf JSON.")],
    *,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Records payments, a thousand at a time. Sending a file again is safe: what is recorded is a duplicate.

    **Example:** `fanxing merchant record payments.jsonl`, with lines such as
    `{"merchant_id": "bun-shop-1", "payment_id": "p1", "payer_token": "u9", "kind": "PAYMENT_KIND_RECEIPT",
    "amount": {"currency_code": "CNY", "units": "8"}, "occurred_at": "2026-11-01T08:30:00+08:00"}`
    """
    batches = _batches(file)
    at = moment_if(effective_time)
    stream = (payment_service_pb2.RecordPaymentsRequest(payments=batch, effective_time=at) for batch in batches)
    with connected(target, token, as_json=as_json) as connection:
        answer = connection.call(connection.client.payments.RecordPayments, stream)
    if answer.conflict_count or answer.refused_count:
        raise typer.Exit(1)


def _batches(file: Path) -> list[list[payment_pb2.Payment]]:
    payments = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            payments.append(Parse(line, payment_pb2.Payment()))
        except ParseError as error:
            raise typer.BadParameter(f"{file}, line {number}: {error}") from None
    return [payments[start : start + BATCH] for start in range(0, len(payments), BATCH)]
