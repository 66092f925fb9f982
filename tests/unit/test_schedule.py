"""A schedule is right to the fen, on the right days, for every loan."""

from datetime import date
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanxing.lending.cost_sheet import all_in_annual_rate, cost_sheet
from fanxing.lending.offer import RepaymentMethod
from fanxing.lending.schedule import due_day, schedule

EQUAL, FIRST = RepaymentMethod.EQUAL_INSTALMENT, RepaymentMethod.INTEREST_FIRST
LOANS = st.fixed_dictionaries(
    {
        "principal_fen": st.integers(1, 10**13),
        "annual_rate": st.integers(0, 9999).map(lambda basis_points: Decimal(basis_points) / 10_000),
        "months": st.integers(1, 120),
        "method": st.sampled_from(RepaymentMethod),
        "from_day": st.dates(date(1990, 1, 1), date(2090, 12, 31)),
    }
)


@given(LOANS)
def test_no_fen_is_lost_and_nothing_goes_below_zero(loan):
    due = schedule(**loan)
    assert [each.number for each in due] == list(range(1, loan["months"] + 1))
    balance = loan["principal_fen"]
    for each in due:
        assert each.interest_fen >= 0
        assert each.principal_fen >= 0
        balance -= each.principal_fen
        assert balance >= 0
    assert balance == 0


@given(LOANS)
def test_interest_is_a_twelfth_of_the_rate_on_the_balance_each_month(loan):
    balance = loan["principal_fen"]
    for each in schedule(**loan):
        with localcontext(prec=60):
            exact = balance * loan["annual_rate"] / 12
            assert abs(each.interest_fen - exact) <= Decimal("0.5")
        balance -= each.principal_fen


@given(LOANS)
def test_instalments_are_equal_but_for_rounding(loan):
    *before, last = schedule(**{**loan, "method": EQUAL})
    totals = {each.principal_fen + each.interest_fen for each in before if each.principal_fen}
    if loan["principal_fen"] >= 10**6 and before:
        assert len(totals) == 1
        # Half a fen of rounding a month, and the interest on it, is what the last instalment may differ by.
        growth = (1 + float(loan["annual_rate"]) / 12) ** loan["months"]
        assert abs(last.principal_fen + last.interest_fen - totals.pop()) <= loan["months"] * growth + 1


@given(LOANS)
def test_interest_first_repays_at_the_end(loan):
    *before, last = schedule(**{**loan, "method": FIRST})
    assert last.principal_fen == loan["principal_fen"]
    assert not any(each.principal_fen for each in before)


def test_a_loan_reckoned_by_hand():
    due = schedule(10_000_00, Decimal("0.12"), 3, EQUAL, date(2026, 1, 15))
    # 10,000 x 0.01 / (1 - 1.01^-3) = 3,400.22; interest 100.00, then 1 % of 6,699.78, then 1 % of 3,366.56.
    assert [(each.principal_fen, each.interest_fen) for each in due] == [
        (3300_22, 100_00),
        (3333_22, 67_00),
        (3366_56, 33_67),
    ]


@given(LOANS)
def test_due_days_rise_by_calendar_month_and_keep_the_day(loan):
    start = loan["from_day"]
    before = start
    for each in schedule(**loan):
        day = each.due_on
        assert before < day
        assert (day.year * 12 + day.month) - (before.year * 12 + before.month) == 1
        assert day.day == start.day or (day.day < start.day and (day.replace(day=28) - day).days <= 0)
        before = day


@pytest.mark.parametrize(
    ("start", "months", "due"),
    [
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2027, 1, 31), 2, date(2027, 3, 31)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 12, 31), 1, date(2027, 1, 31)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 1, 1), 12, date(2027, 1, 1)),
    ],
)
def test_month_ends(start, months, due):
    assert due_day(start, months) == due


@given(LOANS, st.integers(0, 30))
def test_the_all_in_cost_agrees_with_a_bisection_of_its_own(loan, fee_percent):
    loan["principal_fen"] = max(loan["principal_fen"], 10_000)
    due = schedule(**loan)
    fees = loan["principal_fen"] * fee_percent // 100
    sheet = cost_sheet(loan["principal_fen"], due, fees, Decimal("0.24"))
    received = loan["principal_fen"] - fees
    assert sheet.interest_fen == sum(each.principal_fen + each.interest_fen for each in due) - loan["principal_fen"]
    if sheet.all_in_annual_rate < 100:
        assert float(sheet.all_in_annual_rate) == pytest.approx(_bisected(received, due), rel=2e-6, abs=6e-7)


def _bisected(received, due):
    """The annual rate at which what is paid is worth what was received, by halving."""
    low, high = -1e-6, 1000.0
    for _ in range(200):
        middle = (low + high) / 2
        worth = sum((each.principal_fen + each.interest_fen) * (1 + middle) ** (-each.number / 12) for each in due)
        low, high = (middle, high) if worth > received else (low, middle)
    return low


def test_all_in_cost_of_known_loans():
    year = schedule(10_000_000_00, Decimal("0.12"), 12, EQUAL, date(2026, 2, 28))
    assert all_in_annual_rate(10_000_000_00, year) == Decimal("0.126825")  # 1.01^12 - 1
    free = schedule(10_000_00, Decimal(0), 12, EQUAL, date(2026, 2, 28))
    assert str(all_in_annual_rate(10_000_00, free)) == "0.000000"
