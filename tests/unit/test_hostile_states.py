"""Bytes that are no state, whatever their checksum says, are refused by name; the log is there to make another."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanxing.indicators import questions, windows
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.plan import plan_of
from fanxing.indicators.state import state_of
from fanxing.payments import PaymentKind, RecordedPayment
from fanxing_core import _windows

ZONE, DAY_US = "Asia/Shanghai", 86_400_000_000
NOW_US, TODAY = 20_000 * DAY_US, 20_000
CATALOGUE = tuple(questions.questions())
SOME = plan_of(CATALOGUE[::41])
HEADER = 64
ROWS, PAYERS, RUNS, LARGE, RETURNED, BALANCES, FIRST_DAY, WIDTH = range(32, 64, 4)
"""Where the header has its counts."""


def made(payments):
    log = [
        RecordedPayment(merchant_id="m", payment_id=str(seq), content_hash="", merchant_seq=seq, known_us=0, **payment)
        for seq, payment in enumerate(payments, 1)
    ]
    return state_of(fold(EMPTY, log), "", ZONE, NOW_US, b"")


def receipt(fen, age_days, payer="ann", balance=None):
    told = {"amount_fen": fen, "occurred_us": NOW_US - age_days * DAY_US - 1, "kind": PaymentKind.RECEIPT}
    return told | {"payer_token": payer, "balance_after_fen": balance}


STATE = made([receipt(300 + age, age, f"p{age % 3}", balance=age) for age in range(6)] + [receipt(1 << 40, 1)])


def again(state, at, form, value):
    """The state with a value put there, and its checksum made right."""
    content = bytearray(state)
    struct.pack_into(form, content, at, value)
    struct.pack_into("<Q", content, 8, _windows.checksum(bytes(content[16:])))
    return bytes(content)


def test_the_state_itself_is_answered():
    assert np.isfinite(SOME.answer(STATE, TODAY)).any()


@pytest.mark.parametrize("size", [0, 7, 16, HEADER - 1, HEADER, len(STATE) - 8, len(STATE) - 1])
def test_a_state_that_is_cut_off(size):
    with pytest.raises(_windows.StateError):
        SOME.answer(STATE[:size], TODAY)


def test_any_bit_that_is_turned():
    for bit in range(8 * len(STATE)):
        content = bytearray(STATE)
        content[bit // 8] ^= 1 << bit % 8
        with pytest.raises(_windows.StateError):
            SOME.answer(bytes(content), TODAY)


@pytest.mark.parametrize(
    ("at", "form", "value", "why"),
    [
        (0, "<8s", b"FXSTATE\x02", "no state of version 1"),
        (WIDTH, "<I", 3, "payers of a strange width"),
        (ROWS, "<I", 9, "another length"),
        (PAYERS, "<I", 2**32 - 1, "another length"),
        (FIRST_DAY, "<i", -(2**31), "before all time"),
        (FIRST_DAY, "<i", TODAY + 9, "do not fit its rows"),
        (HEADER, "<I", 24 * 3600, "an hour that no day has"),
        (HEADER + 56, "<H", 4, "a payer that it has not"),
        (HEADER + 56 + 16 + 2, "<H", 9, "do not fit its rows"),
        (HEADER + 56 + 16 + 2, "<H", 0, "do not fit its rows"),
    ],
)
def test_what_its_checksum_does_not_know(at, form, value, why):
    with pytest.raises(_windows.StateError, match=why):
        SOME.answer(again(STATE, at, form, value), TODAY)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(STATE) - 4), value=st.integers(0, 2**32 - 1))
def test_whatever_is_written_into_it_is_refused_or_answered_alike_by_every_machine(at, value):
    state, calendar = again(STATE, at, "<I", value), windows.calendar(TODAY)
    said = []
    for machine in range(_windows.BEST + 1):
        try:
            said.append(SOME._compiled.answer(state, calendar, machine).tobytes())
        except _windows.StateError as error:
            said.append(str(error))
    assert len(set(said)) == 1


def test_a_machine_that_the_processor_is_not():
    for machine in (-1, _windows.BEST + 1):
        with pytest.raises(ValueError, match="this processor has the machines"):
            SOME._compiled.answer(STATE, windows.calendar(TODAY), machine)


def values_of(payments, *names):
    asked = [questions.question_of(name) for name in names]
    return plan_of(asked).answer(made(payments), TODAY).tolist()


def test_more_rows_of_one_day_than_a_run_has():
    payments = [receipt(100 + number % 7, 1) for number in range(70_000)]
    names = "receipts_count_2d", "active_days_2d", "receipts_count_2d_per_active_day"
    assert values_of(payments, *names) == [70_000, 1, 70_000]


def test_values_that_need_all_limbs_and_all_digits():
    huge = (1 << 62, 1 << 61, 3, 5)
    names = "receipts_fen_7d", "receipts_max_fen_7d", "receipts_median_fen_7d", "receipts_high_fen_7d"
    expected = [float(sum(huge)), float(huge[0]), 5.0, float(huge[0])]
    assert values_of([receipt(fen, 1) for fen in huge], *names) == expected


@pytest.mark.parametrize("fen", [(1 << 20) - 1, 1 << 20, 1 << 31])
def test_many_rows_of_values_at_the_edge_of_a_limb(fen):
    state = made([receipt(fen, 1) for _ in range(5000)] + [receipt(1, 1), receipt(fen, 3)])
    names = (
        "receipts_count_3d",
        "receipts_fen_3d",
        "receipts_min_fen_3d",
        "receipts_max_fen_3d",
        "receipts_deviation_fen_3d",
    )
    plan = plan_of([questions.question_of(name) for name in names])
    expected = [5001, 5000 * fen + 1, 1, fen, np.std([fen] * 5000 + [1])]
    for machine in range(_windows.BEST + 1):
        answers = plan._compiled.answer(state, windows.calendar(TODAY), machine)
        np.testing.assert_allclose(answers, expected, rtol=1e-12)


def test_payers_shares_are_at_most_one():
    for fens in ((98_428_243, 91_524_651), (10**15 - 1,) * 30):
        payments = [receipt(fen, 0) for fen in fens]
        assert max(values_of(payments, "payer_concentration_1d", "payer_top_share_1d")) <= 1


def test_refunds_that_come_to_more_than_any_number_holds():
    refund = {"kind": PaymentKind.REFUND, "refund_of": "1", "occurred_us": NOW_US - 2, "amount_fen": 10**15}
    payments = [receipt(10**15, 0), *[refund] * 9300]
    assert values_of(payments, "receipts_count_1d", "refunds_fen_1d") == [0, 10**15]
