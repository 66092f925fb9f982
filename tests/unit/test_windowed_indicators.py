"""Every windowed indicator against docs/indicators.md as SQL tells it, whatever the payments are."""

import math
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fanxing.indicators import questions, windows
from fanxing.indicators.facets import Facet
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.plan import plan_of
from fanxing.indicators.state import state_of
from fanxing.payments import CodeKind, Instrument, PaymentKind, RecordedPayment
from fanxing_core import _windows

pytest.importorskip("duckdb", reason="the oracle speaks SQL to DuckDB")

from tests.indicator_sql import Merchant, question_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
KEY = b"institution"
CATALOGUE = tuple(questions.questions())
BY_FAMILY = {}
for question in CATALOGUE:
    BY_FAMILY.setdefault(question.family.name, []).append(question)
EXACT = {"count", "fen", "day"}
"""Units of what is counted or summed, but for the means and deviations among them."""
WITHIN = 1e-9


def instant(zone, *parts, fold=0):
    return (datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold) - EPOCH) // timedelta(microseconds=1)


# The clock was changed on the day before, or within the year; in St John's it went back over midnight, Apia left out a
# day, Shanghai changed its clocks until 1991, and in 1970 all time begins. The holidays told begin in 2004 and end with
# 2040; a Sunday made up for those of February 2024.
MOMENTS = [
    ("Asia/Shanghai", instant("Asia/Shanghai", 2026, 10, 26, 9)),
    ("Asia/Shanghai", instant("Asia/Shanghai", 1990, 9, 17, 0)),
    ("Asia/Shanghai", instant("Asia/Shanghai", 1970, 3, 1, 9)),
    ("Asia/Shanghai", instant("Asia/Shanghai", 2004, 1, 4, 9)),
    ("Asia/Shanghai", instant("Asia/Shanghai", 2024, 2, 18, 9)),
    ("Asia/Shanghai", instant("Asia/Shanghai", 2041, 1, 4, 9)),
    ("Europe/Prague", instant("Europe/Prague", 2026, 10, 26, 0)),
    ("Europe/Prague", instant("Europe/Prague", 2026, 10, 25, 2, 30, fold=1)),
    ("Europe/Prague", instant("Europe/Prague", 2024, 3, 31, 12)),
    ("Europe/Prague", instant("Europe/Prague", 2024, 2, 29, 23)),
    ("America/New_York", instant("America/New_York", 2026, 11, 1, 1, 30, fold=1)),
    ("America/New_York", instant("America/New_York", 2025, 3, 10, 9)),
    ("America/St_Johns", instant("America/St_Johns", 2006, 10, 28, 23, 30, fold=1)),
    ("Pacific/Apia", instant("Pacific/Apia", 2012, 1, 2, 9)),
]
AGES = (0, 1, 2, 6, 7, 8, 13, 14, 15, 27, 28, 29, 30, 31, 59, 60, 89, 90, 91, 179, 180, 364, 365, 366, 729, 730, 1100)
SECONDS = (0, 6, 11, 14, 17, 21, 24)
FEN = st.sampled_from((1, 499, 500, 999, 1000, 2000, 4999, 5000, 19_999, 20_000, 134_217_726, 134_217_727, 10**15))
FENS = FEN | FEN | st.integers(1, 10**15) | st.integers(1, 30_000)
PAYERS = ("", "ann", "bo", "chen", "owner")
PAYMENTS = st.fixed_dictionaries(
    {
        "payer_token": st.sampled_from(PAYERS),
        "amount_fen": FENS,
        "kind": st.sampled_from((PaymentKind.RECEIPT,) * 5 + (PaymentKind.OUTFLOW,)),
        "instrument": st.sampled_from(Instrument),
        "code_kind": st.sampled_from(CodeKind),
        "payer_real_name": st.sampled_from((None, False, True)),
        "payer_account_age_days": st.sampled_from((None, 0, 29, 30, 179, 180)),
        "balance_after_fen": st.none() | st.integers(-3, 3) | st.integers(-(10**15), 10**15),
    }
)
DELAYS = st.sampled_from((0, 0, 0, 1, 3 * DAY, 40 * DAY))
BACK = st.sampled_from(((), (), (), (0.5,), (1,), (2,), (0.25, 0.25), (0.5, 1)))
"""Parts of a payment that are sent back."""


