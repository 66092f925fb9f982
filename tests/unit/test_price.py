"""The price: the smallest step that earns the margin, dearer with risk; above the cap a shorter term or no loan."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fanxing.lending.cost_sheet import cost_sheet
from fanxing.lending.offer import RepaymentMethod
from fanxing.lending.schedule import schedule
from fanxing.models.score import Score
from fanxing.settings import TOWN_POLICY
from fanxing.strategies import decide as deciding
from fanxing.strategies.constants import PriceRules
from fanxing.strategies.decide import decide
from fanxing.strategies.decision import Outcome
from fanxing.strategies.policy import load_policy
from fanxing.strategies.price import expected_loss, price

POLICY = load_policy(TOWN_POLICY)
STEP, CAP = POLICY.constants.price.step, POLICY.product.all_in_cap
NOISE = 1e-9
METHODS = ("EQUAL_INSTALMENT", "INTEREST_FIRST")
PDS, LIMITS, MONTHS = st.floats(0, 0.5), st.integers(50_000, 10_000_000), st.integers(1, 24)
RULES = st.builds(
    PriceRules,
    step=st.just(STEP),
    lgd=st.floats(0, 1),
    funding_rate=st.floats(0, 0.1),
    operating_fen=st.integers(0, 1000),
    margin=st.floats(0, 0.03),
)
LOANS = st.tuples(st.sampled_from(METHODS), PDS, LIMITS, MONTHS)


def product(method):
    return replace(POLICY.product, method=method)


def earned(rules, method, pd, limit_fen, months, rate):
    """Limit-and-price 16 by closed formulas: NPV(schedule x survival, LGD, funding, operating cost) a principal."""
    i, value = float(rate) / 12, -1 - rules.operating_fen / limit_fen
    for k in range(1, months + 1):
        before, here = (1 - pd) ** ((k - 1) / 12), (1 - pd) ** (k / 12)
        if method == "INTEREST_FIRST":
            owed, paid = 1.0, i + (k == months)
        elif i:
            growth = (1 + i) ** months
            owed, paid = (growth - (1 + i) ** (k - 1)) / (growth - 1), i * growth / (growth - 1)
        else:
            owed, paid = 1 - (k - 1) / months, 1 / months
        value += (here * paid + (before - here) * (1 - rules.lgd) * owed) / (1 + rules.funding_rate / 12) ** k
    return value


@given(RULES, LOANS)
def test_it_is_the_smallest_step_that_earns_the_margin_or_nothing(rules, loan):
    method, pd, limit_fen, months = loan
    worth = {step: earned(rules, *loan, step * STEP) - rules.margin for step in range(int(CAP / STEP) + 1)}
    assume(all(abs(value) > NOISE for value in worth.values()))
    enough = next((step * STEP for step, value in worth.items() if value > 0), None)
    found = price(rules, product(method), pd, limit_fen, months)
    if enough is None or (1 + enough / 12) ** 12 - 1 > CAP:
        assert found is None
    elif found is None:
        assert (1 + enough / 12 + Decimal(1) / limit_fen) ** 12 - 1 > CAP
    else:
        assert found == enough


@given(RULES, LOANS, st.decimals("0.01", "0.24", places=4))
def test_a_lower_cap_never_lowers_the_price(rules, loan, cap):
    method, pd, limit_fen, months = loan
    free = price(rules, product(method), pd, limit_fen, months)
    capped = price(rules, replace(product(method), all_in_cap=cap), pd, limit_fen, months)
    assert capped in {None, free}
    assert capped is None or (1 + capped / 12) ** 12 - 1 <= cap


@given(RULES, LOANS)
def test_no_schedule_costs_more_than_the_cap_even_by_rounding(rules, loan):
    method, pd, limit_fen, months = loan
    rate = price(rules, product(method), pd, limit_fen, months)
    assume(rate is not None)
    due = schedule(limit_fen, rate, months, RepaymentMethod(method), date(2026, 1, 31))
    assert cost_sheet(limit_fen, due, 0, CAP).all_in_annual_rate <= CAP


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("months", [3, 6, 12])
def test_at_the_dearest_rate_no_limit_costs_more_than_the_cap(method, months):
    rate_of = {}
    for limit_fen in range(50_000, 1_000_000, 10_000):
        rates = (price(POLICY.constants.price, product(method), pd / 1000, limit_fen, months) for pd in range(300))
        rate_of[limit_fen] = max(rate for rate in rates if rate is not None)
    for limit_fen, rate in rate_of.items():
        due = schedule(limit_fen, rate, months, RepaymentMethod(method), date(2026, 1, 31))
        assert cost_sheet(limit_fen, due, 0, CAP).all_in_annual_rate <= CAP
    assert max(rate_of.values()) >= Decimal("0.2150")


def dear(rate):
    """Not to be had is dearer than any rate."""
    return inf if rate is None else rate


@given(RULES, LOANS, st.data())
def test_it_rises_with_what_a_loan_costs_and_falls_with_its_size(rules, loan, data):
    method, pd, limit_fen, months = loan
    before = dear(price(rules, product(method), pd, limit_fen, months))
    riskier = data.draw(st.floats(pd, 1))
    assert dear(price(rules, product(method), riskier, limit_fen, months)) >= before
    larger = data.draw(st.integers(limit_fen, 20_000_000))
    assert dear(price(rules, product(method), pd, larger, months)) <= before
    costs = {
        "lgd": st.floats(rules.lgd, 1),
        "funding_rate": st.floats(rules.funding_rate, 0.2),
        "operating_fen": st.integers(rules.operating_fen, 5000),
        "margin": st.floats(rules.margin, 0.1),
    }
    for name, more in costs.items():
        changed = replace(rules, **{name: data.draw(more)})
        assert dear(price(changed, product(method), pd, limit_fen, months)) >= before


@given(RULES, LOANS, PDS, st.decimals(0, "0.24", places=4))
def test_the_expected_loss_rises_with_risk_and_stays_below_lgd(rules, loan, other, rate):
    method, pd, _, months = loan
    less, more = (expected_loss(rules, product(method), each, months, rate) for each in sorted((pd, other)))
    assert 0 <= less <= more <= Decimal(repr(rules.lgd)) + Decimal("0.000001")


VALUES = {
    "requested_term_months": 12.0,
    "days_since_first_payment": 200.0,
    "days_since_last_payment": 0.5,
    "receipts_count_365d": 2000.0,
    "evidence_b": 800.0,
    "months_of_trade": 6.0,
    "sustainable_receipts_fen": 3_600_000.0,
    "debt_service_monthly_fen": 0.0,
    "debt_outside_fen": 0.0,
    "credit_report_asked": 1.0,
}


def decided(pd, asked=12):
    """The town's verdict on a sound trade of which one model says that much: the limit has no fear, only the price."""
    values = VALUES | {"requested_term_months": float(asked)}
    score = Score(model="pd", margin=0.0, probability=pd, probability_upper=0.01, artefact_digest="")
    return decide(POLICY, values, [score], "buns")


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


