"""Plays a town through the gRPC contract, day by day as things become known, and tells what came of it."""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from google.type.money_pb2 import Money

from fanxing.facts import Fact
from fanxing.payments import Payment
from fanxing.town.feed import feed
from fanxing.town.findings import Result
from fanxing.town.world import CURRENCY, DAYS, HOUR_US, Shop, Town, day_us
from fanxing.v1 import lending_pb2, lending_service_pb2, merchant_service_pb2, payment_pb2, payment_service_pb2
from fanxing.v1.decision_pb2 import Decision, Outcome
from fanxing.wire import convert
from fanxing.wire.client import Client

BATCH = 1000
STEPS_A_LOAN = 250
"""One merchant's loan takes about as long as recording so many payments."""
Reply = TypeVar("Reply")
_YEAR_US = 366 * 86_400_000_000


@dataclass(slots=True)
class Played:
    """What became of payments; decisions and loans by merchant; the milliseconds that each kind of call took."""

    recorded: int = 0
    duplicates: int = 0
    scores: dict[str, Decision] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    loans: dict[str, lending_pb2.Loan] = field(default_factory=dict)
    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def play(town: Town, client: Client, progress: Callable[[int], None]) -> Played:
    """Registers, tells the facts, records every day, and on the morning after the last everyone is scored and applies.

    `progress` is told of every merchant and batch of payments: `steps` in all.
    """
    played, opening = Played(), convert.timestamp(day_us(0))
    for shop in town.shops:
        client.merchants.RegisterMerchant(
            merchant_service_pb2.RegisterMerchantRequest(
                request_id=_id(), merchant=_merchant(shop), effective_time=opening
            )
        )
    for fact in town.facts:
        client.merchants.RecordFact(
            merchant_service_pb2.RecordFactRequest(request_id=_id(), fact=_fact(fact), effective_time=opening)
        )
    for day in range(DAYS):
        _record(client, day, feed(town, day), played, progress)
    for shop in town.shops:
        _borrow(client, shop, played)
        progress(STEPS_A_LOAN)
    return played


def steps(town: Town) -> int:
    """How far `play` has to go."""
    return sum(len(feed(town, day)) for day in range(DAYS)) + STEPS_A_LOAN * len(town.shops)


def _id() -> str:
    return str(uuid.uuid4())


def _merchant(shop: Shop) -> merchant_service_pb2.Merchant:
    held = shop.merchant
    text = ("merchant_id", "name", "category", "place", "controller_token", "licence_token", "payout_account_token")
    return merchant_service_pb2.Merchant(
        **{name: getattr(held, name) for name in (*text, "phone_token", "device_token", "frontage")},
        opened_on=convert.date_message(held.opened_on),
        code_activated_on=convert.date_message(held.activated_on),
    )


def _fact(fact: Fact) -> merchant_service_pb2.Fact:
    message = merchant_service_pb2.Fact(
        merchant_id=fact.merchant_id,
        kind=merchant_service_pb2.FactKind.Value(f"FACT_KIND_{fact.kind}"),
        valid_from=convert.date_message(fact.valid_from),
        valid_to=convert.date_message(fact.valid_to) if fact.valid_to else None,
        source=fact.source,
        none_found=fact.none_found,
    )
    if fact.works:
        message.works.kind = merchant_service_pb2.WorksKind.Value(f"WORKS_KIND_{fact.works.kind}")
    if fact.debt:
        message.debt.balance.CopyFrom(convert.money(fact.debt.balance_fen, CURRENCY))
        message.debt.monthly_service.CopyFrom(convert.money(fact.debt.monthly_service_fen, CURRENCY))
        message.debt.matures_on.CopyFrom(convert.date_message(fact.debt.matures_on))
    if fact.link:
        message.link.merchant_id, message.link.relation = fact.link.merchant_id, fact.link.relation
    return message


def _record(client: Client, day: int, payments: list[Payment], played: Played, progress: Callable[[int], None]) -> None:
    known = convert.timestamp(day_us(day + 1) - HOUR_US)
    for first in range(0, len(payments), BATCH):
        batch = [_payment(payment) for payment in payments[first : first + BATCH]]
        request = payment_service_pb2.RecordPaymentBatchRequest(payments=batch, effective_time=known)
        answer = _timed(played, "record", partial(client.payments.RecordPaymentBatch, request))
        if answer.accepted + answer.duplicates != len(batch):
            raise RuntimeError(f"payments were not recorded: {answer}")
        played.recorded += answer.accepted
        played.duplicates += answer.duplicates
        progress(len(batch))


