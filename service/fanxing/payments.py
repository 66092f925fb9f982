"""Payments as they were reported. The append-only log of them is the truth that all indicators are computed from."""

import hashlib
from dataclasses import dataclass, fields
from enum import StrEnum


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


def content_hash(payment: Payment) -> str:
    """SHA-256 (hex) over every field, so that one id with two contents is noticed."""
    text = "\x1f".join(str(getattr(payment, field.name)) for field in fields(Payment))
    return hashlib.sha256(text.encode()).hexdigest()
