"""Every indicator against its definition, whatever the payments are."""

import math
from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.indicator_oracle import CLUSTERS, DAY, DEVICES, KAPPA, VOUCHING, expected, instant, wall
from tests.told_graph import told_graph

from fanxing.facts import Debt, Fact, FactKind, Works, WorksKind, known_facts
from fanxing.feeds import Watermark
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import STANDARD
from fanxing.indicators.exposure import NOTHING_DRAWN, Exposure
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.measure import measure
from fanxing.merchants import Merchant
from fanxing.payments import CodeKind, Instrument, PaymentKind, RecordedPayment


def moments(zone, as_of_us):
    """Where a window, a local day or a night begins, and where the clock is changed, to the microsecond."""
    days = (0, 1, 6, 7, 8, 14, 21, 29, 30, 37, 59, 60, 67, 89, 90, 96, 97, 179, 180, 187, 364, 365)
    edges = [as_of_us - day * DAY for day in days]
    first = wall(as_of_us, zone).date()
    for day in (0, 1, 2, 22, 29, 30, 89, 90, 179, 180):
        local = first - timedelta(days=day)
        edges += [instant(zone, local.year, local.month, local.day, hour) for hour in (0, 2, 3, 6)]
    return [edge + shift for edge in edges for shift in (-1, 0, 1)]


PAYERS = ("", "ann", "bo", "chen", "di", "eve", "fan", "owner", "account")
# The clocks go back in Berlin on 25 October 2026 and forward by half an hour on Lord Howe on the 4th.
MORNINGS = {
    (zone, instant(zone, 2026, 10, 26, hour)): moments(zone, instant(zone, 2026, 10, 26, hour))
    for zone in ("Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe")
    for hour in (0, 9)
}
REPEATS = ((1, 0), (1, 0), (1, 0), (3, 6 * DAY), (3, 7 * DAY), (4, 30 * DAY), (3, 0))
AMOUNTS = st.sampled_from((1, 299, 300, 301, 2_000, 9_999, 60_000)) | st.integers(1, 10_000_000)
DELAYS = st.sampled_from((0, 0, 0, 1, 3 * DAY, 40 * DAY))
CHANNELS = ("", "qr", "bank")
BACK = st.sampled_from(((), (), (), (1,), (2,), (2,), (2,), (4,), (8,), (1, 1)))
"""Quarters of a receipt that are sent back."""


