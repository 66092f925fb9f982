"""Silence is not zero: windows end where receipts are last known; what follows from that, to the microsecond."""

from datetime import date, timedelta

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.test_indicator_oracle import fact, payment, shop

from fanxing.errors import FeedStale, PolicyInvalid
from fanxing.facts import Debt, FactKind, Works, WorksKind
from fanxing.feeds import Watermark, at_most, greatest
from fanxing.flows.moments import local_day
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import STANDARD
from fanxing.indicators.exposure import NOTHING_DRAWN
from fanxing.indicators.history import EMPTY, PaymentHistory, fold
from fanxing.indicators.known_through import furthest_behind, receipts_all_later
from fanxing.indicators.measure import measure
from fanxing.models.assess import assess
from fanxing.settings import TOWN_POLICY
from fanxing.strategies.decide import decide
from fanxing.strategies.decision import Outcome
from fanxing.strategies.limit import limit
from fanxing.strategies.policy import load_policy, pack, unpack

HOUR, DAY, NOW, ZONE = 3_600_000_000, 86_400_000_000, 1_790_000_000_000_000, "Asia/Shanghai"
ASK = Ask(requested_fen=None, term_months=12)
POLICY = load_policy(TOWN_POLICY)
RULES = POLICY.constants.limit


def told(**channels):
    return [Watermark(channel=name, complete_through_us=through) for name, through in channels.items()]


def history(*receipts):
    """A receipt of 100 yuan for each (channel, days before now)."""
    log = [
        replace(payment(f"p{seq}", f"payer-{seq}", int(NOW - days * DAY), 10_000, channel=channel), merchant_seq=seq)
        for seq, (channel, days) in enumerate(receipts, 1)
    ]
    return fold(EMPTY, log)


def row(log, watermarks=(), as_of=NOW, facts=()):
    found = measure(STANDARD, shop(ZONE), log, facts, None, NOTHING_DRAWN, ASK, as_of, ZONE, watermarks)
    return dict(zip(STANDARD, found.tolist(), strict=True))


def bits(values, *but):
    return np.array([value for name, value in values.items() if name not in but]).tobytes()


TRADE = history(*(("qr", days) for days in range(1, 100)), *(("bank", days) for days in range(1, 100, 3)))


def test_windows_end_where_the_feed_does():
    through = NOW - 5 * DAY
    behind, then = row(TRADE, told(qr=through, bank=NOW)), row(TRADE, as_of=through)
    assert bits(behind, "feed_lag_hours") == bits(then, "feed_lag_hours")
    assert (behind["feed_lag_hours"], behind["receipts_count_7d"], row(TRADE)["receipts_count_7d"]) == (120, 9, 8)


def test_of_two_channels_the_silent_one_says_how_far_receipts_are_known():
    one = row(TRADE, told(qr=NOW - HOUR, bank=NOW - 60 * HOUR))
    assert one["feed_lag_hours"] == 60
    assert bits(one) == bits(row(TRADE, told(bank=NOW - 60 * HOUR, qr=NOW - 59 * HOUR)))


def test_a_channel_that_has_never_told_changes_no_bit():
    assert np.isnan(row(TRADE)["feed_lag_hours"])
    assert bits(row(TRADE, told(card=NOW - 90 * DAY))) == bits(row(TRADE))
    assert row(TRADE, told(qr=NOW - HOUR, card=NOW - 90 * DAY))["feed_lag_hours"] == 1


@pytest.mark.parametrize(("before_us", "lag"), [(187 * DAY - 1, 2400), (187 * DAY, 1)])
def test_a_channel_is_in_use_for_187_days_after_its_last_payment(before_us, lag):
    log = history(("qr", 1), ("bank", before_us / DAY))
    assert row(log, told(qr=NOW - HOUR, bank=NOW - 2400 * HOUR))["feed_lag_hours"] == lag


