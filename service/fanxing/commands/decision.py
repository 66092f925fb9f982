"""`fanxing decision`: why a decision fell as it did, and what would be decided of given indicators."""

from typing import Annotated

import typer

from fanxing.commands.applying import Amount, Months
from fanxing.commands.calling import DEFAULT_TARGET, AsJson, Currency, EffectiveTime, Target, Token, connected
from fanxing.commands.reading import moment_if, money_if
from fanxing.v1 import decision_service_pb2 as pb

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Decisions: read one, or try one out.")


@app.command()
def get(
    decision_id: Annotated[str, typer.Argument(help="UUID of the decision.")],
    *,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Reads a decision: reasons, scores, strategies that hit, every cap and which binds, inputs, digests, cost.

    **Example:** `fanxing decision get 5c7d1f6a-9f0e-5b53-8a57-0f3e7f1f6a11`
    """
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.decisions.GetDecision, pb.GetDecisionRequest(decision_id=decision_id))


@app.command()
def evaluate(
    indicators: Annotated[list[str], typer.Argument(help="NAME=VALUE, as many as are known.")],
    *,
    category: Annotated[str, typer.Option(help="Trade, such as canteen or fruit.")],
    amount: Amount = None,
    months: Months = 0,
    currency: Currency = "CNY",
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Decides from given indicators; nothing is read about a merchant and nothing is kept.

    **Example:** `fanxing decision evaluate evidence_b=400 sustainable_receipts_fen=3000000 --category canteen`
    """
    request = pb.EvaluateRequest(
        indicators=dict(map(_pair, indicators)),
        category=category,
        requested_amount=money_if(amount, currency),
        requested_term_months=months,
        effective_time=moment_if(effective_time),
    )
    with connected(target, token, as_json=as_json) as connection:
        connection.call(connection.client.decisions.Evaluate, request)


def _pair(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE") from None
