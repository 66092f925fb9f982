"""The simulated town is one world a seed, keeps its truth to itself, and reports as channels do: late and twice."""

import re
from collections import Counter, defaultdict
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from msgspec import structs

from fanxing.facts import FactKind
from fanxing.payments import PaymentKind
from fanxing.play import play
from fanxing.town.feed import LATE_DAYS_MAX, feed
from fanxing.town.world import DAY_US, DAYS, HOUR_US, build_town, day_us
from fanxing.v1 import lending_service_pb2, payment_service_pb2

SEED, MERCHANTS = 5, 40
TOKENS = {"controller_token", "licence_token", "payout_account_token", "phone_token", "device_token"}


@pytest.fixture(scope="module")
def town():
    return build_town(SEED, MERCHANTS)


@pytest.fixture(scope="module")
def told(town):
    """What the channels report, by day."""
    return [feed(town, day) for day in range(DAYS)]


class Ear:
    """Stands for a service that declines everyone, and keeps every message that it was sent."""

    def __init__(self):
        self.heard = []
        self.merchants = SimpleNamespace(RegisterMerchant=self.hear, RecordFact=self.hear)
        self.payments = SimpleNamespace(RecordPaymentBatch=self.record)
        self.lending = SimpleNamespace(
            Score=lambda request: self.hear(request, lending_service_pb2.ScoreResponse()),
            Apply=lambda request: self.hear(request, lending_service_pb2.ApplyResponse()),
        )

    def hear(self, request, answer=None):
        if hasattr(request, "request_id"):
            request.request_id = ""
        self.heard.append((type(request).__name__, request.SerializeToString(deterministic=True)))
        return answer

    def record(self, request):
        return self.hear(request, payment_service_pb2.RecordPaymentBatchResponse(accepted=len(request.payments)))


def heard(town):
    ear = Ear()
    play(town, ear, lambda _: None)
    return ear.heard


def test_a_seed_is_a_world_and_another_seed_another(town):
    again, other = build_town(SEED, MERCHANTS), build_town(SEED + 1, MERCHANTS)
    assert again == town
    assert [feed(again, day) for day in (0, 60, DAYS - 1)] == [feed(town, day) for day in (0, 60, DAYS - 1)]
    assert other.payments != town.payments
    assert [shop.default_probability for shop in other.shops] != [shop.default_probability for shop in town.shops]


def test_everyone_is_there(town):
    kinds = Counter(shop.kind for shop in town.shops)
    assert kinds == {"honest": MERCHANTS - 12, "twin": 2, "self": 4, "ring": 6}
    assert len({shop.merchant.merchant_id for shop in town.shops}) == MERCHANTS


def test_the_engine_hears_the_same_whatever_the_truth_is(town):
    """The truth is turned over; not a byte that is sent may change."""
    lie = replace(town, seed=0, twins=(), shops=[
        replace(shop, kind="", genuine_payers=-1, default_probability=1.0) for shop in town.shops
    ])  # fmt: skip
    sent = heard(town)
    assert heard(lie) == sent
    assert Counter(name for name, _ in sent) > Counter(
        RegisterMerchantRequest=MERCHANTS, ScoreRequest=MERCHANTS, ApplyRequest=MERCHANTS, RecordPaymentBatchRequest=1
    )


def test_no_word_tells_who_cheats(town):
    words = re.compile(rb"ring|self|twin|honest|fake|bought|relative|cheat|genuine|fraud|default", re.IGNORECASE)
    sent = heard(town)
    assert not [name for name, message in sent if words.search(message)]
    assert words.search(b"bought-7")


def test_tokens_of_cheats_look_like_everyones(town):
    shapes = {True: set(), False: set()}
    cheats = {shop.merchant.merchant_id for shop in town.shops if shop.kind in {"self", "ring"}}
    for day in town.payments:
        for payment in day:
            tokens = (payment.payment_id, payment.payer_token)
            shapes[payment.merchant_id in cheats] |= {re.sub(r"\d+", "9", token) for token in tokens}
    assert shapes[True] - {"owner-9"} < shapes[False]


