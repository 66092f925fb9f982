"""Lateness, class and NPL are derived from the schedule and what was paid, as the mission defines them."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanxing.lending.offer import RepaymentMethod
from fanxing.lending.schedule import schedule
from fanxing.portfolio.ageing import days_past_due, due_fen
from fanxing.portfolio.five_tier import Exposed, FiveTier, Thresholds, classify, npl_ratio

DUE = schedule(3_000_00, Decimal("0.12"), 3, RepaymentMethod.EQUAL_INSTALMENT, date(2026, 1, 31))
FIRST_FEN = DUE[0].principal_fen + DUE[0].interest_fen


@pytest.mark.parametrize(
    ("paid_fen", "day", "late"),
    [
        (0, date(2026, 2, 28), 0),
        (0, date(2026, 3, 1), 1),
        (FIRST_FEN - 1, date(2026, 3, 10), 10),
        (FIRST_FEN, date(2026, 3, 31), 0),
        (FIRST_FEN, date(2026, 4, 1), 1),
        (10**9, date(2030, 1, 1), 0),
    ],
)
def test_days_past_due_count_from_the_oldest_unpaid_instalment(paid_fen, day, late):
    assert days_past_due(DUE, paid_fen, day) == late


@given(st.integers(0, 4_000_00), st.integers(0, 900))
def test_late_exactly_when_less_was_paid_than_was_due_before(paid_fen, days):
    day = date(2026, 1, 31) + timedelta(days=days)
    owed_fen = due_fen(DUE, day - timedelta(days=1))
    assert (days_past_due(DUE, paid_fen, day) > 0) == (paid_fen < owed_fen)
    assert days_past_due(DUE, paid_fen + 1, day) <= days_past_due(DUE, paid_fen, day)


@pytest.mark.parametrize(
    ("days", "tier"),
    [
        (0, FiveTier.NORMAL),
        (1, FiveTier.SPECIAL_MENTION),
        (90, FiveTier.SPECIAL_MENTION),
        (91, FiveTier.SUBSTANDARD),
        (270, FiveTier.SUBSTANDARD),
        (271, FiveTier.DOUBTFUL),
        (360, FiveTier.DOUBTFUL),
        (361, FiveTier.LOSS),
    ],
)
def test_the_classes_begin_where_the_rules_say(days, tier):
    assert classify(days, Thresholds()) is tier


def test_other_thresholds_move_the_classes():
    strict = Thresholds(special_mention_days=5, substandard_days=60, doubtful_days=180, loss_days=300)
    tiers = [classify(days, strict) for days in (5, 6, 61, 181, 301)]
    assert tiers == list(FiveTier)


def test_npl_is_by_amount_and_adds_back_what_was_written_off():
    loans = [Exposed(outstanding_fen=900, days_past_due=90), Exposed(outstanding_fen=100, days_past_due=91)]
    assert npl_ratio(loans, Thresholds()) == Decimal("0.1")
    assert npl_ratio(loans, Thresholds(), written_off_fen=1000) == Decimal("0.55")
    assert npl_ratio([], Thresholds()) is None
