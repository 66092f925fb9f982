"""Every indicator against its definition, whatever the payments are."""

import math
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.indicator_oracle import CLUSTERS, DAY, DEVICES, KAPPA, VOUCHING, expected, instant, wall

from fanxing.facts import Debt, Fact, FactKind, Works, WorksKind, known_facts
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import NAMES
from fanxing.indicators.exposure import Exposure
from fanxing.indicators.graph import PayerGraph
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
REPEATS = ((1, 0), (1, 0), (1, 0), (3, 7 * DAY), (4, 30 * DAY), (3, 0))
AMOUNTS = st.sampled_from((1, 299, 300, 301, 2_000, 9_999, 60_000)) | st.integers(1, 10_000_000)
DELAYS = st.sampled_from((0, 0, 0, 1, 3 * DAY, 40 * DAY))
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
            "balance_after_fen": draw(st.none() | st.integers(-10_000, 10_000_000)),
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


DATES = st.integers(-400, 400).map(lambda days: date(2026, 10, 26) + timedelta(days=days))


@st.composite
def told_facts(draw):
    facts = []
    for seq in range(1, draw(st.integers(0, 4)) + 1):
        kind, none_found = draw(st.sampled_from(FactKind)), draw(st.booleans())
        debt = Debt(balance_fen=draw(AMOUNTS), monthly_service_fen=draw(AMOUNTS), matures_on=draw(DATES))
        facts.append(
            Fact(
                fact_id=f"f{seq}",
                merchant_id="shop",
                kind=kind,
                valid_from=draw(DATES),
                valid_to=draw(st.none() | DATES),
                source="",
                none_found=none_found,
                works=Works(kind=draw(st.sampled_from(WorksKind))) if kind == FactKind.WORKS else None,
                debt=debt if kind == FactKind.DEBT and not none_found else None,
                link=None,
                supersedes=draw(st.sampled_from(("", "", f"f{seq - 1}"))),
                fact_seq=seq,
                known_us=0,
            )
        )
    return known_facts(tuple(facts), 0)


@st.composite
def cases(draw):
    (zone, as_of_us), edges = draw(st.sampled_from(sorted(MORNINGS.items())))
    merchant = Merchant(
        merchant_id="shop",
        name="",
        category=draw(st.sampled_from(sorted(KAPPA))),
        opened_on=date(2026, 10, 26) - timedelta(days=draw(st.integers(0, 250))),
        code_activated_on=draw(st.none() | st.just(date(2026, 8, 20))),
        place="",
        frontage=draw(st.sampled_from((0.0, 0.3, 1.0))),
        controller_token=draw(st.sampled_from(("owner", ""))),
        licence_token="",
        payout_account_token="account",
        phone_token="",
        device_token=draw(st.sampled_from(("till", "till", ""))),
        time_zone=zone,
    )
    amounts = st.integers(0, 10_000_000)
    return {
        "merchant": merchant,
        "zone": zone,
        "as_of_us": as_of_us,
        "known_us": as_of_us + draw(st.sampled_from((-2 * DAY, 0, 0, 50 * DAY))),
        "log": draw(logs(as_of_us, edges)),
        "cut": draw(st.integers(0, 40)),
        "facts": draw(told_facts()),
        "ask": Ask(requested_fen=draw(st.none() | AMOUNTS), term_months=draw(st.sampled_from((3, 6, 12)))),
        "exposure": Exposure(
            lines_open=draw(st.integers(0, 2)),
            outstanding_fen=draw(amounts),
            group_outstanding_fen=draw(amounts),
            previous_limit_fen=draw(st.none() | amounts),
            instalments_paid_on_time=draw(st.integers(0, 5)),
            funder_headroom_fen=draw(st.none() | amounts),
        ),
    }


def measured(case, log):
    history = fold(fold(EMPTY, log[: case["cut"]]), log[case["cut"] :]).known(case["known_us"])
    rest = case["exposure"], case["ask"], case["as_of_us"], case["zone"]
    return measure(case["merchant"], history, case["facts"], PayerGraph(CLUSTERS, {}, VOUCHING, ""), *rest)


def equal(found, wanted):
    if wanted is None:
        return math.isnan(found)
    return found == wanted if isinstance(wanted, int) else math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


@given(cases())
@settings(max_examples=400, deadline=None)
def test_every_indicator_is_what_its_definition_says(case):
    wanted, found = expected(case), dict(zip(NAMES, measured(case, case["log"]).tolist(), strict=True))
    assert not {name: (found[name], wanted.get(name)) for name in NAMES if not equal(found[name], wanted.get(name))}


@given(cases())
@settings(max_examples=150, deadline=None)
def test_what_is_dated_after_the_moment_changes_no_bit(case):
    known_us = max([case["as_of_us"], *[each.known_us for each in case["log"]]])
    case |= {"known_us": known_us}
    later = [
        RecordedPayment(
            merchant_id="shop",
            payment_id=f"later-{payer}",
            payer_token=payer,
            amount_fen=60_000,
            occurred_us=case["as_of_us"] + 1,
            kind=PaymentKind.RECEIPT,
            device_token="till",
            payer_real_name=True,
            payer_account_age_days=900,
            balance_after_fen=5,
            merchant_seq=seq,
            known_us=known_us,
            content_hash="",
        )
        for seq, payer in enumerate((*PAYERS, *(f"new-{number}" for number in range(9))), len(case["log"]) + 1)
    ]
    assert measured(case, [*case["log"], *later]).tobytes() == measured(case, case["log"]).tobytes()
