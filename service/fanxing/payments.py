"""Payments as they were reported. The append-only log of them is the truth that all indicators are computed from."""

import hashlib
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeVar

R = TypeVar("R")


def _quickly_made(record: type[R]) -> type[R]:
    """Gives a frozen dataclass with slots an `__init__` that fills the slots; its own asks for each by name first.

    Millions of payments are made, each twice, and this takes half the time. Nothing else about the class changes.
    """
    names: dict[str, Any] = {}
    heads, lines = [], []
    for each in fields(record):  # type: ignore[arg-type]
        names[f"set_{each.name}"] = getattr(record, each.name).__set__
        names[f"default_{each.name}"] = each.default
        heads.append(each.name if each.default is MISSING else f"{each.name}=default_{each.name}")
        lines.append(f"    set_{each.name}(self, {each.name})")
    exec("\n".join((f"def __init__(self, *, {', '.join(heads)}):", *lines)), names)  # noqa: S102  as dataclasses does
    record.__init__ = names["__init__"]  # type: ignore[method-assign]
    return record


class PaymentKind(StrEnum):
    """Direction and meaning."""

    RECEIPT = "RECEIPT"
    REFUND = "REFUND"
    OUTFLOW = "OUTFLOW"


class Instrument(StrEnum):
    """What funded the payment; empty when not known."""

    UNKNOWN = ""
    BALANCE = "BALANCE"
    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


class CodeKind(StrEnum):
    """Which kind of code was scanned; empty when not known."""

    UNKNOWN = ""
    MERCHANT = "MERCHANT"
    PERSONAL = "PERSONAL"


@_quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment. Amounts in fen, always positive; times in microseconds since 1970 UTC; empty text is unknown."""

    merchant_id: str
    payment_id: str
    payer_token: str = ""
    amount_fen: int
    occurred_us: int
    kind: PaymentKind
    refund_of: str = ""
    instrument: Instrument = Instrument.UNKNOWN
    channel: str = ""
    code_kind: CodeKind = CodeKind.UNKNOWN
    device_token: str = ""
    payer_real_name: bool | None = None
    payer_account_age_days: int | None = None
    balance_after_fen: int | None = None


@_quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPayment(Payment):
    """A payment in the log: `merchant_seq` runs from 1 without gap, `known_us` never decreases along it."""

    merchant_seq: int
    known_us: int
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The first time that a payer was seen as a payer at a merchant; the payer graph is made of these."""

    payer_token: str
    merchant_id: str
    known_us: int


_values = attrgetter(*(field.name for field in fields(Payment)))


def content_hash(payment: Payment) -> str:
    """SHA-256 (hex) over every field, so that one id with two contents is noticed."""
    return hashlib.sha256("\x1f".join(map(str, _values(payment))).encode()).hexdigest()


def recorded(payment: Payment, merchant_seq: int, known_us: int, contents: str) -> RecordedPayment:
    """The payment with its place in the log."""
    return RecordedPayment(
        merchant_id=payment.merchant_id,
        payment_id=payment.payment_id,
        payer_token=payment.payer_token,
        amount_fen=payment.amount_fen,
        occurred_us=payment.occurred_us,
        kind=payment.kind,
        refund_of=payment.refund_of,
        instrument=payment.instrument,
        channel=payment.channel,
        code_kind=payment.code_kind,
        device_token=payment.device_token,
        payer_real_name=payment.payer_real_name,
        payer_account_age_days=payment.payer_account_age_days,
        balance_after_fen=payment.balance_after_fen,
        merchant_seq=merchant_seq,
        known_us=known_us,
        content_hash=contents,
    )