def _payment(payment: Payment) -> payment_pb2.Payment:
    text = ("merchant_id", "payment_id", "payer_token", "refund_of", "channel", "device_token")
    message = payment_pb2.Payment(
        **{name: getattr(payment, name) for name in text},
        amount=convert.money(payment.amount_fen, CURRENCY),
        occurred_at=convert.timestamp(payment.occurred_us),
        kind=payment_pb2.PaymentKind.Value(f"PAYMENT_KIND_{payment.kind}"),
        instrument=payment_pb2.Instrument.Value(f"INSTRUMENT_{payment.instrument or 'UNSPECIFIED'}"),
        code_kind=payment_pb2.CodeKind.Value(f"CODE_KIND_{payment.code_kind or 'UNSPECIFIED'}"),
        payer_real_name=payment.payer_real_name,
        payer_account_age_days=payment.payer_account_age_days,
    )
    if payment.balance_after_fen is not None:
        message.balance_after.CopyFrom(convert.money(payment.balance_after_fen, CURRENCY))
    return message


def _borrow(client: Client, shop: Shop, played: Played) -> None:
    """Is scored, then applies for as much as possible; an offer is accepted and drawn in full."""
    merchant_id, moment = shop.merchant.merchant_id, day_us(DAYS) + 9 * HOUR_US
    at = convert.timestamp(moment)
    consent = lending_pb2.Consent(
        scope="payments", text_sha256="0" * 64, expires_at=convert.timestamp(moment + _YEAR_US)
    )
    score = lending_service_pb2.ScoreRequest(request_id=_id(), merchant_id=merchant_id, effective_time=at)
    played.scores[merchant_id] = _timed(played, "score", lambda: client.lending.Score(score)).decision
    apply = lending_service_pb2.ApplyRequest(
        request_id=_id(), merchant_id=merchant_id, purpose="working_capital", consents=[consent], effective_time=at
    )
    applied = _timed(played, "apply", lambda: client.lending.Apply(apply))
    played.decisions[merchant_id] = applied.decision
    if not applied.application.HasField("offer"):
        return
    accept = lending_service_pb2.AcceptOfferRequest(
        request_id=_id(),
        application_id=applied.application.application_id,
        offer_digest=applied.application.offer.digest,
        effective_time=at,
    )
    line = _timed(played, "accept", lambda: client.lending.AcceptOffer(accept)).credit_line
    disburse = lending_service_pb2.DisburseRequest(
        request_id=_id(), line_id=line.line_id, amount=line.limit, effective_time=at
    )
    played.loans[merchant_id] = _timed(played, "disburse", lambda: client.lending.Disburse(disburse)).loan


def _timed(played: Played, name: str, call: Callable[[], Reply]) -> Reply:
    started = time.perf_counter()
    reply = call()
    played.took_ms[name].append((time.perf_counter() - started) * 1000)
    return reply


def results(played: Played) -> dict[str, Result]:
    """What each merchant was told and got."""
    return {
        merchant_id: _result(decision, played.loans.get(merchant_id))
        for merchant_id, decision in played.decisions.items()
    }


def _result(decision: Decision, loan: lending_pb2.Loan | None) -> Result:
    return Result(
        outcome=Outcome.Name(decision.outcome).removeprefix("OUTCOME_"),
        limit_fen=_fen(decision.limit),
        term_months=decision.term_months,
        reasons={reason.code: reason.sentence for reason in decision.reasons},
        effects={reason.code: _fen(reason.effect) for reason in decision.reasons if reason.HasField("effect")},
        caps={cap.name: _fen(cap.amount) for cap in decision.caps},
        binds=next(cap.name for cap in decision.caps if cap.binds),
        inputs={given.name: given.value for given in decision.inputs if given.HasField("value")},
        loan_state=lending_pb2.LoanState.Name(loan.state).removeprefix("LOAN_STATE_") if loan else "",
        principal_fen=_fen(loan.principal) if loan else 0,
    )


def _fen(money: Money) -> int:
    return convert.fen(money, CURRENCY, "amount", signed=True)


def latencies(played: Played) -> dict[str, float | int]:
    """Calls, median and 99th percentile in milliseconds of each kind of call, as the client saw them."""
    told: dict[str, float | int] = {}
    for name, times in played.took_ms.items():
        p50, p99 = np.percentile(times, [50, 99])
        told |= {f"{name}_calls": len(times), f"{name}_ms_p50": round(p50, 3), f"{name}_ms_p99": round(p99, 3)}
    return told


def scored_otherwise(played: Played) -> int:
    """How many merchants were scored otherwise than decided a moment later; Score and Apply must agree."""
    return sum(_core(score) != _core(played.decisions[merchant_id]) for merchant_id, score in played.scores.items())


def _core(decision: Decision) -> tuple[object, ...]:
    return decision.outcome, _fen(decision.limit), decision.annual_rate.value, decision.row_digest
