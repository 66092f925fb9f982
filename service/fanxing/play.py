"""Plays a town through the gRPC contract, day by day as things become known, and reports what came of it."""

import asyncio
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from fanxing.facts import Fact
from fanxing.payments import Payment
from fanxing.settings import DEMO
from fanxing.store.open import open_store
from fanxing.town.world import CURRENCY, DAYS, FIRST_DAY, HOUR_US, Shop, Town, day_us
from fanxing.v1 import lending_pb2, lending_service_pb2, merchant_service_pb2, payment_pb2, payment_service_pb2
from fanxing.v1.decision_pb2 import Decision, Outcome
from fanxing.wire import convert
from fanxing.wire.client import Client
from fanxing.wire.rail_simulator import paid

BATCH = 1000
Reply = TypeVar("Reply")
_YEAR_US = 366 * 86_400_000_000


@dataclass(slots=True)
class Played:
    """Decisions and states of loans by merchant, and the milliseconds that each kind of call took."""

    decisions: dict[str, Decision] = field(default_factory=dict)
    loans: dict[str, str] = field(default_factory=dict)
    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def play(town: Town, client: Client, progress: Callable[[int], None]) -> Played:
    """Registers, tells the facts, records every day, and on the morning after the last everyone applies."""
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
    for day, payments in enumerate(town.payments):
        _record(client, day, payments, played)
        progress(len(payments))
    for shop in town.shops:
        _borrow(client, shop, played)
    return played


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
    return message


def _record(client: Client, day: int, payments: list[Payment], played: Played) -> None:
    known = convert.timestamp(day_us(day + 1) - HOUR_US)
    for first in range(0, len(payments), BATCH):
        batch = [_payment(payment) for payment in payments[first : first + BATCH]]
        request = payment_service_pb2.RecordPaymentBatchRequest(payments=batch, effective_time=known)
        started = time.perf_counter()
        answer = client.payments.RecordPaymentBatch(request)
        played.took_ms["record (a batch)"].append((time.perf_counter() - started) * 1000)
        assert answer.accepted == len(batch), answer


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
    """Applies for as much as possible; an offer is accepted and drawn in full."""
    merchant_id, moment = shop.merchant.merchant_id, day_us(DAYS) + 9 * HOUR_US
    at = convert.timestamp(moment)
    consent = lending_pb2.Consent(
        scope="payments", text_sha256="0" * 64, expires_at=convert.timestamp(moment + _YEAR_US)
    )
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
    loan = _timed(played, "disburse", lambda: client.lending.Disburse(disburse)).loan
    played.loans[merchant_id] = lending_pb2.LoanState.Name(loan.state).removeprefix("LOAN_STATE_")


def _timed(played: Played, name: str, call: Callable[[], Reply]) -> Reply:
    started = time.perf_counter()
    reply = call()
    played.took_ms[name].append((time.perf_counter() - started) * 1000)
    return reply


def limit_yuan(decision: Decision) -> float:
    """The limit of a decision."""
    return float(decision.limit.units + decision.limit.nanos / 1e9)


def report(town: Town, played: Played, console: Console) -> None:
    """Decisions by reason, limits against genuine payers, the twins, the cheats, and how long calls took."""
    console.print(_by_reason(played), _by_payers(town, played), _twins(town, played), _cheats(town, played))
    console.print(_latencies(played))
    console.print(f"The town's day of decision is {FIRST_DAY + timedelta(days=DAYS)}.")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def _by_reason(played: Played) -> Table:
    table = _table("Decisions by first reason", "outcome, reason", "merchants")
    found = Counter(
        f"{Outcome.Name(decision.outcome).removeprefix('OUTCOME_').lower()}: {decision.reasons[0].code}"
        for decision in played.decisions.values()
    )
    for name, count in found.most_common():
        table.add_row(name, str(count))
    return table


def _by_payers(town: Town, played: Played) -> Table:
    table = _table("Limit against genuine payers (truth)", "genuine payers", "merchants", "approved", "median limit")
    for low, high in ((0, 1), (1, 300), (300, 600), (600, 1000), (1000, 10**9)):
        shops = [shop for shop in town.shops if low <= shop.genuine_payers < high]
        limits = [limit_yuan(played.decisions[shop.merchant.merchant_id]) for shop in shops]
        if shops:
            label = "none" if high == 1 else f"{low} to {high - 1}" if high < 10**9 else f"{low} and more"
            table.add_row(label, str(len(shops)), str(sum(map(bool, limits))), f"{np.median(limits):,.0f}")
    return table


def _twins(town: Town, played: Played) -> Table:
    table = _table("Twins: the same trade, works before the second one's door", "pair", "without", "with", "reasons")
    for plain, disturbed in town.twins:
        one, other = played.decisions[plain], played.decisions[disturbed]
        reasons = ", ".join(
            f"{reason.code} -{reason.effect.units:,}" if reason.HasField("effect") else reason.code
            for reason in other.reasons
        )
        table.add_row(f"{plain} / {disturbed}", f"{limit_yuan(one):,.0f}", f"{limit_yuan(other):,.0f}", reasons)
    return table


def _cheats(town: Town, played: Played) -> Table:
    table = _table("What cheats got", "kind", "merchants", "lent in all", "first reasons")
    for kind in ("self", "ring"):
        decisions = [played.decisions[shop.merchant.merchant_id] for shop in town.shops if shop.kind == kind]
        reasons = ", ".join(sorted({decision.reasons[0].code for decision in decisions}))
        table.add_row(kind, str(len(decisions)), f"{sum(map(limit_yuan, decisions)):,.0f}", reasons)
    return table


def _latencies(played: Played) -> Table:
    table = _table("Milliseconds at the client", "call", "calls", "p50", "p99")
    for name, times in played.took_ms.items():
        p50, p99 = np.percentile(times, [50, 99])
        table.add_row(name, str(len(times)), f"{p50:.1f}", f"{p99:.1f}")
    return table


def books(store: str, journal: Path) -> tuple[int, int, int]:
    """The ledger's sum, and how many loans and fen the rail paid; read once the service has stopped."""

    async def sum_fen() -> int:
        opened = await open_store(store)
        try:
            return await opened.ledger_sum_fen(DEMO)
        finally:
            await opened.close()

    return (asyncio.run(sum_fen()), *paid(journal))