def test_payments_are_looked_at_no_more_often_for_many_channels(monkeypatch):
    looks, counts, rows = [], [], PaymentHistory.rows
    monkeypatch.setattr(PaymentHistory, "rows", property(lambda log: looks.append(1) or rows.fget(log)))
    for channels in (1, 50):
        log = history(*((f"c{number}", 1) for number in range(channels)))
        looks.clear()
        behind = furthest_behind(log, told(**{f"c{number}": NOW - number for number in range(channels)}), NOW)
        assert behind.complete_through_us == NOW - channels + 1
        counts.append(len(looks))
    assert counts[0] == counts[1]


def test_a_watermark_after_the_moment_asked_of_is_no_lag_and_changes_no_window():
    ahead = row(TRADE, told(qr=NOW + DAY, bank=NOW + 1))
    assert ahead["feed_lag_hours"] == 0
    assert bits(ahead, "feed_lag_hours") == bits(row(TRADE), "feed_lag_hours")


def test_works_and_debts_are_of_today_though_receipts_end_before():
    today = local_day(NOW, ZONE)
    debt = Debt(balance_fen=700, monthly_service_fen=70, matures_on=today - timedelta(days=1))
    works = Works(kind=WorksKind.METRO)
    facts = (
        fact("f1", FactKind.DEBT, date(2026, 1, 1), None, debt=debt),
        fact("f2", FactKind.WORKS, date(2026, 1, 1), today - timedelta(days=1), works=works),
    )
    late, now, then = (
        row(TRADE, watermarks, as_of, facts=facts)
        for watermarks, as_of in ((told(qr=NOW - 9 * DAY), NOW), ((), NOW), ((), NOW - 9 * DAY))
    )
    for name in ("debt_outside_fen", "debt_service_monthly_fen", "works_metro_exposure"):
        assert (late[name], now[name], then[name] > 0) == (0, 0, True)
    for name in ("months_of_trade", "days_since_last_payment", "receipts_trend_90d"):
        assert late[name] == then[name] != now[name]


def caps(lag_us, **values):
    rich = {"months_of_trade": 12.0, "evidence_b": 5000.0, "sustainable_receipts_fen": 1e7, "credit_report_asked": 1.0}
    read = rich | {"feed_lag_hours": row(TRADE, told(qr=NOW - lag_us))["feed_lag_hours"]} | values
    found, limit_fen = limit(RULES, read, 0.02, "buns", 12)
    return {cap.name: cap.amount_fen for cap in found}, next(cap for cap in found if cap.binds), limit_fen


def test_after_48_hours_to_the_microsecond_the_limit_does_not_grow():
    _, _, free = caps(48 * HOUR, last_limit_fen=300_000.0)
    amounts, binds, held = caps(48 * HOUR + 1, last_limit_fen=300_000.0)
    assert free > held == amounts["no_increase"] == 300_000
    assert (binds.name, binds.reason_code) == ("no_increase", "FEED_BEHIND")


def test_a_first_limit_is_an_increase_too():
    assert caps(48 * HOUR)[2] > 0
    assert caps(48 * HOUR + 1)[2] == 0


def test_a_larger_limit_of_before_lifts_none():
    assert caps(50 * HOUR, last_limit_fen=1e12)[2] == caps(HOUR)[2]


def decided(lag_us, policy=POLICY, last_limit_fen=300_000.0):
    values = {name: value for name, value in row(TRADE, told(qr=NOW - lag_us)).items() if not np.isnan(value)}
    values |= {"requested_term_months": 12.0, "last_limit_fen": last_limit_fen}
    return decide(policy, values, assess(policy.models, values), "buns")


def test_after_seven_days_to_the_microsecond_nothing_is_decided():
    assert decided(168 * HOUR).outcome is Outcome.DECLINED  # by what is known: few payers are genuine
    with pytest.raises(FeedStale, match="more than 168 hours") as refused:
        decided(168 * HOUR + 1)
    assert float(refused.value.metadata["lag_hours"]) > 168


