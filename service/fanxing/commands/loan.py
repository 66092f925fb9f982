"""`fanxing loan`: draws on a line and reads loans."""

from typing import Annotated

import typer

from fanxing.commands.calling import (
    DEFAULT_TARGET,
    AsJson,
    Currency,
    EffectiveTime,
    PageSize,
    PageToken,
    RequestId,
    Target,
    Token,
    connected,
)
from fanxing.commands.reading import moment_if, money
from fanxing.v1 import lending_service_pb2 as pb

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Loans.")


@app.command()
def disburse(
    line_id: Annotated[str, typer.Argument(help="UUID of the line.")],
    amount: Annotated[str, typer.Argument(help="How much, such as 12000.50.")],
    *,
    currency: Currency = "CNY",
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Draws on a line and pays out, once. A loan that stays PENDING is settled by the service: never draw again for it.

    **Example:** `fanxing loan disburse 3d1f0c2e-6f0a-5b1e-9d57-7a8b9c0d1e2f 12000`
    """
    request = pb.DisburseRequest(
        request_id=request_id,
        line_id=line_id,
        amount=money(amount, currency),
        effective_time=moment_if(effective_time),
    )
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.lending.Disburse, request)


@app.command()
def get(
    loan_id: Annotated[str, typer.Argument(help="UUID of the loan.")],
    *,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Reads a loan and its schedule.

    **Example:** `fanxing loan get 7e4c2a10-1b2c-5d3e-8f40-5a6b7c8d9e0f`
    """
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.lending.GetLoan, pb.GetLoanRequest(loan_id=loan_id))


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
    """Lists loans, oldest first.

    **Example:** `fanxing loan list --merchant bun-shop-1`
    """
    request = pb.ListLoansRequest(merchant_id=merchant, page_size=page_size, page_token=page_token)
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.lending.ListLoans, request)