PRICES = st.none() | st.decimals("0.03", "0.21", places=4)


@given(st.fixed_dictionaries({3: PRICES, 6: PRICES, 12: PRICES}), st.sampled_from([3, 6, 12]))
def test_above_the_cap_the_term_is_shortened_else_it_is_a_decline(prices, asked):
    """The longest term up to the one asked for that has a price, at just that price."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deciding, "price", lambda _rules, _product, _pd, _limit_fen, months: prices[months])
        verdict = decided(0.02, asked)
    term = next((months for months in (12, 6, 3) if months <= asked and prices[months] is not None), None)
    if term is None:
        assert (verdict.outcome, verdict.limit_fen, verdict.annual_rate) == (Outcome.DECLINED, 0, None)
        assert codes(verdict)[-1] == "PRICE_ABOVE_CAP"
    else:
        assert (verdict.outcome, verdict.term_months) == (Outcome.APPROVED, term)
        assert verdict.annual_rate == prices[term]
        assert "PRICE_ABOVE_CAP" not in codes(verdict)


@given(PDS, PDS, st.sampled_from([3, 6, 12]))
def test_a_riskier_merchant_never_pays_less(one, other, asked):
    """On the whole path of a decision, with the limit frozen; the price told is the price of what is lent."""
    low, high = (decided(pd, asked) for pd in sorted((one, other)))
    assert dear(low.annual_rate) <= dear(high.annual_rate)
    for pd, verdict in zip(sorted((one, other)), (low, high), strict=True):
        if verdict.outcome is Outcome.APPROVED:
            rules = POLICY.constants.price
            assert verdict.annual_rate == price(rules, POLICY.product, pd, verdict.limit_fen, verdict.term_months)
        else:
            assert (verdict.annual_rate, codes(verdict)[-1]) == (None, "PRICE_ABOVE_CAP")


def test_a_price_above_the_cap_is_told_and_one_below_it_lends():
    assert decided(0.02).outcome is Outcome.APPROVED
    declined = decided(0.5)
    assert (declined.outcome, declined.term_months, declined.limit_fen) == (Outcome.DECLINED, 0, 0)
    assert "PRICE_ABOVE_CAP" in codes(declined)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("months", range(1, 25))
def test_a_loan_that_costs_nothing_has_no_price_whatever_doubles_lose(method, months):
    free = PriceRules(step=STEP, lgd=0.0, funding_rate=0.0, operating_fen=0, margin=0.0)
    assert [price(free, product(method), pd, 50_000, months) for pd in (0.0, 0.1, 0.5)] == [Decimal("0.0000")] * 3
