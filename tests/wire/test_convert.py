"""Money and times cross the wire exactly, or are refused by name."""

from datetime import date

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st

from fanxing.errors import AmountOutOfRange, CurrencyMismatch, InvalidRequest
from fanxing.money import FEN_MAX
from fanxing.wire import convert


@given(st.integers(-FEN_MAX, FEN_MAX))
def test_money_there_and_back(amount):
    assert convert.fen(convert.money(amount, "CNY"), "CNY", "amount", signed=amount <= 0) == amount


@pytest.mark.parametrize(
    "money",
    [
        Money(currency_code="CNY", units=0),
        Money(currency_code="CNY", units=-1),
        Money(currency_code="CNY", units=1, nanos=1),
        Money(currency_code="CNY", units=1, nanos=-10_000_000),
        Money(currency_code="CNY", units=1, nanos=1_000_000_000),
        Money(currency_code="CNY", units=2**63 - 1),
    ],
)
def test_zero_negative_crooked_and_absurd_amounts_are_refused(money):
    with pytest.raises(AmountOutOfRange) as caught:
        convert.fen(money, "CNY", "payments[3].amount")
    assert caught.value.field == "payments[3].amount"


def test_another_currency_is_refused_by_name():
    with pytest.raises(CurrencyMismatch) as caught:
        convert.fen(Money(currency_code="USD", units=1), "CNY", "amount")
    assert caught.value.metadata == {"expected": "CNY", "got": "USD"}


@given(st.integers(0, 250_246_627_199_999_999))
def test_moments_there_and_back(at_us):
    assert (
        convert.micros(convert.timestamp(at_us), "at") == convert.micros_of_end(convert.timestamp(at_us), "") == at_us
    )


@pytest.mark.parametrize("moment", [Timestamp(seconds=-1), Timestamp(seconds=2**62), Timestamp(nanos=-1)])
def test_moments_outside_the_calendar_are_refused(moment):
    for asked in (convert.micros, convert.micros_of_end):
        with pytest.raises(InvalidRequest):
            asked(moment, "occurred_at")


def test_only_what_ends_may_end_with_the_calendar():
    last_us = 253_402_300_799_999_999
    assert convert.micros_of_end(convert.timestamp(last_us), "expires_at") == last_us
    with pytest.raises(InvalidRequest):
        convert.micros_of_end(convert.timestamp(last_us + 1), "expires_at")
    with pytest.raises(InvalidRequest, match="1970 and 9899"):
        convert.micros(Timestamp(seconds=250_246_627_200), "occurred_at")


@given(st.dates(min_value=date(1, 1, 1)))
def test_days_there_and_back(day):
    assert convert.day(convert.date_message(day), "day") == day


@pytest.mark.parametrize(
    "day", [Date(), Date(year=2026), Date(year=2026, month=2, day=30), Date(year=-1, month=1, day=1)]
)
def test_days_that_do_not_exist_are_refused(day):
    with pytest.raises(InvalidRequest):
        convert.day(day, "opened_on")
