"""`fanxing replay berka`: a bank's history through the gRPC contract, in the order things happened.

Every movement is recorded at the end of its day, each loan is applied for at its true date for its true amount and
term, approved offers are accepted and disbursed. Request ids are made from the loan's id: a repeat finds everything.
"""

import csv
import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from google.protobuf.json_format import MessageToDict

from fanxing.errors import InvalidRequest
from fanxing.payments import Payment
from fanxing.strategies.policy import pack
from fanxing.training.bank import CURRENCY, IDENTITY, OUT_OF_FOLD, Bank, Loan, at, identities
from fanxing.v1 import lending_pb2, lending_service_pb2, merchant_service_pb2, payment_pb2, payment_service_pb2
from fanxing.v1.decision_pb2 import Decision
from fanxing.wire import convert
from fanxing.wire.client import PATIENCE_S, Client, patiently

BATCH = 1000
_NAMES = uuid.UUID("b7e2f0c4-51d8-5b7e-9a35-55a7b2d3c6f1")
_CONSENT_SHA256 = "0" * 63 + "1"
_YEAR_US = 366 * 86_400_000_000
Reply = TypeVar("Reply")


@dataclass(slots=True)
class Replayed:
    """What came of it. `decisions` by loan; times of the calls in milliseconds."""

    payments: int = 0
    duplicates: int = 0
    decisions: dict[str, Decision] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)
    disbursed: int = 0
    principal_fen: int = 0
    score_ms: list[float] = field(default_factory=list)
    disburse_ms: list[float] = field(default_factory=list)


def replay(bank: Bank, client: Client, progress: Callable[[int], None]) -> Replayed:
    """Plays the whole history; `progress` is told how many more were played."""
    done = Replayed()
    for merchant_id in sorted(bank.merchants):
        _register(bank, merchant_id, client)
        progress(1)
    loans: dict[date, list[Loan]] = {}
    for loan in bank.loans:
        loans.setdefault(loan.day, []).append(loan)
    for day in sorted({*bank.payments, *loans}):
        for loan in loans.get(day, ()):
            _apply(loan, client, done)
        _record(bank, day, client, done)
        progress(len(bank.payments.get(day, ())) + len(loans.get(day, ())))
    return done


def _id(*names: str) -> str:
    return str(uuid.uuid5(_NAMES, "/".join(names)))


def _register(bank: Bank, merchant_id: str, client: Client) -> None:
    held = bank.merchants[merchant_id]
    merchant = merchant_service_pb2.Merchant(
        merchant_id=merchant_id,
        name=held.name,
        category=held.category,
        opened_on=convert.date_message(held.opened_on),
        place=held.place,
        frontage=held.frontage,
        controller_token=held.controller_token,
        payout_account_token=held.payout_account_token,
    )
    request = merchant_service_pb2.RegisterMerchantRequest(
        request_id=_id("register", merchant_id),
        merchant=merchant,
        effective_time=convert.timestamp(at(held.opened_on, 8)),
    )
    patiently(lambda: client.merchants.RegisterMerchant(request))


def _record(bank: Bank, day: date, client: Client, done: Replayed) -> None:
    payments = bank.payments.get(day, [])
    for first in range(0, len(payments), BATCH):
        request = payment_service_pb2.RecordPaymentBatchRequest(
            payments=[_payment(payment) for payment in payments[first : first + BATCH]],
            effective_time=convert.timestamp(at(day, 23)),
        )
        answer = patiently(partial(client.payments.RecordPaymentBatch, request))
        if answer.conflicts or answer.refused:
            told = [*answer.conflicts, *answer.refused][0]
            raise InvalidRequest(f"payment {told.payment_id} of {day} was not recorded: {told.message}")
        done.payments += len(request.payments)
        done.duplicates += answer.duplicates


def _payment(payment: Payment) -> payment_pb2.Payment:
    fields = {name: getattr(payment, name) for name in ("merchant_id", "payment_id", "payer_token", "channel")}
    return payment_pb2.Payment(
        **fields,
        amount=convert.money(payment.amount_fen, CURRENCY),
        occurred_at=convert.timestamp(payment.occurred_us),
        kind=payment_pb2.PaymentKind.Value(f"PAYMENT_KIND_{payment.kind}"),
        balance_after=convert.money(payment.balance_after_fen or 0, CURRENCY),
    )


def _apply(loan: Loan, client: Client, done: Replayed) -> None:
    moment = at(loan.day, 9)
    consent = lending_pb2.Consent(
        scope="payments", text_sha256=_CONSENT_SHA256, expires_at=convert.timestamp(moment + _YEAR_US)
    )
    request = lending_service_pb2.ApplyRequest(
        request_id=_id("apply", loan.loan_id),
        merchant_id=loan.account_id,
        purpose="working_capital",
        requested_amount=convert.money(loan.amount_fen, CURRENCY),
        requested_term_months=loan.months,
        consents=[consent],
        effective_time=convert.timestamp(moment),
    )
    answer, took = _timed(lambda: client.lending.Apply(request))
    done.score_ms.append(took)
    done.decisions[loan.loan_id] = answer.decision
    state = lending_pb2.ApplicationState.Name(answer.application.state).removeprefix("APPLICATION_STATE_")
    done.states["APPROVED" if state == "ACCEPTED" else state] += 1
    if answer.application.HasField("offer"):
        _draw(loan, answer.application, client, done)


