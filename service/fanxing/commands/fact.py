"""`fanxing fact`: records what is known about a merchant besides its payments."""

from enum import Enum
from typing import Annotated

import typer

from fanxing.commands.calling import (
    DEFAULT_TARGET,
    AsJson,
    Currency,
    EffectiveTime,
    RequestId,
    Target,
    Token,
    connected,
)
from fanxing.commands.reading import day, moment_if, money
from fanxing.v1 import merchant_service_pb2 as pb

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Facts: works, debts, links.")
MerchantId = Annotated[str, typer.Argument(help="About whom.")]
From = Annotated[str, typer.Option("--from", help="First day on which it holds, ISO 8601.")]
To = Annotated[str | None, typer.Option("--to", help="Last day on which it holds; none: open.")]
Source = Annotated[str, typer.Option(help="Who says so, such as city-works-bureau.")]
Supersedes = Annotated[str, typer.Option(help="Id of an earlier fact that this one replaces.")]


class Works(Enum):
    """What kind of municipal works."""

    METRO = "metro"
    PIPES = "pipes"


class Asked(Enum):
    """What was asked for."""

    WORKS = "works"
    DEBT = "debt"
    LINK = "link"
    CREDIT_REPORT = "credit_report"


def _record(
    fact: pb.Fact, request_id: str, effective_time: str | None, target: str, token: str | None, *, as_json: bool
) -> None:
    request = pb.RecordFactRequest(request_id=request_id, fact=fact, effective_time=moment_if(effective_time))
    with connected(target, token, as_json=as_json, request_id=request_id) as connection:
        connection.call(connection.client.merchants.RecordFact, request)


@app.command()
def works(
    merchant_id: MerchantId,
    kind: Annotated[Works, typer.Argument(help="Which kind.")],
    *,
    valid_from: From,
    valid_to: To = None,
    source: Source,
    supersedes: Supersedes = "",
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Municipal works in front of the shop.

    **Example:** `fanxing fact works bun-shop-1 metro --from 2026-12-01 --to 2027-05-31 --source city-works-bureau`
    """
    fact = pb.Fact(
        merchant_id=merchant_id,
        kind=pb.FACT_KIND_WORKS,
        valid_from=day(valid_from),
        valid_to=None if valid_to is None else day(valid_to),
        source=source,
        supersedes=supersedes,
        works=pb.Works(kind=pb.WorksKind.Value(f"WORKS_KIND_{kind.name}")),
    )
    _record(fact, request_id, effective_time, target, token, as_json=as_json)


@app.command()
def debt(
    merchant_id: MerchantId,
    *,
    balance: Annotated[str, typer.Option(help="What is owed now, such as 8000.")],
    monthly_service: Annotated[str, typer.Option(help="What is due each month.")],
    matures_on: Annotated[str, typer.Option(help="When the last of it is due, ISO 8601.")],
    valid_from: From,
    source: Source,
    supersedes: Supersedes = "",
    currency: Currency = "CNY",
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """A debt owed to others.

    **Example:** `fanxing fact debt bun-shop-1 --balance 8000 --monthly-service 700 --matures-on 2027-11-01
    --from 2026-11-01 --source merchant`
    """
    detail = pb.Debt(
        balance=money(balance, currency),
        monthly_service=money(monthly_service, currency),
        matures_on=day(matures_on),
    )
    fact = pb.Fact(
        merchant_id=merchant_id,
        kind=pb.FACT_KIND_DEBT,
        valid_from=day(valid_from),
        source=source,
        supersedes=supersedes,
        debt=detail,
    )
    _record(fact, request_id, effective_time, target, token, as_json=as_json)


@app.command()
def link(
    merchant_id: MerchantId,
    other: Annotated[str, typer.Argument(help="The other merchant.")],
    *,
    relation: Annotated[str, typer.Option(help="How they are linked, such as family.")],
    valid_from: From,
    source: Source,
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """A link to another merchant.

    **Example:** `fanxing fact link bun-shop-1 bun-shop-2 --relation family --from 2026-11-01 --source merchant`
    """
    fact = pb.Fact(
        merchant_id=merchant_id,
        kind=pb.FACT_KIND_LINK,
        valid_from=day(valid_from),
        source=source,
        link=pb.Link(merchant_id=other, relation=relation),
    )
    _record(fact, request_id, effective_time, target, token, as_json=as_json)


@app.command()
def none(
    merchant_id: MerchantId,
    kind: Annotated[Asked, typer.Argument(help="What was asked for.")],
    *,
    valid_from: From,
    source: Source,
    request_id: RequestId,
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """The source was asked and there is none, which differs from never having asked.

    **Example:** `fanxing fact none bun-shop-1 debt --from 2026-11-01 --source credit-bureau`
    """
    fact = pb.Fact(
        merchant_id=merchant_id,
        kind=pb.FactKind.Value(f"FACT_KIND_{kind.name}"),
        valid_from=day(valid_from),
        source=source,
        none_found=True,
    )
    _record(fact, request_id, effective_time, target, token, as_json=as_json)
