"""The feed of size M tells as channels do: late, twice, after an outage, by a slow clock; refunds days later."""

from datetime import date

import numpy as np
import pytest
from protovalidate import validate
from tests.tiny_town import TINY, Files

from fanxing import play
from fanxing.facts import Debt, Fact, FactKind, Link, Works, WorksKind
from fanxing.merchants import Merchant
from fanxing.payments import CodeKind, Instrument, Payment, PaymentKind
from fanxing.town.medium.delivery import LATE_DAYS_MAX, OUTAGE_DAYS, SLOW_CLOCK_DAYS
from fanxing.town.medium.size import FIRST_DAY
from fanxing.town.medium.write import write_medium
from fanxing.town.world import DAY_US, HOUR_US, Shop

pytestmark = pytest.mark.xdist_group("town_files")
FIRST_US = ((FIRST_DAY - date(1970, 1, 1)).days * 24 - 8) * HOUR_US
END_US = FIRST_US + TINY.days * DAY_US


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    out = tmp_path_factory.mktemp("faults") / "town"
    write_medium(8, TINY, out)
    return Files(out)


@pytest.fixture(scope="module")
def payments(town):
    return town.payments


def test_a_merchants_payments_stand_in_the_order_of_becoming_known(payments):
    same = payments["merchant_id"][1:] == payments["merchant_id"][:-1]
    assert (np.diff(payments["known_us"])[same] >= 0).all()
    assert (~same).sum() == TINY.merchants - 1


def test_nothing_is_known_before_it_happened_nor_after_the_end(payments):
    assert (payments["known_us"] > payments["occurred_us"]).all()
    assert (payments["known_us"] < END_US).all()
    assert (payments["amount_fen"] > 0).all()