def _draw(loan: Loan, application: lending_pb2.Application, client: Client, done: Replayed) -> None:
    moment = convert.timestamp(at(loan.day, 9))
    accept = lending_service_pb2.AcceptOfferRequest(
        request_id=_id("accept", loan.loan_id),
        application_id=application.application_id,
        offer_digest=application.offer.digest,
        effective_time=moment,
    )
    line = patiently(lambda: client.lending.AcceptOffer(accept)).credit_line
    disburse = lending_service_pb2.DisburseRequest(
        request_id=_id("disburse", loan.loan_id), line_id=line.line_id, amount=line.limit, effective_time=moment
    )
    answer, took = _timed(lambda: client.lending.Disburse(disburse))
    until = time.monotonic() + PATIENCE_S
    while answer.loan.state == lending_pb2.LOAN_STATE_PENDING and time.monotonic() < until:
        time.sleep(0.1)
        answer = patiently(lambda: client.lending.Disburse(disburse))
    done.disburse_ms.append(took)
    if answer.loan.state == lending_pb2.LOAN_STATE_ACTIVE:
        done.disbursed += 1
        done.principal_fen += convert.fen(answer.loan.principal, CURRENCY, "principal")


def _timed(call: Callable[[], Reply]) -> tuple[Reply, float]:
    started = time.perf_counter()
    reply = patiently(call)
    return reply, (time.perf_counter() - started) * 1000


def decided_by(done: Replayed) -> set[str]:
    """The digests of the policies that decided."""
    return {decision.policy_digest for decision in done.decisions.values()}


def policy_digest(directory: Path) -> str:
    """The digest of a policy directory, as decisions name it."""
    return hashlib.sha256(pack(directory)).hexdigest()


def probabilities(bank: Bank, done: Replayed, policy: Path) -> tuple[dict[str, tuple[float, float]], frozenset[str]]:
    """(pd, pd as served) of each loan, and those whose pd is out of fold; that of the others is as served.

    Both are the model's margin as a probability, before the calibration that the decision carries: calibrated ones
    are steps, which rank many loans alike. Out of fold where the policy was fitted on that very loan, provided that
    it is the policy that decided.
    """
    unseen = _out_of_fold(policy) if decided_by(done) == {policy_digest(policy)} else {}
    found, apart = {}, set()
    for loan, name in zip(bank.loans, identities(bank), strict=True):
        served = float(1 / (1 + np.exp(-done.decisions[loan.loan_id].scores[0].margin)))
        found[loan.loan_id] = (unseen.get(name, served), served)
        if name in unseen:
            apart.add(loan.loan_id)
    return found, frozenset(apart)


def auc_of(loans: list[Loan], apart: frozenset[str]) -> str:
    """What an AUC of these loans is of: "out_of_fold", "served", or "mixed"."""
    count = sum(loan.loan_id in apart for loan in loans)
    return "served" if not count else "out_of_fold" if count == len(loans) else "mixed"


def _out_of_fold(policy: Path) -> dict[tuple[str, ...], float]:
    """The policy's own words about the loans that it was fitted on, by their identity."""
    beside = policy / OUT_OF_FOLD
    if not beside.is_file():
        return {}
    with beside.open(encoding="utf-8", newline="") as file:
        return {tuple(row[name] for name in IDENTITY): float(row["pd"]) for row in csv.DictReader(file)}


def auc(loans: list[Loan], pd: dict[str, tuple[float, float]]) -> tuple[float, float, float] | None:
    """AUC of `pd` on these loans with its 95 % bootstrap interval (2,000 draws, seeded); None without both outcomes."""
    outcome = np.array([bool(loan.bad) for loan in loans])
    score = np.array([pd[loan.loan_id][0] for loan in loans])
    if len(np.unique(outcome)) < 2:
        return None
    rng = np.random.default_rng(7)
    drawn = list(_drawn(rng, outcome, score))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return _auc(outcome, score), float(low), float(high)


def _auc(outcome: np.ndarray, score: np.ndarray) -> float:
    """Mann and Whitney: the share of pairs, one bad and one good, that the score puts in order; ties count half."""
    _, places, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    bad = int(outcome.sum())
    return float((ranks[outcome].sum() - bad * (bad + 1) / 2) / (bad * (len(outcome) - bad)))


def _drawn(rng: np.random.Generator, outcome: np.ndarray, score: np.ndarray) -> Iterator[float]:
    for _ in range(2000):
        places = rng.integers(len(outcome), size=len(outcome))
        if 0 < outcome[places].sum() < len(places):
            yield _auc(outcome[places], score[places])


def write_scores(path: Path, bank: Bank, done: Replayed, pd: dict[str, tuple[float, float]]) -> None:
    """One row a loan."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("loan_id", "pd", "pd_served", "outcome", "limit_fen", "reasons"))
        for loan in bank.loans:
            decision = done.decisions[loan.loan_id]
            limit = convert.fen(decision.limit, CURRENCY, "limit", signed=True)
            outcome = "" if loan.bad is None else int(loan.bad)
            reasons = " ".join(reason.code for reason in decision.reasons)
            writer.writerow((loan.loan_id, *map(repr, pd[loan.loan_id]), outcome, limit, reasons))


def write_decisions(path: Path, bank: Bank, done: Replayed) -> None:
    """One line of JSON a loan: the decision with all that it rests on, less what it cost to make."""
    with path.open("w", encoding="utf-8") as file:
        for loan in bank.loans:
            decision = Decision()
            decision.CopyFrom(done.decisions[loan.loan_id])
            decision.ClearField("cost")
            file.write(json.dumps(MessageToDict(decision, preserving_proto_field_name=True), ensure_ascii=False) + "\n")
