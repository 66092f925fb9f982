"""Applications, lines and loans take the steps of the brief and no other: every pair is tried."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanxing.errors import ApplicationStateWrong, LimitExceeded, LineStateWrong
from fanxing.lending import application, loan
from fanxing.lending.application import Application, ApplicationState
from fanxing.lending.line import CreditLine, LineState
from fanxing.lending.loan import Loan, LoanState
from fanxing.lending.offer import RepaymentMethod

APPLICATION_STEPS = """
    RECEIVED SCORED, RECEIVED CANCELLED, SCORED DECLINED, SCORED REFERRED, SCORED APPROVED, REFERRED APPROVED,
    REFERRED DECLINED, REFERRED CANCELLED, DECLINED REFERRED, APPROVED ACCEPTED, APPROVED REFERRED,
    APPROVED CANCELLED, APPROVED EXPIRED
"""
LOAN_STEPS = """
    PENDING ACTIVE, PENDING VOIDED, ACTIVE SETTLED, ACTIVE WRITTEN_OFF, ACTIVE RETURNED, WRITTEN_OFF RECOVERED
"""


def pairs(text):
    return {tuple(step.split()) for step in text.split(",")}


def an_application(state):
    return Application(
        application_id="a",
        merchant_id="m",
        state=state,
        purpose="stock",
        requested_fen=None,
        requested_term_months=0,
        consents=(),
        session_started_us=None,
        decision_id="",
        offer=None,
        line_id="",
        created_us=1,
        changed_us=1,
    )


def a_loan(state):
    return Loan(
        loan_id="l",
        line_id="c",
        merchant_id="m",
        state=state,
        principal_fen=1,
        annual_rate=Decimal("0.1"),
        schedule=(),
        transfer_id="t",
        rail_detail="",
        created_us=1,
        changed_us=1,
    )


def a_line(state=LineState.ACTIVE, limit_fen=100):
    return CreditLine(
        line_id="c",
        merchant_id="m",
        application_id="a",
        state=state,
        limit_fen=limit_fen,
        reserved_fen=0,
        drawn_fen=0,
        annual_rate=Decimal("0.1"),
        term_months=6,
        repayment_method=RepaymentMethod.EQUAL_INSTALMENT,
        created_us=1,
    )


@pytest.mark.parametrize(("before", "after"), list(product(ApplicationState, repeat=2)))
def test_every_pair_of_application_states(before, after):
    if (before, after) in pairs(APPLICATION_STEPS):
        stepped = an_application(before).step(after, 9, line_id="c")
        assert (stepped.state, stepped.changed_us, stepped.version, stepped.line_id) == (after, 9, 2, "c")
    else:
        with pytest.raises(ApplicationStateWrong) as wrong:
            an_application(before).step(after, 9)
        assert wrong.value.metadata["state"] == before


@pytest.mark.parametrize(("before", "after"), list(product(LoanState, repeat=2)))
def test_every_pair_of_loan_states(before, after):
    if (before, after) in pairs(LOAN_STEPS):
        stepped = a_loan(before).step(after, 9, "said")
        assert (stepped.state, stepped.changed_us, stepped.version, stepped.rail_detail) == (after, 9, 2, "said")
    else:
        with pytest.raises(AssertionError):
            a_loan(before).step(after, 9)


def test_every_state_has_its_row():
    assert set(application.STEPS) == set(ApplicationState)
    assert set(loan.STEPS) == set(LoanState)


@pytest.mark.parametrize("state", [state for state in LineState if state is not LineState.ACTIVE])
def test_only_an_active_line_is_drawn_on(state):
    with pytest.raises(LineStateWrong):
        a_line(state).reserve(1)


@given(st.integers(1, 200), st.lists(st.tuples(st.integers(1, 120), st.sampled_from(["draw", "release", "back"]))))
def test_a_line_never_gives_more_than_its_limit_and_loses_nothing(limit_fen, drawings):
    line, drawn = a_line(limit_fen=limit_fen), 0
    for amount_fen, end in drawings:
        if amount_fen > limit_fen - drawn:
            with pytest.raises(LimitExceeded) as exceeded:
                line.reserve(amount_fen)
            assert exceeded.value.metadata == {"available": str(limit_fen - drawn)}
            continue
        reserved = line.reserve(amount_fen)
        assert reserved.available_fen == line.available_fen - amount_fen
        line = reserved.release(amount_fen) if end == "release" else reserved.draw(amount_fen)
        if end == "back":
            line = line.give_back(amount_fen)
        drawn += amount_fen if end == "draw" else 0
        assert (line.reserved_fen, line.drawn_fen, line.available_fen) == (0, drawn, limit_fen - drawn)


def test_each_change_of_a_line_is_a_version():
    line = a_line()
    versions = [line.version, line.reserve(5).version, line.reserve(5).draw(5).version]
    versions += [line.reserve(5).release(5).version, line.reserve(5).draw(5).give_back(5).version]
    assert versions == [1, 2, 3, 3, 4]


def test_more_than_was_reserved_is_never_drawn_or_released():
    line = replace(a_line(), reserved_fen=5, drawn_fen=5)
    for step in (line.draw, line.release, line.give_back):
        with pytest.raises(AssertionError):
            step(6)
