"""`fanxing apply`, `fanxing score` and `fanxing application`: applies, decides without applying, follows up."""

import hashlib
import time
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

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
from fanxing.commands.reading import moment_if, money_if
from fanxing.v1 import lending_pb2
from fanxing.v1 import lending_service_pb2 as pb

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Applications under way.")
ApplicationId = Annotated[str, typer.Argument(help="UUID of the application.")]
Amount = Annotated[str | None, typer.Option(help="What is asked for, such as 12000.50; none: as much as possible.")]
Months = Annotated[int, typer.Option(min=0, max=120, help="Months asked for; 0: the product's own.")]
DAY_S = 86_400


def apply(
    merchant_id: Annotated[str, typer.Argument(help="Who applies.")],
    *,
    consent_text: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The text shown to the merchant, who agreed to it.")
    ],
    consent_scope: Annotated[str, typer.Option(help="Which data it lets be used.")] = "payments",
    consent_days: Annotated[int, typer.Option(min=1, help="For how many days from the call it holds.")] = 365,
    purpose: Annotated[str, typer.Option(help="What the money is for.")] = "working_capital",
    amount: Amount = None,
    months: Months = 0,
    currency: Currency = "CNY",
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Applies for a loan; answers with the decision and, if approved, the offer.

    **Example:** `fanxing apply bun-shop-1 --consent-text consent.txt --amount 12000 --months 6`
    """
    at = moment_if(effective_time)
    from_s = int(time.time()) if at is None else at.seconds
    request = pb.ApplyRequest(
        request_id=request_id,
        merchant_id=merchant_id,
        purpose=purpose,
        requested_amount=money_if(amount, currency),
        requested_term_months=months,
        consents=[
            lending_pb2.Consent(
                scope=consent_scope,
                text_sha256=hashlib.sha256(consent_text.read_bytes()).hexdigest(),
                expires_at=Timestamp(seconds=from_s // DAY_S * DAY_S + (consent_days + 1) * DAY_S),
            )
        ],
        effective_time=at,
    )
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.lending.Apply, request)


def score(
    merchant_id: Annotated[str, typer.Argument(help="About whom.")],
    *,
    amount: Amount = None,
    months: Months = 0,
    currency: Currency = "CNY",
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Decides for a merchant as if it applied, and keeps the decision.

    **Example:** `fanxing score bun-shop-1 --amount 12000 --months 6`
    """
    request = pb.ScoreRequest(
        request_id=request_id,
        merchant_id=merchant_id,
        requested_amount=money_if(amount, currency),
        requested_term_months=months,
        effective_time=moment_if(effective_time),
    )
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.lending.Score, request)


@app.command()
def get(
    application_id: ApplicationId, *, target: Target = DEFAULT_TARGET, token: Token = None, as_json: AsJson = False
) -> None:
    """Reads an application, with its offer where there is one.

    **Example:** `fanxing application get 0b0f8a3e-2a5c-5a60-9a6e-3f1d2c4b5a69`
    """
    request = pb.GetApplicationRequest(application_id=application_id)
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.lending.GetApplication, request)


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
    """Lists applications, oldest first.

    **Example:** `fanxing application list --merchant bun-shop-1`
    """
    request = pb.ListApplicationsRequest(merchant_id=merchant, page_size=page_size, page_token=page_token)
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.lending.ListApplications, request)


@app.command()
def review(
    application_id: ApplicationId,
    *,
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Asks that a person decide.

    **Example:** `fanxing application review 0b0f8a3e-2a5c-5a60-9a6e-3f1d2c4b5a69`
    """
    request = pb.RequestReviewRequest(
        request_id=request_id, application_id=application_id, effective_time=moment_if(effective_time)
    )
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.lending.RequestReview, request)


@app.command()
def cancel(
    application_id: ApplicationId,
    *,
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Withdraws an application that is not accepted yet.

    **Example:** `fanxing application cancel 0b0f8a3e-2a5c-5a60-9a6e-3f1d2c4b5a69`
    """
    request = pb.CancelApplicationRequest(
        request_id=request_id, application_id=application_id, effective_time=moment_if(effective_time)
    )
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.lending.CancelApplication, request)
