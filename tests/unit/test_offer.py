"""An offer is what was decided, and its digest changes with every part of it."""

import subprocess
import sys
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanxing.lending.offer import CostSheet, Instalment, Offer, RepaymentMethod
from fanxing.lending.product import make_offer, offer_digest
from fanxing.strategies.decision import Outcome, Verdict


@dataclass(frozen=True)
class OneProduct:
    method: str = "EQUAL_INSTALMENT"
    offer_days: int = 7
    fees_fen: int = 0
    all_in_cap: Decimal = Decimal("0.24")


VERDICT = Verdict(
    outcome=Outcome.APPROVED,
    limit_fen=26_400_00,
    annual_rate=Decimal("0.1200"),
    term_months=6,
    expected_loss=Decimal("0.02"),
    reasons=(),
    scores=(),
    hits=(),
    caps=(),
    inputs=(),
)
LATE_EVENING_UTC_US = 1_793_638_800_000_000  # 2026-11-02 17:00 UTC, already the third in Shanghai


def test_an_offer_says_what_was_decided():
    offer = make_offer(VERDICT, OneProduct(), LATE_EVENING_UTC_US, "Asia/Shanghai")
    assert (offer.limit_fen, offer.annual_rate, offer.term_months) == (26_400_00, Decimal("0.12"), 6)
    assert sum(each.principal_fen for each in offer.schedule) == offer.limit_fen
    assert offer.schedule[0].due_on == date(2026, 12, 3)
    assert offer.expires_us - LATE_EVENING_UTC_US == 7 * 86_400_000_000
    assert offer.cost_sheet.all_in_annual_rate_cap == Decimal("0.24")
    assert offer.digest == offer_digest(offer)


def test_the_day_is_the_merchants():
    abroad = make_offer(VERDICT, OneProduct(), LATE_EVENING_UTC_US, "Europe/Prague")
    assert abroad.schedule[0].due_on == date(2026, 12, 2)


FEN, RATES, DAYS = st.integers(0, 10**12), st.decimals(0, 9, places=6), st.dates(date(2000, 1, 1), date(2099, 1, 1))
INSTALMENTS = st.builds(Instalment, number=st.integers(1, 120), due_on=DAYS, principal_fen=FEN, interest_fen=FEN)
OFFERS = st.builds(
    Offer,
    limit_fen=FEN,
    annual_rate=RATES,
    term_months=st.integers(1, 120),
    repayment_method=st.sampled_from(RepaymentMethod),
    schedule=st.lists(INSTALMENTS, max_size=4).map(tuple),
    cost_sheet=st.builds(
        CostSheet, interest_fen=FEN, fees_fen=FEN, all_in_annual_rate=RATES, all_in_annual_rate_cap=RATES
    ),
    expires_us=st.integers(0, 10**17),
    digest=st.just(""),
)


def other(value):
    """Another value of the same kind."""
    match value:
        case RepaymentMethod():
            return next(each for each in RepaymentMethod if each is not value)
        case date():
            return value + timedelta(days=1)
        case tuple():
            return (*value, Instalment(number=9, due_on=date(2026, 1, 1), principal_fen=1, interest_fen=1))
        case _:
            return value + 1


def changes(record):
    """The record with each of its fields changed, one at a time, and the fields of what it holds."""
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name == "digest":
            continue
        if isinstance(value, CostSheet):
            yield from (replace(record, **{field.name: each}) for each in changes(value))
        else:
            yield replace(record, **{field.name: other(value)})


@given(OFFERS)
def test_any_changed_field_changes_the_digest(offer):
    digest = offer_digest(offer)
    changed = [offer_digest(each) for each in changes(offer)]
    assert len(changed) == len(fields(Offer)) - 2 + len(fields(CostSheet))
    assert digest not in changed
    assert len(set(changed)) == len(changed)


@given(OFFERS, st.data())
def test_any_changed_instalment_changes_the_digest(offer, data):
    if not offer.schedule:
        return
    place = data.draw(st.integers(0, len(offer.schedule) - 1))
    for each in changes(offer.schedule[place]):
        schedule = (*offer.schedule[:place], each, *offer.schedule[place + 1 :])
        assert offer_digest(replace(offer, schedule=schedule)) != offer_digest(offer)


def test_a_decimal_written_otherwise_is_the_same_offer():
    offer = make_offer(VERDICT, OneProduct(), LATE_EVENING_UTC_US, "Asia/Shanghai")
    assert offer_digest(replace(offer, annual_rate=Decimal("0.12"), digest="read back")) == offer.digest
    assert offer_digest(replace(offer, annual_rate=Decimal("12E-2"))) == offer.digest


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_digest_is_the_same_in_another_process(seed):
    program = (
        "from decimal import Decimal; from fanxing.lending.product import *; from fanxing.strategies.decision import *;"
        "from types import SimpleNamespace as Product;"
        f"verdict = {VERDICT!r}; product = Product(all_in_cap=Decimal('0.24'), fees_fen=0, offer_days=7,"
        "method='EQUAL_INSTALMENT');"
        f"print(make_offer(verdict, product, {LATE_EVENING_UTC_US}, 'Asia/Shanghai').digest)"
    ).replace("<Outcome.APPROVED: 'APPROVED'>", "Outcome.APPROVED")
    run = subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True)
    here = make_offer(VERDICT, OneProduct(), LATE_EVENING_UTC_US, "Asia/Shanghai")
    assert run.stdout.decode().strip() == here.digest
