"""The fast check of payments says what protovalidate says, and refuses a contract that it does not understand."""

import pytest
from google.protobuf import timestamp_pb2
from google.type import money_pb2
from hypothesis import given
from hypothesis import strategies as st

from fanxing.v1 import lending_service_pb2, merchant_service_pb2, payment_pb2, payment_service_pb2
from fanxing.wire.errors import ContractBroken
from fanxing.wire.interceptors import check
from fanxing.wire.plain_rules import keeps, scalars

KEEPS = keeps(payment_pb2.Payment.DESCRIPTOR)
SCALARS = scalars(payment_pb2.Payment.DESCRIPTOR)
GOOD = {
    "merchant_id": "m1",
    "payment_id": "p1",
    "amount": money_pb2.Money(units=1),
    "occurred_at": timestamp_pb2.Timestamp(seconds=1),
    "kind": payment_pb2.PAYMENT_KIND_RECEIPT,
}
TEXTS = ("merchant_id", "payment_id", "payer_token", "refund_of", "channel", "device_token")
ODD = ("", "a", "\n", "a\n", "\na", "a\nb", "\0", " ", "\u00b5", "\uff21", "\u0661", "~", "!", "-", "_", ".", "A\r",
       "\x7f", "\x1f", "\u2028", "a" * 32, "a" * 33, "a" * 64, "a" * 65, "Z9._:-", "^", "$", "[a]")  # fmt: skip


def agree(payment):
    try:
        check(payment)
    except ContractBroken:
        kept = False
    else:
        kept = True
    assert KEEPS(payment, SCALARS(payment)) == kept
    return kept


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("text", ODD)
def test_odd_texts(name, text):
    agree(payment_pb2.Payment(**GOOD | {name: text}))


@pytest.mark.parametrize("name", TEXTS)
def test_every_character_of_the_first_thousand_and_some(name):
    answers = {agree(payment_pb2.Payment(**GOOD | {name: chr(point)})) for point in (*range(1000), 0x3000, 0x1F35C)}
    assert answers == {True, False}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_required(name):
    assert agree(payment_pb2.Payment(**GOOD))
    assert not agree(payment_pb2.Payment(**{each: value for each, value in GOOD.items() if each != name}))


@pytest.mark.parametrize("name", ["kind", "instrument", "code_kind"])
def test_every_number_of_an_enumeration(name):
    for number in (-(2**31), -1, 0, 1, 2, 3, 4, 5, 99, 2**31 - 1):
        agree(payment_pb2.Payment(**GOOD | {name: number}))


@pytest.mark.parametrize("days", [-(2**31), -1, 0, 1, 36499, 36500, 36501, 2**31 - 1])
def test_ages(days):
    agree(payment_pb2.Payment(**GOOD, payer_account_age_days=days))


_TEXT = st.one_of(st.from_regex(r"[!-~]{0,66}", fullmatch=True), st.text(max_size=4), st.sampled_from(ODD))


@given(
    st.fixed_dictionaries(dict.fromkeys(TEXTS, _TEXT)),
    st.fixed_dictionaries({name: st.integers(-1, 5) for name in ("kind", "instrument", "code_kind")}),
    st.booleans(),
)
def test_any_payment(texts, numbers, whole):
    agree(payment_pb2.Payment(**({**GOOD} if whole else {}) | texts | numbers))


@pytest.mark.parametrize(
    "message",
    [
        merchant_service_pb2.Merchant,
        lending_service_pb2.ApplyRequest,
        payment_service_pb2.RecordPaymentsRequest,
    ],
)
def test_rules_that_are_not_plain_are_not_left_out(message):
    with pytest.raises((ValueError, KeyError)):
        keeps(message.DESCRIPTOR)