def seen_payers(town):
    payers = defaultdict(set)
    for day in town.payments:
        for payment in day:
            if payment.payer_token:
                payers[payment.merchant_id].add(payment.payer_token)
    return payers


def test_the_truth_counts_people_and_none_of_a_cheats_payers(town):
    payers = seen_payers(town)
    people = set().union(*(payers[shop.merchant.merchant_id] for shop in town.shops if shop.kind == "honest"))
    for shop in town.shops:
        tokens = payers[shop.merchant.merchant_id]
        if shop.kind in {"self", "ring"}:
            assert shop.genuine_payers == 0
            assert len(tokens) > 10
            assert not tokens & people
        else:
            assert 0.9 * shop.genuine_payers < len(tokens) <= shop.genuine_payers


def test_the_ring_shares_its_payers_and_self_payers_their_device(town):
    payers = seen_payers(town)
    ring = [payers[shop.merchant.merchant_id] for shop in town.shops if shop.kind == "ring"]
    assert len(set.intersection(*ring)) > 0.9 * len(set.union(*ring))
    for shop in town.shops:
        if shop.kind == "self":
            own = [each for day in town.payments for each in day if each.merchant_id == shop.merchant.merchant_id]
            assert {each.device_token for each in own} == {shop.merchant.device_token}
            assert shop.merchant.controller_token in payers[shop.merchant.merchant_id]


def test_some_payments_come_late_some_twice_and_none_is_lost(town, told):
    happened = {id(payment): day for day, payments in enumerate(town.payments) for payment in payments}
    reported = defaultdict(list)
    for day, payments in enumerate(told):
        for payment in payments:
            reported[id(payment)].append(day)
    late = Counter(days[0] - happened[which] for which, days in reported.items())
    assert set(late) == set(range(LATE_DAYS_MAX + 1))
    assert 0.005 < sum(late[days] for days in late if days) / len(happened) < 0.02
    twice = [days for days in reported.values() if len(days) > 1]
    assert 0.0025 < len(twice) / len(happened) < 0.01
    assert all(len(days) == 2 and days[1] == days[0] + 1 for days in twice)
    unheard = [day for which, day in happened.items() if which not in reported]
    assert all(day >= DAYS - LATE_DAYS_MAX for day in unheard)


def test_nothing_is_reported_before_it_happened(told):
    for day, payments in enumerate(told):
        known_us = day_us(day + 1) - HOUR_US
        assert all(payment.occurred_us <= known_us for payment in payments)


def test_refunds_send_back_a_receipt_of_two_days_before(town):
    receipts = {
        (payment.merchant_id, payment.payment_id): payment
        for day in town.payments
        for payment in day
        if payment.kind is PaymentKind.RECEIPT
    }
    refunds = [payment for day in town.payments for payment in day if payment.kind is PaymentKind.REFUND]
    assert 0.002 < len(refunds) / len(receipts) < 0.006
    for refund in refunds:
        receipt = receipts[refund.merchant_id, refund.refund_of]
        assert refund.occurred_us - receipt.occurred_us == 2 * DAY_US
        assert (refund.amount_fen, refund.payer_token) == (receipt.amount_fen, receipt.payer_token)


def of(payments, merchant_id):
    return [structs.replace(payment, merchant_id="") for payment in payments if payment.merchant_id == merchant_id]


def test_twins_differ_only_in_the_works(town, told):
    shops = {shop.merchant.merchant_id: shop for shop in town.shops}
    assert len(town.twins) == 2
    for one, other in town.twins:
        plain, twin = asdict(shops[one].merchant), asdict(shops[other].merchant)
        assert {name for name in plain if plain[name] != twin[name]} == {"merchant_id", "name"} | TOKENS
        assert shops[one].genuine_payers == shops[other].genuine_payers
        assert shops[one].default_probability == shops[other].default_probability
        for payments in told:
            assert of(payments, one) == of(payments, other)
        facts = {name: [replace(each, merchant_id="") for each in town.facts if each.merchant_id == name]
                 for name in (one, other)}  # fmt: skip
        works = [fact for fact in facts[other] if fact.kind is FactKind.WORKS]
        assert [fact for fact in facts[other] if fact not in works] == facts[one]
        assert len(works) == 1
        assert works[0].works is not None
