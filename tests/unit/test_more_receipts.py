"""Collect more, borrow more: on the path from payments to the limit one more receipt never lowers it.

PD, graph, event effects, debts and flags are frozen, as limit-and-price 18 (A) has it. Two things stand in tests of
their own: a payer on the merchant's own device, which is a flag, and receipts that are not known at all.
"""

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.told_graph import told_graph

from fanxing.facts import Debt, Fact, FactKind, Works, WorksKind
from fanxing.feeds import Watermark
from fanxing.flows.moments import local_day
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import STANDARD
from fanxing.indicators.exposure import NOTHING_DRAWN, Exposure
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.measure import measure
from fanxing.merchants import Merchant
from fanxing.payments import CodeKind, Instrument, PaymentKind, RecordedPayment
from fanxing.settings import TOWN_POLICY
from fanxing.strategies.limit import FEED_LAG_READS, READS, limit
from fanxing.strategies.policy import load_policy
from fanxing.town.world import HOUR_US, TIME_ZONE, build_town, day_us
from fanxing.training.town import graph_of, logs_of

RULES = load_policy(TOWN_POLICY).constants.limit
FINE = replace(RULES, step_fen=1)
"""To the fen, so that no step hides a loss."""
ANYONE = replace(FINE, receipts="receipts_month_fen", breadth=None)
DAY_US, TODAY = 86_400_000_000, date(2026, 9, 1)
NOW_US = (TODAY - date(1970, 1, 1)).days * DAY_US + 3 * HOUR_US
ASK = Ask(requested_fen=None, term_months=12)
VOUCHING = {f"payer-{number}": tuple(range(number % 4 + 1)) for number in range(8)}
PAYERS = ("", "owner", "stranger", *VOUCHING)
READ = READS | FEED_LAG_READS | {"sustainable_receipts_fen", "receipts_month_fen", "clean_receipts_30d_fen"}
TRADE_CAPS = {"breadth", "capacity", "turnover"}


def shop(days_open):
    return Merchant(
        merchant_id="shop",
        name="",
        category="buns",
        opened_on=TODAY - timedelta(days=days_open),
        code_activated_on=None,
        place="",
        frontage=1.0,
        controller_token="owner",
        licence_token="",
        payout_account_token="",
        phone_token="",
        device_token="till",
        time_zone=TIME_ZONE,
    )


def fact(kind, **told):
    common = {
        "merchant_id": "shop",
        "valid_from": date(2026, 8, 1),
        "valid_to": None,
        "source": "",
        "none_found": False,
    }
    parts = {"works": None, "debt": None, "link": None} | told
    return Fact(fact_id=kind, kind=kind, supersedes="", fact_seq=1, known_us=0, **common, **parts)


REPORT = fact(FactKind.CREDIT_REPORT)
DEBT = fact(FactKind.DEBT, debt=Debt(balance_fen=90_000, monthly_service_fen=700, matures_on=date(2027, 6, 1)))
METRO = fact(FactKind.WORKS, works=Works(kind=WorksKind.METRO))
FACTS = st.sampled_from([(), (REPORT,), (REPORT, DEBT), (REPORT, METRO), (DEBT, METRO, REPORT)])
EXPOSURES = st.builds(
    Exposure,
    lines_open=st.just(0),
    outstanding_fen=st.just(0),
    group_outstanding_fen=st.sampled_from([0, 9_900_000]),
    previous_limit_fen=st.sampled_from([None, None, 90_000]),
    last_limit_fen=st.sampled_from([0, 90_000]),
    instalments_paid_on_time=st.integers(0, 3),
    funder_headroom_fen=st.sampled_from([None, None, 150_000]),
)
AGES_US = (
    st.sampled_from([days * DAY_US + shift for days in (0, 7, 37, 67, 97, 187) for shift in (-1, 0, 1)])
    | st.integers(7 * DAY_US, 187 * DAY_US)
    | st.integers(-DAY_US, 400 * DAY_US)
)
LAGS_US = st.sampled_from([None, None, 0, 2 * DAY_US, 2 * DAY_US + 1, 7 * DAY_US, 30 * DAY_US])
"""How far the feed is behind; None: it has never told. A channel's first receipt would bring its lag with it."""
AMOUNTS = st.sampled_from([1, 299, 300, 500, 8_000, 8_001]) | st.integers(1, 3_000_000)


def payment(name, payer, fen, age_us, **more):
    return RecordedPayment(
        merchant_id="shop",
        payment_id=name,
        payer_token=payer,
        amount_fen=fen,
        occurred_us=NOW_US - age_us,
        merchant_seq=0,
        known_us=NOW_US,
        content_hash="",
        **{"kind": PaymentKind.RECEIPT} | more,
    )