def times(zone, as_of_us):
    """Moments at which local days, hours and windows begin, a microsecond before and after, and any other."""
    today = (EPOCH + timedelta(microseconds=as_of_us)).astimezone(ZoneInfo(zone)).date()
    edges = [as_of_us, as_of_us + DAY]
    for age in AGES:
        day = today - timedelta(days=age)
        edges += [instant(zone, day.year, day.month, day.day) + hour * DAY // 24 for hour in SECONDS]
    for month in range(15):
        year, place = divmod(today.year * 12 + today.month - 1 - month, 12)
        edges.append(instant(zone, year, place + 1, 1))
    edges = [edge + shift for edge in edges for shift in (-1, 0, 1) if edge + shift > 0]
    few = st.sampled_from(edges[-40:])
    return st.sampled_from(edges) | few | st.integers(max(0, as_of_us - 800 * DAY), as_of_us)


@st.composite
def logs(draw, zone, as_of_us):
    """Receipts and outflows, some of them many times over, some sent back, each known some time after it happened."""
    sent, when = [], times(zone, as_of_us)
    for number in range(draw(st.integers(0, 14))):
        payment, at = draw(PAYMENTS), draw(when)
        for copy in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
            one = payment | {"payment_id": f"{number}.{copy}", "occurred_us": at}
            if copy:
                one["payer_token"] = draw(st.sampled_from((payment["payer_token"], "bo")))
            sent += [one, *refunds(draw, one, when)]
    known = sorted(
        ((each["occurred_us"] + draw(DELAYS), place) for place, each in enumerate(sent)), key=lambda at: at[0]
    )
    return tuple(recorded(sent[place], seq, at) for seq, (at, place) in enumerate(known, 1))


def refunds(draw, payment, when):
    """Of the payment, or of one that nobody knows; at any moment, so before it too."""
    for number, part in enumerate(draw(BACK)):
        yield {
            "payment_id": f"{payment['payment_id']}-back-{number}",
            "refund_of": payment["payment_id"] if draw(st.integers(0, 9)) else "nobody's",
            "amount_fen": max(1, int(payment["amount_fen"] * part)),
            "occurred_us": draw(when),
            "kind": PaymentKind.REFUND,
        }


def recorded(sent, seq, known_us):
    return RecordedPayment(merchant_id="m", merchant_seq=seq, known_us=known_us, content_hash="", **sent)


def some_questions(seed, number):
    """Of random families, half of them of any."""
    rng = random.Random(seed)
    families = [rng.choice(list(BY_FAMILY.values())) for _ in range(number)]
    return [rng.choice(CATALOGUE if rng.random() < 0.5 else family) for family in families]


def local_day(zone, at_us):
    return ((EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone)).date() - date(1970, 1, 1)).days


def is_exact(question):
    told = question.definition.unit in EXACT and not question.statistic
    return told and not {"mean", "deviation"} & set(question.family.name.split("_"))


def agree(question, value, expected):
    if is_exact(question) or math.isnan(value) or math.isnan(expected):
        return value == expected or (math.isnan(value) and math.isnan(expected))
    return math.isclose(value, expected, rel_tol=WITHIN)


def disagreements(asked, log, zone, as_of_us, known_us, refunds_us=None):
    state = state_of(fold(EMPTY, log).known(known_us), "owner", zone, as_of_us, KEY, refunds_us)
    values = plan_of(asked).answer(state, local_day(zone, as_of_us))
    expected = Merchant(log, zone, "owner").answers([each.name for each in asked], as_of_us, known_us, refunds_us)
    told = [(each, float(value), expected[each.name]) for each, value in zip(asked, values, strict=True)]
    return [(each.name, value, right) for each, value, right in told if not agree(each, value, right)]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_indicators_are_what_sql_computes_from_their_definitions(data):
    zone, as_of_us = data.draw(st.sampled_from(MOMENTS))
    log = data.draw(logs(zone, as_of_us))
    known_us = as_of_us + data.draw(st.sampled_from((0, 0, 0, 2 * DAY, -DAY)))
    refunds_us = as_of_us + data.draw(st.sampled_from((0, 0, 0, DAY, 50 * DAY)))
    asked = some_questions(data.draw(st.integers(0, 1 << 32)), 80)
    assert disagreements(asked, log, zone, as_of_us, known_us, refunds_us) == []


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_state_is_the_same_in_whatever_order_payments_became_known(data):
    zone, as_of_us = data.draw(st.sampled_from(MOMENTS))
    log = data.draw(logs(zone, as_of_us))
    mixed = data.draw(st.permutations(log))
    states = [
        state_of(
            fold(EMPTY, [replace(each, merchant_seq=seq, known_us=0) for seq, each in enumerate(order, 1)]),
            "owner", zone, as_of_us, KEY,
        )
        for order in (log, mixed)
    ]  # fmt: skip
    assert states[0] == states[1]