@st.composite
def logs(draw, as_of_us, edges):
    """Receipts and outflows, some many times over, some sent back, each known at some time after it happened."""
    sent, pool = [], draw(st.lists(st.sampled_from(PAYERS), min_size=1, unique=True))
    times = st.sampled_from(edges) | st.integers(as_of_us - 400 * DAY, as_of_us) | st.just(as_of_us + 1)
    for number in range(draw(st.integers(0, 14))):
        count, step = draw(st.sampled_from(REPEATS))
        at, fen, payer = draw(times), draw(AMOUNTS), draw(st.sampled_from(pool))
        payment = {
            "payer_token": payer,
            "amount_fen": fen,
            "kind": PaymentKind.OUTFLOW if draw(st.integers(0, 6)) == 0 else PaymentKind.RECEIPT,
            "device_token": draw(st.sampled_from(DEVICES)),
            "instrument": draw(st.sampled_from(Instrument)),
            "code_kind": draw(st.sampled_from(CodeKind)),
            "payer_real_name": draw(st.sampled_from((None, False, True, True))),
            "payer_account_age_days": draw(st.sampled_from((None, 179, 180, 900))),
            "balance_after_fen": draw(st.sampled_from((None, 0)) | st.integers(-10_000, 10_000_000)),
            "channel": draw(st.sampled_from(CHANNELS)),
        }
        delay = draw(DELAYS)
        sent += [(at - again * step, delay, f"p{number}-{again}", payment) for again in range(count)]
        for part in draw(BACK):
            later, delay = draw(st.sampled_from((-1, 0, 14 * DAY, 14 * DAY, 14 * DAY + 1, 40 * DAY))), draw(DELAYS)
            target = draw(st.sampled_from((f"p{number}-0", f"p{number}-0", f"p{number}-0", "p7-1", "nobody's")))
            refund = {"kind": PaymentKind.REFUND, "refund_of": target, "amount_fen": max(1, fen * part // 4)}
            sent.append((at + later, delay, f"r{number}-{len(sent)}", refund | {"payer_token": payer}))
    logged = sorted(sent, key=lambda each: each[0] + each[1])
    return [
        RecordedPayment(
            **each,
            merchant_id="shop",
            payment_id=name,
            occurred_us=at,
            known_us=at + delay,
            merchant_seq=seq,
            content_hash="",
        )
        for seq, (at, delay, name, each) in enumerate(logged, 1)
    ]


DAYS_OFF = st.sampled_from((-400, -60, -1, 0, 1, 30)) | st.integers(90, 400)
DATES = DAYS_OFF.map(lambda days: date(2026, 10, 26) + timedelta(days=days))


def fact(name, kind, first, last, **more):
    empty = {"works": None, "debt": None, "link": None, "supersedes": "", "none_found": False, "fact_seq": 1}
    common = {"merchant_id": "shop", "kind": kind, "valid_from": first, "valid_to": last, "source": "", "known_us": 0}
    return Fact(fact_id=name, **empty | common | more)


@st.composite
def told_facts(draw):
    facts = []
    for seq in range(1, draw(st.integers(0, 4)) + 1):
        kind, more = draw(st.sampled_from(FactKind)), {}
        if kind == FactKind.WORKS:
            more["works"] = Works(kind=draw(st.sampled_from(WorksKind)))
        if kind == FactKind.DEBT and draw(st.booleans()):
            more["debt"] = Debt(balance_fen=draw(AMOUNTS), monthly_service_fen=draw(AMOUNTS), matures_on=draw(DATES))
        more |= {"none_found": not more, "supersedes": draw(st.sampled_from(("", "", f"f{seq - 1}")))}
        facts.append(fact(f"f{seq}", kind, draw(DATES), draw(st.none() | DATES), **more))
    return known_facts(tuple(facts), 0)


def shop(zone, **more):
    common = {
        "merchant_id": "shop",
        "name": "",
        "category": "buns",
        "opened_on": date(2026, 1, 1),
        "code_activated_on": None,
        "place": "",
        "frontage": 1.0,
        "controller_token": "owner",
        "licence_token": "",
        "payout_account_token": "account",
        "phone_token": "",
        "device_token": "till",
        "time_zone": zone,
    }
    return Merchant(**common | more)


@st.composite
def watermarks(draw, edges):
    told = (
        draw(st.lists(st.sampled_from((*CHANNELS, "unused")), unique=True, max_size=3)) if draw(st.booleans()) else ()
    )
    lags = st.sampled_from(edges) | st.integers(min(edges), max(edges) + DAY)
    return [Watermark(channel=each, complete_through_us=draw(lags)) for each in told]


@st.composite
def cases(draw):
    (zone, as_of_us), edges = draw(st.sampled_from(sorted(MORNINGS.items())))
    merchant = shop(
        zone,
        category=draw(st.sampled_from(sorted(KAPPA))),
        opened_on=date(2026, 10, 26) - timedelta(days=draw(st.integers(0, 250))),
        code_activated_on=draw(st.none() | st.just(date(2026, 8, 20))),
        frontage=draw(st.sampled_from((0.0, 0.3, 1.0))),
        controller_token=draw(st.sampled_from(("owner", ""))),
        device_token=draw(st.sampled_from(("till", "till", ""))),
    )
    amounts = st.integers(0, 10_000_000)
    return {
        "merchant": merchant,
        "zone": zone,
        "as_of_us": as_of_us,
        "known_us": as_of_us + draw(st.sampled_from((-2 * DAY, 0, 0, 50 * DAY))),
        "log": draw(logs(as_of_us, edges)),
        "told": draw(watermarks(edges)),
        "cut": draw(st.integers(0, 40)),
        "facts": draw(told_facts()),
        "ask": Ask(requested_fen=draw(st.none() | AMOUNTS), term_months=draw(st.sampled_from((3, 6, 12)))),
        "exposure": Exposure(
            lines_open=draw(st.integers(0, 2)),
            outstanding_fen=draw(amounts),
            group_outstanding_fen=draw(amounts),
            previous_limit_fen=draw(st.none() | amounts),
            last_limit_fen=draw(amounts),
            instalments_paid_on_time=draw(st.integers(0, 5)),
            funder_headroom_fen=draw(st.none() | amounts),
        ),
    }


def measured(case, log):
    history = fold(fold(EMPTY, log[: case["cut"]]), log[case["cut"] :]).known(case["known_us"])
    rest = case["exposure"], case["ask"], case["as_of_us"], case["zone"], case["told"]
    graph = told_graph(CLUSTERS, VOUCHING)
    return measure(STANDARD, case["merchant"], history, case["facts"], graph, *rest)


def equal(found, wanted):
    if wanted is None:
        return math.isnan(found)
    return found == wanted if isinstance(wanted, int) else math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


def differences(case):
    wanted, found = expected(case), dict(zip(STANDARD, measured(case, case["log"]).tolist(), strict=True))
    return {name: (found[name], wanted.get(name)) for name in STANDARD if not equal(found[name], wanted.get(name))}


@given(cases())
@settings(max_examples=250, deadline=None)
def test_every_indicator_is_what_its_definition_says(case):
    assert not differences(case)


@given(cases())
@settings(max_examples=80, deadline=None)
def test_what_is_dated_after_the_moment_changes_no_bit(case):
    known_us = max([case["as_of_us"], *[each.known_us for each in case["log"]]])
    case |= {"known_us": known_us}
    wallet = {"payer_real_name": True, "payer_account_age_days": 900, "balance_after_fen": 5, "device_token": "till"}
    crowd = (*PAYERS, *(f"new-{number}" for number in range(9)))
    drafts = [payment(f"later-{payer}", payer, case["as_of_us"] + 1, known_us=known_us, **wallet) for payer in crowd]
    later = [replace(each, merchant_seq=seq) for seq, each in enumerate(drafts, len(case["log"]) + 1)]
    assert measured(case, [*case["log"], *later]).tobytes() == measured(case, case["log"]).tobytes()


def payment(name, payer, at, fen=60_000, known_us=0, **more):
    common = {"merchant_id": "shop", "kind": PaymentKind.RECEIPT, "merchant_seq": 0, "content_hash": ""}
    ids = {"payment_id": name, "payer_token": payer, "amount_fen": fen, "occurred_us": at, "known_us": known_us}
    return RecordedPayment(**common | ids | more)


def plain(zone, as_of_us, payments):
    return {
        "merchant": shop(zone),
        "zone": zone,
        "as_of_us": as_of_us,
        "known_us": as_of_us,
        "log": [replace(each, merchant_seq=seq) for seq, each in enumerate(payments, 1)],
        "told": (),
        "cut": 1,
        "facts": (),
        "ask": Ask(requested_fen=None, term_months=12),
        "exposure": NOTHING_DRAWN,
    }


@pytest.mark.parametrize(("zone", "as_of_us"), MORNINGS)
def test_at_every_edge_of_a_window_a_day_or_a_night(zone, as_of_us):
    for edge in {*MORNINGS[zone, as_of_us]}:
        payments = [
            payment("edge", "chen", edge, 9_000, balance_after_fen=-5),
            payment("recent", "chen", as_of_us - 5 * DAY, 4_000, balance_after_fen=7),
            payment("older", "bo", as_of_us - 45 * DAY, 2_000),
            payment("out", "", edge, kind=PaymentKind.OUTFLOW),
        ]
        assert not differences(plain(zone, as_of_us, payments)), edge - as_of_us


@pytest.mark.parametrize(
    ("refunds", "genuine"),
    [
        ([(500, 14 * DAY)], False),
        ([(499, 14 * DAY)], True),
        ([(500, 14 * DAY + 1)], True),
        ([(499, 0), (1, 14 * DAY)], False),
        ([(499, 0), (1, 15 * DAY)], True),
        ([(400, 0), (400, -DAY)], False),
    ],
)
def test_who_has_half_sent_back_within_fourteen_days_is_no_genuine_payer(refunds, genuine):
    (zone, as_of_us), _ = min(MORNINGS.items())
    at = as_of_us - 30 * DAY
    back = [
        payment(f"r{seq}", "", at + later, fen, kind=PaymentKind.REFUND, refund_of="p")
        for seq, (fen, later) in enumerate(refunds)
    ]
    case = plain(zone, as_of_us, [payment("p", "chen", at, 1_000), *back])
    assert not differences(case)
    assert bool(expected(case)["evidence_b"]) is genuine


def test_what_was_sent_back_beyond_a_receipt_does_not_weigh_on_another():
    (zone, as_of_us), _ = min(MORNINGS.items())
    at = as_of_us - 30 * DAY
    back = payment("r", "", at, 9_000, kind=PaymentKind.REFUND, refund_of="p")
    case = plain(zone, as_of_us, [payment("p", "chen", at, 1_000), payment("q", "chen", at, 1_001), back])
    assert not differences(case)
    assert expected(case)["evidence_b"] == 1


def test_a_wallet_is_evidence_from_three_local_weeks_on():
    found = set()
    for (zone, as_of_us), shift in product(MORNINGS, (-1, 0)):
        for first in range(14):
            ats = [as_of_us - (20 + first + later) * DAY + shift for later in (0, 6, 12)]
            wallet = {"payer_real_name": True, "payer_account_age_days": 180}
            case = plain(zone, as_of_us, [payment(f"p{at}", "fan", at, 1_000, **wallet) for at in ats])
            assert not differences(case)
            found.add(expected(case)["evidence_wallet"])
    assert found == {0, 0.25}


@pytest.mark.parametrize(("device", "count", "share"), [("tablet", 4, 0), ("tablet", 5, 1), ("till", 1, 1), ("", 9, 0)])
def test_a_device_that_five_payers_share_is_nobodys_own(device, count, share):
    (zone, as_of_us), _ = min(MORNINGS.items())
    crowd = [payment(f"p{number}", f"guest-{number}", as_of_us - DAY, device_token=device) for number in range(count)]
    case = plain(zone, as_of_us, [*crowd, payment("again", "guest-0", as_of_us - DAY, device_token=device)])
    assert not differences(case)
    assert expected(case)["shared_device_share_90d"] == share


def test_at_every_edge_of_a_debt_and_of_works():
    (zone, as_of_us), _ = min(MORNINGS.items())
    today = wall(as_of_us, zone).date()
    days = [today + timedelta(days=days) for days in (-1, 0, 1, 364, 365, 366)]
    for first, last, matures in product(days, [None, *days], days):
        debt = Debt(balance_fen=700, monthly_service_fen=30, matures_on=matures)
        facts = (
            fact("debt", FactKind.DEBT, first, last, debt=debt),
            fact("works", FactKind.WORKS, first, last, works=Works(kind=WorksKind.METRO)),
            fact("pipes", FactKind.WORKS, matures, last, works=Works(kind=WorksKind.PIPES)),
        )
        assert not differences(plain(zone, as_of_us, []) | {"facts": facts}), (first, last, matures)