@pytest.mark.parametrize("before", [{"last_limit_fen": 0.0}, {}])
def test_after_48_hours_to_the_microsecond_nothing_is_decided_on_a_first_limit(before):
    values = {name: value for name, value in row(TRADE).items() if not np.isnan(value) and name != "last_limit_fen"}
    values |= {"requested_term_months": 12.0} | before
    assert decided(48 * HOUR, last_limit_fen=0.0).outcome is Outcome.DECLINED
    with pytest.raises(FeedStale, match="more than 48 hours: no limit grows"):
        decide(POLICY, values | {"feed_lag_hours": 48.01}, assess(POLICY.models, values), "buns")
    with pytest.raises(FeedStale, match="more than 168 hours"):
        decided(168 * HOUR + 1, last_limit_fen=0.0)


@pytest.mark.parametrize(
    ("receipts", "through_days", "later"),
    [
        ((1, 2), 2, False),
        ((1, 2), 2 + 1e-9, True),
        ((2,), 1, False),
        ((-1, 3), 4, True),
        ((-1, 3), 3, False),
        ((-1,), 4, False),
        ((), 4, False),
    ],
)
def test_receipts_may_all_be_later_than_they_are_known(receipts, through_days, later):
    log = history(*(("qr", days) for days in receipts))
    assert receipts_all_later(log, int(NOW - through_days * DAY), NOW) is later


def test_a_policy_without_the_rule_decides_and_knows_for_how_long_receipts_are_unknown(tmp_path):
    policy = unpack(pack(without(tmp_path, "feed_lag")))
    assert {"feed_lag_hours", "last_limit_fen"} <= {*POLICY.reads}
    assert {*POLICY.reads} - {*policy.reads} == {"last_limit_fen"}
    assert decided(300 * HOUR, policy).outcome is Outcome.DECLINED


def without(folder, rule, instead=""):
    """The town's policy with a rule left out, and with strategies that read no lag."""
    kept = TOWN_POLICY.joinpath("policy.toml").read_text().replace('"feed_stale", "trade_silent", ', "")
    lines = [line if not line.startswith(rule) else instead for line in kept.splitlines()]
    for path in TOWN_POLICY.rglob("*"):
        if path.is_file():
            copy = folder / path.relative_to(TOWN_POLICY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (folder / "policy.toml").write_text("\n".join(lines))
    return folder


def test_no_decision_before_no_increase_is_refused_by_name(tmp_path):
    turned = without(tmp_path, "feed_lag", "feed_lag = { no_increase_hours = 48, no_decision_hours = 47.9 }")
    with pytest.raises(PolicyInvalid, match="no_increase_hours must not be above"):
        unpack(pack(turned))


@pytest.mark.parametrize(
    ("lag", "silent_days", "hits"),
    [(None, 8.0, ["FEED_STALE"]), (1.0, 8.0, ["TRADE_SILENT"]), (None, 7.0, []), (1.0, 7.0, []), (167.0, 1.0, [])],
)
def test_silence_of_a_complete_feed_is_the_merchants_and_silence_without_one_may_be_the_feeds(lag, silent_days, hits):
    values = {"days_since_last_payment": silent_days} | ({} if lag is None else {"feed_lag_hours": lag})
    strategies = [each for each in POLICY.strategies if each.name in {"feed_stale", "trade_silent"}]
    found = [hit for each in strategies if (hit := each.try_on(values)) is not None]
    assert [hit.reason_code for hit in found] == hits
    assert not any(hit.unknown for hit in found)


@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        ({"days_since_last_payment": 7.1}, True),
        ({"days_since_last_payment": 30.0, "feed_lag_hours": 168.0}, False),
        ({"days_since_last_payment": 0.0, "feed_lag_hours": 168.1}, True),
        ({}, True),
    ],
)
def test_receipts_are_unknown_since_the_watermark_and_without_one_since_the_last_payment(values, unknown):
    found, _ = limit(RULES, values, 0.02, "buns", 12)
    assert ("unknown_receipts" in {cap.name for cap in found}) is unknown


def test_the_greatest_of_both_claims_counts_and_no_more_than_was_seen():
    both = greatest([*told(qr=3, bank=9), *told(qr=7)])
    assert both == tuple(told(bank=9, qr=7))
    assert at_most(both, told(qr=5, card=1)) == tuple(told(qr=5))
    assert at_most(both, told(qr=8, bank=8)) == tuple(told(bank=8, qr=7))