def test_of_one_payer_and_of_many_the_same_holds():
    zone, as_of_us = MOMENTS[0]
    rng = random.Random(3)
    for payers in (1, 400):
        log = [
            RecordedPayment(
                merchant_id="m", payment_id=str(seq), payer_token=f"p{rng.randrange(payers)}", content_hash="",
                amount_fen=rng.randrange(1, 9000), occurred_us=as_of_us - (600 - seq) * DAY * 3 // 4,
                kind=PaymentKind.RECEIPT, merchant_seq=seq, known_us=0,
            )
            for seq in range(1, 601)
        ]  # fmt: skip
        assert disagreements(some_questions(payers, 1500), log, zone, as_of_us, 0) == []


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_width_of_registers_gives_the_same_bits(data):
    zone, as_of_us = data.draw(st.sampled_from(MOMENTS))
    state = state_of(fold(EMPTY, data.draw(logs(zone, as_of_us))), "owner", zone, as_of_us, KEY)
    asked = some_questions(data.draw(st.integers(0, 1 << 32)), data.draw(st.sampled_from((1, 80, 2000))))
    compiled, calendar = plan_of(asked)._compiled, windows.calendar(local_day(zone, as_of_us))
    answers = [compiled.answer(state, calendar, machine).tobytes() for machine in range(_windows.BEST + 1)]
    assert len(set(answers)) == 1


@pytest.mark.parametrize("fen", [67_108_863, 67_108_864, 1 << 32, 10**14])
def test_more_payments_of_a_day_than_one_addition_holds(fen):
    """Sums are added in limbs and so many rows at once: at their edges nothing carries over."""
    zone, as_of_us = MOMENTS[0]
    log = [
        RecordedPayment(
            merchant_id="m", payment_id=str(seq), payer_token=("ann", "bo", "")[seq % 3], content_hash="",
            amount_fen=fen - seq % 2, occurred_us=as_of_us - seq % 2 * DAY - 1, kind=PaymentKind.RECEIPT,
            balance_after_fen=(-fen, fen, None)[seq % 3], merchant_seq=seq, known_us=0,
        )
        for seq in range(1, 33_001)
    ]  # fmt: skip
    assert disagreements(some_questions(fen, 300), log, zone, as_of_us, 0) == []


def test_more_payers_of_a_day_than_a_byte_counts():
    zone, as_of_us = MOMENTS[0]
    log = [
        RecordedPayment(
            merchant_id="m", payment_id=str(seq), payer_token=f"p{seq % 700}", content_hash="", amount_fen=300,
            occurred_us=as_of_us - seq, kind=PaymentKind.RECEIPT, merchant_seq=seq, known_us=0,
        )
        for seq in range(1, 1401)
    ]  # fmt: skip
    asked = [each for each in CATALOGUE if each.family.name.startswith("payer")]
    assert disagreements(random.Random(1).sample(asked, 400), log, zone, as_of_us, 0) == []


def test_holidays_are_told_of_payments_of_any_age():
    asked = [each for each in CATALOGUE if Facet.HOLIDAY in each.filter.facets][::17]
    for zone, as_of_us in MOMENTS[3:6]:
        log = paid(*((100 + age, as_of_us - age * DAY, f"p{age % 7}") for age in range(0, 1200, 3)))
        assert disagreements(asked, log, zone, as_of_us, 0) == []


SHANGHAI, NOW = MOMENTS[0]
SATURDAY = instant(SHANGHAI, 2023, 10, 14, 9)
"""1108 days before, when no window and no year before one reaches it."""
BACK_OVER_MIDNIGHT = ("America/St_Johns", instant("America/St_Johns", 2006, 10, 28, 23, 30, fold=1))


def paid(*sent):
    """A log of (amount, moment, payer or else what it sends back, balance)."""
    log = []
    for seq, (fen, at, payer, *rest) in enumerate(sent, 1):
        of = {"kind": PaymentKind.REFUND, "refund_of": str(payer)} if isinstance(payer, int) else {}
        of = of or {"kind": PaymentKind.RECEIPT, "payer_token": payer, "balance_after_fen": rest[0] if rest else None}
        log.append(recorded({"payment_id": str(seq), "amount_fen": fen, "occurred_us": at} | of, seq, 0))
    return log


