"""One merchant's way to a loan through a target: register, record, apply, accept, disburse, each timed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadtest.shop import Shop

from fanxing.v1 import lending_pb2
from fanxing.wire.client import Client

CALL_S = 15.0


@dataclass
class Journey:
    """What each step said and how long it took in milliseconds; in the end the loan."""

    steps: list[tuple[str, str, float]] = field(default_factory=list)
    loan: lending_pb2.Loan = field(default_factory=lending_pb2.Loan)

    @property
    def paid_out(self) -> bool:
        """Whether the money is with the merchant."""
        return self.loan.state == lending_pb2.LOAN_STATE_ACTIVE

    def step(self, name: str, rpc: Callable[..., Any], request: Any, told: Callable[[Any], str]) -> Any:  # noqa: ANN401  any message
        """Calls, and notes what was answered."""
        started = time.perf_counter()
        answer = rpc(request, timeout=CALL_S)
        self.steps.append((name, told(answer), round((time.perf_counter() - started) * 1000, 1)))
        return answer


def play(client: Client, shop: Shop) -> Journey:
    """Plays the whole way; ends early, without a loan, where the shop is not approved."""
    journey, lending = Journey(), client.lending
    journey.step("register", client.merchants.RegisterMerchant, shop.register(), lambda a: a.merchant.merchant_id)
    journey.step("record", client.payments.RecordPaymentBatch, shop.record(), lambda a: f"{a.accepted} payments")
    application = journey.step("apply", lending.Apply, shop.apply(), _decided).application
    if not application.HasField("offer"):
        return journey
    accepting = shop.accept(application)
    line = journey.step("accept", lending.AcceptOffer, accepting, lambda a: f"line {a.credit_line.line_id}").credit_line
    journey.loan = journey.step("disburse", lending.Disburse, shop.disburse(line), _paid).loan
    return journey


def _decided(answer: Any) -> str:  # noqa: ANN401  ApplyResponse
    state = lending_pb2.ApplicationState.Name(answer.application.state).removeprefix("APPLICATION_STATE_")
    if not answer.application.HasField("offer"):
        return f"{state}: {', '.join(reason.code for reason in answer.decision.reasons)}"
    offer = answer.application.offer
    return f"{state}: {offer.limit.units:,} {offer.limit.currency_code} at {offer.annual_rate.value}"


def _paid(answer: Any) -> str:  # noqa: ANN401  DisburseResponse
    state = lending_pb2.LoanState.Name(answer.loan.state).removeprefix("LOAN_STATE_")
    return f"{state}: {answer.loan.principal.units:,} {answer.loan.principal.currency_code}"
