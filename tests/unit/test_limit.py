"""The limit: the worked examples of the design, and what must hold whatever the numbers are."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanxing.settings import TOWN_POLICY
from fanxing.strategies.limit import limit
from fanxing.strategies.policy import load_policy
from fanxing.strategies.price import price

POLICY = load_policy(TOWN_POLICY)
RULES = POLICY.constants.limit
TRADE = {"days_since_last_payment": 0.0, "credit_report_asked": 1.0}


def yuan(pd_upper, category="buns", months=12, **values):
    return limit(RULES, TRADE | values, pd_upper, category, months)[1] // 100


def binding(pd_upper, **values):
    return next(cap.name for cap in limit(RULES, TRADE | values, pd_upper, "buns", 12)[0] if cap.binds)


def test_the_canteen_of_four_months():
    assert yuan(0.03, months_of_trade=4.0, evidence_b=400.0, sustainable_receipts_fen=3_000_000.0) == 26_400


def test_the_bun_shop_and_its_twin_before_the_works():
    """S 36,000 yuan, six months, PD 2 %, breadth enough that capacity binds; works half the term, frontage 1."""
    trade = {"months_of_trade": 6.0, "evidence_b": 800.0, "sustainable_receipts_fen": 3_600_000.0}
    assert yuan(0.02, **trade) == 47_500
    assert yuan(0.02, **trade, works_metro_exposure=0.5) == 42_800


@pytest.mark.parametrize(
    ("values", "pd_upper", "name"),
    [
        ({"evidence_b": 10.0}, 0.02, "breadth"),
        ({"evidence_b": 5000.0, "sustainable_receipts_fen": 1e6}, 0.02, "capacity"),
        ({}, 0.08, "risk"),
        ({"days_since_last_payment": 7.1}, 0.02, "unknown_receipts"),
        ({"credit_report_asked": 0.0}, 0.02, "credit_report_not_asked"),
        ({"months_of_trade": 1.9}, 0.02, "new_trade"),
        ({"previous_limit_fen": 100_000.0}, 0.02, "step_up"),
        ({"requested_amount_fen": 60_000.0}, 0.02, "requested"),
        ({"group_outstanding_fen": 9_950_000.0}, 0.02, "group"),
        ({"funder_headroom_fen": 70_000.0}, 0.02, "funder"),
        ({"debt_outside_fen": 39_900_000.0}, 0.02, "turnover"),
    ],
)
def test_the_cap_that_binds_is_named(values, pd_upper, name):
    rich = {"months_of_trade": 12.0, "evidence_b": 5000.0, "sustainable_receipts_fen": 1e7}
    assert binding(pd_upper, **(rich | values)) == name


AMOUNTS, SHARES = st.floats(0, 1e9), st.floats(0, 1)
CASES = st.fixed_dictionaries(
    {
        "evidence_b": st.floats(0, 1e4),
        "months_of_trade": st.floats(0, 48),
        "sustainable_receipts_fen": AMOUNTS,
        "works_metro_exposure": SHARES,
        "works_pipes_exposure": SHARES,
        "debt_service_monthly_fen": AMOUNTS,
        "debt_outside_fen": AMOUNTS,
    }
)
UP = ("evidence_b", "months_of_trade", "sustainable_receipts_fen")
NAMES = (*UP, "works_metro_exposure", "works_pipes_exposure", "debt_service_monthly_fen", "debt_outside_fen")


@given(CASES, st.floats(0, 0.2), st.sampled_from(NAMES), st.floats(1e-9, 1e8))
def test_more_trade_never_lowers_it_and_more_debt_or_works_never_raise_it(case, pd_upper, name, more):
    before, after = yuan(pd_upper, **case), yuan(pd_upper, **(case | {name: case[name] + more}))
    if name.startswith("works"):
        after = yuan(pd_upper, **(case | {name: min(1.0, case[name] + more)}))
    assert after >= before if name in UP else after <= before


@given(CASES, st.floats(0, 0.2), st.floats(0, 0.2))
def test_more_risk_never_raises_it(case, one, other):
    assert yuan(max(one, other), **case) <= yuan(min(one, other), **case)


@given(CASES, st.floats(0, 0.2))
def test_it_never_passes_any_cap(case, pd_upper):
    caps, limit_fen = limit(RULES, TRADE | case, pd_upper, "buns", 12)
    assert limit_fen <= max(0, min(cap.amount_fen for cap in caps))
    assert limit_fen % RULES.step_fen == 0
    assert sum(cap.binds for cap in caps) == 1


@given(st.floats(0, 0.3), st.floats(0, 0.3), st.sampled_from([3, 6, 12]))
def test_the_rate_rises_with_risk_and_is_never_clipped(one, other, months):
    low, high = (price(POLICY.constants.price, POLICY.product, pd, 1_000_000, months) for pd in sorted((one, other)))
    assert high is None or (low is not None and low <= high)
    assert high is None or (1 + high / 12) ** 12 - 1 <= Decimal("0.24")