@st.composite
def receipts(draw, name, devices=("", "phone")):
    return payment(
        name,
        draw(st.sampled_from(PAYERS)),
        draw(AMOUNTS),
        draw(AGES_US),
        instrument=draw(st.sampled_from(Instrument)),
        code_kind=draw(st.sampled_from(CodeKind)),
        device_token=draw(st.sampled_from(devices)),
        payer_real_name=draw(st.booleans()),
        payer_account_age_days=draw(st.sampled_from([None, 179, 180])),
    )


@st.composite
def logs(draw):
    """Receipts, some of them over and over, some sent back, and outflows."""
    log = []
    for number in range(draw(st.integers(0, 9))):
        first = draw(receipts(f"p{number}", devices=("", "", "phone", "till")))
        count, step = draw(st.sampled_from([(1, 0), (4, 7 * DAY_US), (6, 30 * DAY_US), (10, 17 * DAY_US)]))
        log += [
            structs.replace(first, payment_id=f"p{number}-{again}", occurred_us=first.occurred_us - again * step)
            for again in range(count)
        ]
        for part in draw(st.sampled_from([(), (), (1,), (3, 3), (4,), (9,)])):
            age = NOW_US - first.occurred_us - draw(st.sampled_from([0, 14 * DAY_US, 20 * DAY_US]))
            back, target = (
                max(1, first.amount_fen * part // 8),
                {"refund_of": f"p{number}-0", "kind": PaymentKind.REFUND},
            )
            log.append(payment(f"r{len(log)}", first.payer_token, back, age, **target))
    if draw(st.booleans()):
        log.append(payment("out", "", 5_000, DAY_US, kind=PaymentKind.OUTFLOW))
    return log


@st.composite
def trades(draw):
    known = {"facts": draw(FACTS), "exposure": draw(EXPOSURES), "pd_upper": draw(st.sampled_from([0.01, 0.05, 0.079]))}
    log, lag_us = draw(logs()), draw(LAGS_US)
    in_use = any(0 <= NOW_US - each.occurred_us < 187 * DAY_US for each in log)
    told = [Watermark(channel="", complete_through_us=NOW_US - lag_us)] if in_use and lag_us is not None else []
    return known | {"shop": shop(draw(st.sampled_from([0, 66, 67, 68, 150, 400]))), "log": log, "told": told}


def measured(trade, log):
    """What the limit reads of the row."""
    numbered = [structs.replace(each, merchant_seq=seq) for seq, each in enumerate(log, 1)]
    graph = told_graph({"shop": 0}, VOUCHING)
    rest = graph, trade["exposure"], ASK, NOW_US, TIME_ZONE, trade["told"]
    row = measure(STANDARD, trade["shop"], fold(EMPTY, numbered), trade["facts"], *rest)
    return {name: value for name, value in present(row).items() if name in READ}


def present(row):
    return {name: value for name, value in zip(STANDARD, row.tolist(), strict=True) if not math.isnan(value)}


def caps_and_limit(rules, trade, values):
    caps, limit_fen = limit(rules, values, trade["pd_upper"], trade["shop"].category, 12)
    return {cap.name: cap.amount_fen for cap in caps if cap.name in TRADE_CAPS}, limit_fen


@given(trades(), receipts("more"), st.integers(0, 99))
@settings(max_examples=350, deadline=None)
def test_one_more_receipt_never_lowers_the_limit_nor_any_cap_of_the_trade(trade, more, place):
    log = trade["log"]
    place = min(place, len(log))
    before, after = measured(trade, log), measured(trade, [*log[:place], more, *log[place:]])
    for rules in (RULES, FINE, ANYONE):
        (caps, limit_fen), (more_caps, more_fen) = (caps_and_limit(rules, trade, each) for each in (before, after))
        assert more_fen >= limit_fen
        assert all(more_caps[name] >= amount for name, amount in caps.items())


@given(trades(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_payments_does_not_move_a_bit_of_what_the_limit_reads(trade, chance):
    mixed = [*trade["log"]]
    chance.shuffle(mixed)
    assert measured(trade, mixed) == measured(trade, trade["log"])


@given(trades(), st.data())
@settings(max_examples=120, deadline=None)
def test_a_payment_split_in_two_does_not_move_a_bit_of_what_the_limit_reads(trade, data):
    log = trade["log"]
    receipts = [each for each in log if each.kind is PaymentKind.RECEIPT]
    refunded = {each.refund_of for each in log if each.kind is PaymentKind.REFUND}
    assume(receipts)
    whole = data.draw(st.sampled_from([each for each in receipts if each.payment_id in refunded] or receipts))
    back = sum(each.amount_fen for each in log if each.refund_of == whole.payment_id)
    assume(max(back, 1) < whole.amount_fen)
    part = data.draw(st.integers(max(back, 1), whole.amount_fen - 1) | st.just(max(back, 1)))
    parts = [
        structs.replace(whole, amount_fen=part),
        structs.replace(whole, amount_fen=whole.amount_fen - part, payment_id="rest"),
    ]
    rest = [each for each in log if each is not whole]
    assert measured(trade, [*rest, *parts]) == measured(trade, log)


@pytest.mark.parametrize(
    ("fen", "back", "part"),
    [(300, 0, 1), (500, 0, 299), (8_001, 0, 8_000), (20_000, 0, 8_000), (1_000, 500, 500), (1_000, 600, 600)],
)
def test_a_split_passes_neither_the_smallest_nor_the_largest_sum_nor_the_half_sent_back(fen, back, part):
    trade = {"facts": (), "exposure": NOTHING_DRAWN, "shop": shop(400), "told": ()}
    refund = payment("r", "payer-3", max(back, 1), 19 * DAY_US, kind=PaymentKind.REFUND, refund_of="p")
    rest = [refund] if back else []
    whole = [payment("p", "payer-3", fen, 20 * DAY_US)]
    parts = [payment("p", "payer-3", part, 20 * DAY_US), payment("q", "payer-3", fen - part, 20 * DAY_US)]
    assert measured(trade, [*parts, *rest]) == measured(trade, [*whole, *rest])


@pytest.fixture(scope="module")
def town():
    town, at_us = build_town(5, 30), day_us(100)
    town.payments[100:] = []
    logs = logs_of(town)
    return town, logs, graph_of(town, logs, local_day(at_us, TIME_ZONE)), at_us


def test_in_the_town_one_more_receipt_never_lowers_and_some_raise_the_limit(town):
    town, logs, graph, at_us = town
    tokens = sorted({each.payer_token for log in logs.values() for each in log})
    vouched = [each for each, found in zip(tokens, graph.vouching_for(tokens, frozenset()), strict=True) if found]
    rises = 0
    for number, one in enumerate(town.shops):
        merchant, log = one.merchant, logs[one.merchant.merchant_id]
        payers = vouched[number::7][:6]
        history = fold(EMPTY, log)
        before = town_limit(merchant, history, graph, at_us)
        for tried, payer in enumerate(payers):
            more = structs.replace(
                log[tried],
                payment_id="more",
                kind=PaymentKind.RECEIPT,
                refund_of="",
                payer_token=payer,
                device_token="",
                occurred_us=at_us - (number + 17 * tried) * DAY_US,
                known_us=at_us,
                merchant_seq=len(log) + 1,
            )
            after = town_limit(merchant, fold(fold(EMPTY, log), [more]), graph, at_us)
            assert after >= before
            rises += after > before
    assert rises > 20


def test_in_the_town_the_order_of_payments_does_not_move_a_bit_of_what_the_limit_reads(town):
    town, logs, graph, at_us = town
    chance = np.random.default_rng(7)
    for one in town.shops[1:20:2]:
        log = [structs.replace(each, known_us=at_us) for each in logs[one.merchant.merchant_id]]
        mixed = [structs.replace(log[old], merchant_seq=seq) for seq, old in enumerate(chance.permutation(len(log)), 1)]
        first, other = (
            measure(STANDARD, one.merchant, fold(EMPTY, each), (), graph, NOTHING_DRAWN, ASK, at_us, TIME_ZONE)
            for each in (log, mixed)
        )
        read = [STANDARD.index(name) for name in sorted(READ)]
        assert first[read].tobytes() == other[read].tobytes()


def town_limit(merchant, history, graph, at_us):
    row = measure(STANDARD, merchant, history, (), graph, NOTHING_DRAWN, ASK, at_us, TIME_ZONE)
    return limit(FINE, present(row), 0.03, merchant.category, 12)[1]


def test_a_payer_on_the_merchants_own_device_is_a_flag_and_takes_back_what_it_gave():
    """Frozen in (A): whoever pays with the till's own device is no genuine payer, and its receipts count no more."""
    trade = {"facts": (REPORT,), "exposure": NOTHING_DRAWN, "pd_upper": 0.01, "shop": shop(400), "told": ()}
    log = [payment(f"p{age}", "payer-5", 8_000, age * DAY_US) for age in range(187)]
    till = payment("till", "payer-5", 8_000, 20 * DAY_US, device_token="till")
    assert caps_and_limit(FINE, trade, measured(trade, log))[1] > 0
    assert caps_and_limit(FINE, trade, measured(trade, [*log, till]))[1] == 0


@given(trades(), receipts("more"))
@settings(max_examples=50, deadline=None)
def test_lending_on_unknown_receipts_is_the_one_rule_that_a_first_receipt_may_lower(trade, more):
    """A policy that lends a flat sum where nothing is known must expect it; the town's lends nothing then."""
    assert RULES.unknown_receipts_fen == 0
    flat = replace(FINE, unknown_receipts_fen=50_000)
    before, after = measured(trade, trade["log"]), measured(trade, [*trade["log"], more])
    if "unknown_receipts" not in {cap.name for cap in limit(flat, before, 0.01, "buns", 12)[0]}:
        assert caps_and_limit(flat, trade, after)[1] >= caps_and_limit(flat, trade, before)[1]