@pytest.mark.parametrize(
    ("name", "log", "expected"),
    [
        ("refunds_count_first_visit_7d", paid((100, NOW - DAY, "ann"), (100, NOW, 1)), 1),
        ("receipts_count_first_visit_7d", paid((9, NOW - 2, "ann"), (9, NOW - 1, "ann"), (9, NOW, 1)), 1),
        ("longest_gap_days_weekend_7d", paid((100, SATURDAY, "ann")), 7),
        ("payers_new_weekend_7d", paid((100, SATURDAY, "ann"), (100, NOW - 2 * DAY, "ann")), 0),
        ("balance_last_fen_7d", paid((100, NOW, "ann", 9), (100, NOW, "bo", 5)), 5),
        ("balance_last_fen_7d", paid((100, NOW, "ann", 5), (100, NOW, "bo", 9)), 9),
        ("receipts_fen_first_visit_7d", paid((100, NOW, "ann"), (100, NOW, "ann"), (40, NOW, 1)), 60),
        ("payer_repeat_rate_7d", paid((100, NOW, "")), math.nan),
        ("payer_top_share_7d", paid((100, NOW, "")), 0),
        ("payer_concentration_7d", paid((100, NOW, "")), 0),
        ("payers_lost_7d", paid((100, NOW - 8 * DAY, "bo")), 1),
        ("receipts_count_holiday_30d", paid((9, NOW - 19 * DAY, ""), (9, NOW - 18 * DAY, ""), (9, NOW, "")), 1),
        ("receipts_count_workday_30d", paid((9, NOW - 19 * DAY, ""), (9, NOW - 18 * DAY, "")), 2),
        ("receipts_fen_14d_zscore", paid((10**15 - 1, NOW - 13 * DAY, ""), (10**15, NOW, "")), 2.0412414523193158e-16),
        ("receipts_deviation_fen_1d", paid(*((10**15 - place % 2 * 2, NOW, "") for place in range(500))), 1),
        ("payer_concentration_1d", paid((100_000_001, NOW, "ann")), 1),
    ],
)  # fmt: skip
def test_small_cases(name, log, expected):
    (value,) = plan_of([questions.question_of(name)]).answer(
        state_of(fold(EMPTY, log), "owner", SHANGHAI, NOW, KEY), local_day(SHANGHAI, NOW)
    )
    assert value == expected or (math.isnan(value) and math.isnan(expected))


def test_a_state_is_not_taken_for_one_of_another_moment_of_refunds():
    """What is sent back after receipts are last known is booked on the receipt's own day; the receipt's state is asked
    for by both moments."""
    log = paid((100, NOW - 2 * DAY, "ann"), (60, NOW, 1), (50, NOW, "bo"))
    history, asked = fold(EMPTY, log), plan_of([questions.question_of("receipts_fen_7d")])
    sums = [
        asked.answer(state_of(history, "owner", SHANGHAI, NOW - DAY, KEY, back_us), local_day(SHANGHAI, NOW - DAY))[0]
        for back_us in (None, NOW - 1, NOW, None)
    ]
    assert sums == [100, 100, 40, 100]


def test_a_payment_of_a_later_local_day_is_of_no_window():
    zone, as_of_us = BACK_OVER_MIDNIGHT
    log = paid((100, instant(zone, 2006, 10, 29), "ann"), (100, as_of_us, "bo"))
    assert disagreements(some_questions(1, 300), log, zone, as_of_us, 0) == []
    assert disagreements([questions.question_of("receipts_count_1d")], log[:1], zone, as_of_us, 0) == []


def test_names_are_unique_and_read_back():
    names = {each.name for each in CATALOGUE}
    assert len(names) == len(CATALOGUE) >= 100_000
    assert all(questions.question_of(each.name) == each for each in CATALOGUE)
    for each in CATALOGUE[::11]:
        read = question_of(each.name)
        told = read.slice.facets, read.slice.window.days, read.slice.window.month, read.statistic
        facets = tuple(facet.name.lower() for facet in each.filter.facets)
        assert told == (facets, each.window.days, each.window.month, each.statistic.suffix.removeprefix("_"))


@pytest.mark.parametrize(
    "name",
    [
        "", "receipts_count", "receipts_count_8d", "receipts_count_noon_workday_7d", "receipts_count_month_13",
        "receipts_count_month_0_to_before", "receipts_count_7d_share", "receipts_count_7d_slope",
        "receipts_count_weekend_noon_30d_slope", "receipts_count_30d_30d", "receipts_count_noon", "payers_new_month_1",
    ],
)  # fmt: skip
def test_no_other_name_is_an_indicator(name):
    assert questions.question_of(name) is None