def test_some_come_late(payments):
    delay = payments["known_us"] - payments["occurred_us"]
    outage = FIRST_US + TINY.outage_day * DAY_US
    apart = (payments["occurred_us"] < outage - 5 * DAY_US) & (payments["channel"] == "qr")
    late = delay[apart] > DAY_US
    assert 0.005 < late.mean() < 0.025
    days = set(delay[apart][late] // DAY_US)
    assert set(range(1, LATE_DAYS_MAX + 1)) <= days <= set(range(1, LATE_DAYS_MAX + 2))


def test_some_come_twice_a_day_apart_with_the_same_contents(town, payments):
    names = zip(payments["merchant_id"], payments["payment_id"], strict=True)
    first, twice = {}, 0
    columns = [name for name in payments if name not in {"known_us", "fake"}]
    for place, name in enumerate(names):
        if name in first:
            twice += 1
            assert payments["known_us"][place] - payments["known_us"][first[name]] == DAY_US
            assert all(str(payments[column][place]) == str(payments[column][first[name]]) for column in columns)
        first.setdefault(name, place)
    assert 0.0025 < twice / len(first) < 0.01


def test_none_is_lost_but_in_the_last_days(town):
    for merchant_id in list(town.merchants)[:20]:
        own = town.of(merchant_id)
        numbers = np.sort([int(name[1:]) for name in own["payment_id"]])
        early = own["occurred_us"] < END_US - (LATE_DAYS_MAX + 1) * DAY_US
        count = early.sum()
        assert (numbers[:count] == np.arange(count)).all()


def test_an_outage_is_silent_for_three_days_and_then_tells_all(payments):
    start = FIRST_US + TINY.outage_day * DAY_US
    end = start + OUTAGE_DAYS * DAY_US
    code = payments["channel"] == "qr"
    known, occurred = payments["known_us"], payments["occurred_us"]
    again = known - occurred >= DAY_US
    assert not (code & (known >= start) & (known < end) & ~again).any()
    happened = code & (occurred >= start) & (occurred < end)
    assert happened.sum() > 500
    assert (known[happened] >= end).all()
    assert (known[happened] < end + 2 * HOUR_US).mean() > 0.9


def test_a_slow_clock_tells_an_hour_ago_for_a_month(town):
    slow = {name: row["slow_clock_from"] for name, row in town.true.items() if row["slow_clock_from"]}
    assert slow
    for merchant_id, since in slow.items():
        own = town.of(merchant_id, kind="RECEIPT")
        delay = own["known_us"] - own["occurred_us"]
        first = FIRST_US + (since - FIRST_DAY).days * DAY_US
        inside = (own["occurred_us"] >= first) & (own["occurred_us"] < first + (SLOW_CLOCK_DAYS - 1) * DAY_US)
        assert (delay[inside] > HOUR_US).all()
        before = own["occurred_us"] < first - HOUR_US
        assert not before.any() or (delay[before] < HOUR_US).mean() > 0.8


def test_refunds_send_back_a_receipt_days_later_whole_or_in_part(town):
    found = parts = receipts = 0
    for merchant_id in town.merchants:
        own = town.of(merchant_id)
        places = {name: place for place, name in enumerate(own["payment_id"])}
        receipts += (own["kind"] == "RECEIPT").sum()
        for place in np.flatnonzero(own["kind"] == "REFUND"):
            receipt = places.get(own["refund_of"][place])
            if receipt is None:
                continue
            found += 1
            parts += own["amount_fen"][place] < own["amount_fen"][receipt]
            assert own["kind"][receipt] == "RECEIPT"
            assert own["payer_token"][receipt] == own["payer_token"][place]
            assert 0 < own["amount_fen"][place] <= own["amount_fen"][receipt]
            days = (own["occurred_us"][place] - own["occurred_us"][receipt]) / DAY_US
            assert 0.9 < days <= 12.1
        assert (own["refund_of"][own["kind"] != "REFUND"] == "").all()
    assert 0.002 < found / receipts < 0.006
    assert 0.1 < parts / found < 0.35


def test_the_balance_follows_what_happened(town):
    for merchant_id in list(town.merchants)[:10]:
        own = town.of(merchant_id)
        order = np.argsort([int(name[1:]) for name in own["payment_id"]])
        signed = np.where(own["kind"] == "RECEIPT", own["amount_fen"], -own["amount_fen"])[order]
        numbers = np.array([int(name[1:]) for name in own["payment_id"]])[order]
        follows = np.flatnonzero(np.diff(numbers) == 1)
        assert (np.diff(own["balance_after_fen"][order])[follows] == signed[1:][follows]).all()


def test_the_contract_takes_what_the_feeds_tell(town, payments):
    """Every merchant and fact, and some hundred payments, pass the rules of the contract's fields."""
    some = [
        {name: column[place] for name, column in payments.items()} for place in range(0, len(payments["kind"]), 977)
    ]
    for row in some:
        enums = {"kind": PaymentKind(row["kind"]), "instrument": Instrument(row["instrument"])}
        known = {"payer_real_name": row["payer_real_name"], "balance_after_fen": int(row["balance_after_fen"])}
        age = row["payer_account_age_days"]
        known |= {"payer_account_age_days": None if np.isnan(age) else int(age), "amount_fen": int(row["amount_fen"])}
        known |= {"occurred_us": int(row["occurred_us"]), "code_kind": CodeKind(row["code_kind"])}
        told = {name: row[name] for name in Payment.__struct_fields__} | enums | known
        validate(play._payment(Payment(**told)))
    for row in town.merchants.values():
        validate(play._merchant(Shop(Merchant(**row), "", 0, 0.0)))
    for row in town.facts:
        validate(play._fact(fact_of(row)))


def fact_of(row):
    debt = {name.removeprefix("debt_"): value for name, value in row.items() if name.startswith("debt_")}
    names = ("fact_id", "merchant_id", "valid_from", "valid_to", "source", "none_found", "supersedes", "known_us")
    return Fact(
        **{name: row[name] for name in names},
        kind=FactKind(row["kind"]),
        works=Works(kind=WorksKind(row["works_kind"])) if row["works_kind"] else None,
        debt=Debt(**debt) if debt["balance_fen"] else None,
        link=Link(merchant_id=row["link_merchant_id"], relation=row["link_relation"]) if row["link_relation"] else None,
        fact_seq=0,
    )
