"""From a verdict to an offer: what is offered, what it costs, until when, and the digest that the merchant accepts."""

import hashlib
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from zoneinfo import ZoneInfo

from fanxing.lending.cost_sheet import cost_sheet
from fanxing.lending.offer import CostSheet, Instalment, Offer, RepaymentMethod
from fanxing.lending.schedule import schedule
from fanxing.strategies.constants import ProductTerms
from fanxing.strategies.decision import Outcome, Verdict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def make_offer(verdict: Verdict, product: ProductTerms, as_of_us: int, time_zone: str) -> Offer:
    """The offer of an approved verdict made at `as_of_us`; days are those of `time_zone` (IANA name)."""
    assert verdict.outcome is Outcome.APPROVED
    assert verdict.annual_rate is not None, "an approved verdict has a price"
    at = _EPOCH + timedelta(microseconds=as_of_us)
    method = RepaymentMethod(product.method)
    from_day = at.astimezone(ZoneInfo(time_zone)).date()
    due = schedule(verdict.limit_fen, verdict.annual_rate, verdict.term_months, method, from_day)
    offer = Offer(
        limit_fen=verdict.limit_fen,
        annual_rate=verdict.annual_rate,
        term_months=verdict.term_months,
        repayment_method=method,
        schedule=due,
        cost_sheet=cost_sheet(verdict.limit_fen, due, product.fees_fen, product.all_in_cap),
        expires_us=as_of_us + product.offer_days * 86_400_000_000,
        digest="",
    )
    return replace(offer, digest=offer_digest(offer))


def offer_digest(offer: Offer) -> str:
    """SHA-256 (hex) over every field of an offer but the digest itself, each with its name, in canonical text."""
    return hashlib.sha256(_canonical(replace(offer, digest="")).encode()).hexdigest()


def _canonical(value: object) -> str:
    """One text for one value: equal decimals are written alike, and no field can be taken for another."""
    match value:
        case Offer() | CostSheet() | Instalment():
            inner = ",".join(f"{field.name}={_canonical(getattr(value, field.name))}" for field in fields(value))
            return f"{{{inner}}}"
        case tuple():
            return f"[{','.join(map(_canonical, value))}]"
        case Decimal():
            return str(Fraction(value))
        case Enum():
            return str(value.value)
        case date():
            return value.isoformat()
        case _:
            return str(value)
