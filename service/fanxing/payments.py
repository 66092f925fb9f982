"""Payments as they were reported. The append-only log of them is the truth that all indicators are computed from."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import astuple


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


class Payment(Struct, kw_only=True, gc=False):  # a dataclass takes three times as long to make, and more to read whole
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


class RecordedPayment(Payment, kw_only=True, gc=False):
    """A payment in the log: `merchant_seq` runs from 1 without gap, `known_us` never decreases along it."""

    merchant_seq: int
    known_us: int
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a payer has paid at a merchant within a window, net; more than 0 fen. The payer graph is made of these."""

    payer_token: str
    merchant_id: str
    net_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which receipts are summed, in microseconds since 1970 UTC.

    Those that happened from `since_us` until just before `until_us`, net of what refunds dated before
    `refunded_before_us` sent back; of either, what was known at `known_us`.
    """

    since_us: int
    until_us: int
    refunded_before_us: int
    known_us: int


_CONTENTS = "\x1f".join(["%s"] * len(Payment.__struct_fields__))


def net_receipts(payments: Iterable[RecordedPayment], window: Window) -> list[Sighting]:
    """What each known payer has paid at each merchant, in the order of their ids. The order of the log is no matter.

    A refund is booked to its receipt's date and takes back at most the receipt.
    """
    known = [each for each in payments if each.known_us <= window.known_us]
    back: Counter[tuple[str, str]] = Counter()
    for each in known:
        if each.kind is PaymentKind.REFUND and each.occurred_us < window.refunded_before_us:
            back[each.merchant_id, each.refund_of] += each.amount_fen
    net: Counter[tuple[str, str]] = Counter()
    for each in known:
        within = window.since_us <= each.occurred_us < window.until_us
        if each.kind is PaymentKind.RECEIPT and each.payer_token and within:
            left_fen = each.amount_fen - back[each.merchant_id, each.payment_id]
            net[each.merchant_id, each.payer_token] += max(0, left_fen)
    return [
        Sighting(payer_token=payer, merchant_id=merchant, net_fen=fen)
        for (merchant, payer), fen in sorted(net.items())
        if fen > 0
    ]


def content_hash(payment: Payment) -> str:
    """SHA-256 (hex) over every field, so that one id with two contents is noticed."""
    return hashlib.sha256((_CONTENTS % astuple(payment)).encode()).hexdigest()


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
