"""The catalogue's definitions in plain Python over a list of payments: the oracle of the indicators' tests.

Nothing here is fast, and nothing is taken from the code that it judges.
"""

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import combinations
from statistics import median
from zoneinfo import ZoneInfo

from fanxing.facts import FactKind, WorksKind
from fanxing.indicators.catalogue import STANDARD
from fanxing.indicators.exposure import Exposure
from fanxing.payments import CodeKind, Instrument, PaymentKind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000
DAY = 24 * HOUR
KAPPA = {"buns": 8_000, "canteen": 15_000, "other": 20_000}
WINDOWS = (7, 30, 90, 180, 365)
VOUCHING = {"ann": (1,), "bo": (1, 2), "chen": (1, 2, 3), "di": (0, 1, 2, 3, 4), "owner": (1, 2, 3), "eve": (0,)}
CLUSTERS = {"shop": 0}
DEVICES = ("", "till", "phone", "tablet")


def instant(zone, *parts):
    return (datetime(*parts, tzinfo=ZoneInfo(zone)) - EPOCH) // timedelta(microseconds=1)


def wall(occurred_us, zone):
    return (EPOCH + timedelta(microseconds=occurred_us)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def local_day(occurred_us, zone):
    return wall(occurred_us, zone).date().toordinal()


class Net:
    """A receipt, and all that is known to have been sent back of it, later than receipts are known too."""

    def __init__(self, receipt, known, as_of_us, zone):
        refunds = [each for each in known if each.kind == PaymentKind.REFUND and each.refund_of == receipt.payment_id]
        soon = [each for each in refunds if each.occurred_us - receipt.occurred_us <= 14 * DAY]
        self.at, self.payer, self.device = receipt.occurred_us, receipt.payer_token, receipt.device_token
        self.gross, self.age = receipt.amount_fen, as_of_us - receipt.occurred_us
        self.days_ago = local_day(as_of_us, zone) - local_day(receipt.occurred_us, zone)
        self.back = min(self.gross, sum(each.amount_fen for each in refunds))
        self.early = min(self.gross, sum(each.amount_fen for each in soon))
        self.net = self.gross - self.back
        self.credit, self.personal = receipt.instrument == Instrument.CREDIT, receipt.code_kind == CodeKind.PERSONAL


def young(nets, days, first=0):
    return [each for each in nets if first * DAY <= each.age < days * DAY]


def lately(nets, days):
    """Of the last local days, today included."""
    return [each for each in nets if each.days_ago < days]


def total(nets):
    return sum(each.net for each in nets)


def payers(nets):
    return {each.payer for each in nets if each.payer}


def paid_by(nets, payer):
    return [each for each in nets if each.payer == payer]


def share(part, whole):
    return part / whole if whole else None


def deviation(numbers):
    if not numbers:
        return None
    mean = Fraction(sum(numbers), len(numbers))
    return math.sqrt(sum((each - mean) ** 2 for each in numbers) / len(numbers))


def of_receipts(nets, every, merchant):
    values = {}
    for days in WINDOWS:
        recent = lately(nets, days)
        values[f"receipts_count_{days}d"] = len(recent)
        values[f"receipts_fen_{days}d"] = total(recent)
        values[f"payers_distinct_{days}d"] = len(payers(recent))
    for days in (30, 90, 180):
        recent = lately(nets, days)
        values[f"receipts_mean_fen_{days}d"] = share(total(recent), len(recent))
        values[f"receipts_max_fen_{days}d"] = max((each.net for each in recent), default=None)
    quarter, month = lately(nets, 90), lately(nets, 30)
    before = [each for each in quarter if each.days_ago >= 30]
    started = any(each.age >= 60 * DAY for each in nets)
    values["receipts_deviation_fen_90d"] = deviation([each.net for each in quarter])
    values["receipts_trend_90d"] = share(total(month), total(before) / 2) if started else None
    earlier = payers(each for each in nets if each.days_ago >= 30)
    values["payers_new_30d"] = len(payers(month) - earlier)
    values["payers_returning_30d"] = len(payers(month) & earlier)
    repeated = [payer for payer in payers(quarter) if len(paid_by(quarter, payer)) >= 2]
    values["payer_repeat_rate_90d"] = share(len(repeated), len(payers(quarter)))
    for days in (30, 90):
        recent = lately(nets, days)
        top = max((total(paid_by(recent, payer)) for payer in payers(recent)), default=0)
        values[f"payer_top_share_{days}d"] = share(top, total(recent))
        gross = lately(every, days)
        values[f"refunds_count_{days}d"] = sum(each.back > 0 for each in gross)
        values[f"refund_share_{days}d"] = share(sum(each.back for each in gross), sum(each.gross for each in gross))
    crowd = {d for d in DEVICES if d and len(payers(each for each in quarter if each.device == d)) >= 5}
    shared = [each for each in quarter if each.device and each.device in crowd | {merchant.device_token}]
    owner = merchant.controller_token
    parts = {
        "receipts_fen_by_credit_90d_share": [each for each in quarter if each.credit],
        "receipts_fen_personal_code_90d_share": [each for each in quarter if each.personal],
        "receipts_fen_own_90d_share": [each for each in quarter if each.payer and each.payer == owner],
        "shared_device_share_90d": shared,
    }
    return values | {name: share(total(part), total(quarter)) for name, part in parts.items()}


def of_days(nets, as_of_us, zone):
    today = local_day(as_of_us, zone)
    days = {local_day(each.at, zone) for each in nets}
    values = {}
    for window in (30, 90, 180):
        values[f"active_days_{window}d"] = len([day for day in days if day > today - window])
    for window in (90, 180):
        longest = run = 0
        for day in range(max(today - window + 1, min(days, default=0)), today + 1):
            run = 0 if day in days else run + 1
            longest = max(longest, run)
        values[f"longest_gap_days_{window}d"] = longest if days else None
    quarter = lately(nets, 90)
    night = [each for each in quarter if wall(each.at, zone).hour < 6]
    return values | {"receipts_count_night_90d_share": share(len(night), len(quarter))}


def of_flows(seen, nets, as_of_us, zone):
    def days_ago(each):
        return local_day(as_of_us, zone) - local_day(each.occurred_us, zone)

    def in_order(each):
        return wall(each.occurred_us, zone), each.known_us, len(each.payment_id), each.payment_id

    out = [each for each in seen if each.kind == PaymentKind.OUTFLOW]
    balanced = [each for each in seen if each.balance_after_fen is not None and each.kind != PaymentKind.REFUND]
    told, values = sorted(balanced, key=in_order), {}
    for days in WINDOWS:
        gone = [each.amount_fen for each in out if days_ago(each) < days]
        left = [each.balance_after_fen for each in told if days_ago(each) < days]
        values[f"balance_last_fen_{days}d"] = left[-1] if left else None
        values[f"outflow_fen_{days}d"] = sum(gone)
        values[f"outflow_count_{days}d"] = len(gone)
        values[f"net_flow_fen_{days}d"] = total(lately(nets, days)) - sum(gone)
        values[f"balance_min_fen_{days}d"] = min(left, default=None)
        values[f"balance_mean_fen_{days}d"] = share(sum(left), len(left))
        values[f"balance_deviation_fen_{days}d"] = deviation(left)
        values[f"balance_negative_count_{days}d"] = sum(each < 0 for each in left)
    ages = [Fraction(as_of_us - each.occurred_us, DAY) for each in seen]
    values["days_since_last_payment"] = min(ages, default=None)
    values["days_since_first_payment"] = max(ages, default=None)
    values["months_of_trade"] = max((Fraction(each.age, DAY) for each in nets), default=0) / Fraction("30.4375")
    return {name: value for name, value in values.items() if name in STANDARD}


def vouchers(payer, merchant):
    return {cluster for cluster in VOUCHING.get(payer, ()) if cluster != CLUSTERS[merchant.merchant_id]}


def phi_is_zero(payer, every, merchant):
    paid = paid_by(every, payer)
    sent_back = sum(each.early for each in paid)
    return (
        payer in {merchant.controller_token, merchant.payout_account_token}
        or any(each.device and each.device == merchant.device_token for each in paid)
        or (paid and 2 * sent_back >= sum(each.gross for each in paid))
    )


def wallet_is_evidence(payer, seen, nets, zone):
    proper = any(
        each.payer_real_name and (each.payer_account_age_days or 0) >= 180
        for each in seen
        if each.payer_token == payer and each.kind == PaymentKind.RECEIPT
    )
    weeks = {(local_day(each.at, zone) - EPOCH.toordinal()) // 7 for each in paid_by(young(nets, 97, 7), payer)}
    return proper and len(weeks) >= 3


def least_cut(found, wallets):
    """B as a minimal cut: what separates the source from the sink costs as much as can flow."""
    clusters = sorted(set().union(*found))
    kept = [set(each) for size in range(len(clusters) + 1) for each in combinations(clusters, size)]
    return min(
        30 * (len(clusters) - len(near))
        + 20 * (not by_wallet)
        + sum(
            min(1, Fraction(len(near & each), 3) + Fraction(int(wallet and by_wallet), 4))
            for each, wallet in zip(found, wallets, strict=True)
        )
        for near in kept
        for by_wallet in (True, False)
    )


def of_evidence(seen, every, nets, merchant, as_of_us, zone):
    genuine = sorted(payer for payer in payers(nets) if not phi_is_zero(payer, every, merchant))
    wallet = {payer: wallet_is_evidence(payer, seen, nets, zone) for payer in genuine}
    counted = [payer for payer in genuine if total(paid_by(young(nets, 97, 7), payer)) >= 300]
    found = [vouchers(payer, merchant) for payer in counted]
    clean, gross = [], []
    for number in range(6):
        month = young(nets, 37 + 30 * number, 7 + 30 * number)
        gross.append(total(month))
        clean.append(Fraction(0))
        for payer in genuine:
            paid = paid_by(month, payer)
            if total(paid) >= 300:
                halved = sum((Fraction(each.net, 2 if each.credit else 1) for each in paid), Fraction(0))
                weight = min(Fraction(1), Fraction(len(vouchers(payer, merchant)), 3))
                weight = max(weight, Fraction(1, 4) if wallet[payer] else Fraction(0))
                clean[-1] += weight * min(halved, KAPPA[merchant.category])
    full = (local_day(as_of_us, zone) - merchant.activated_on.toordinal() - 7) // 30
    months = max(1, min(6, full))
    return {
        "evidence_b": least_cut(found, [wallet[payer] for payer in counted]),
        "evidence_wallet": min(20, Fraction(sum(wallet[payer] for payer in counted), 4)),
        "payers_vouched_90d": sum(bool(each) for each in found),
        "clean_receipts_30d_fen": sum(clean) / 6,
        "sustainable_receipts_fen": median(clean[:months]),
        "receipts_month_fen": median(gross[:months]),
    }


def of_facts(facts, merchant, today, term_months):
    days = range(today, today + max(1, round(term_months * 30.4375)))
    values = {}
    for kind in WorksKind:
        under = [
            day for day in days if any(each.works and each.works.kind == kind and holds(each, day) for each in facts)
        ]
        values[f"works_{kind.lower()}_exposure"] = len(under) / len(days) * merchant.frontage
    asked = [each for each in facts if each.kind == FactKind.DEBT]
    due = [e.debt for e in asked if e.debt and holds(e, today) and e.debt.matures_on.toordinal() >= today]
    return values | {
        "debt_asked": int(bool(asked)),
        "credit_report_asked": int(any(each.kind == FactKind.CREDIT_REPORT for each in facts)),
        "debt_outside_fen": sum(each.balance_fen for each in due) if asked else None,
        "debt_service_monthly_fen": sum(each.monthly_service_fen for each in due) if asked else None,
    }


def holds(fact, day):
    return fact.valid_from.toordinal() <= day and (fact.valid_to is None or day <= fact.valid_to.toordinal())


def of_ask(ask, values):
    asked = {"requested_term_months": ask.term_months}
    if ask.requested_fen is None:
        return asked
    instalment, balance = Fraction(ask.requested_fen, ask.term_months), values["balance_mean_fen_180d"]
    return asked | {
        "requested_amount_fen": ask.requested_fen,
        "requested_instalment_fen": instalment,
        "requested_instalment_to_receipts_90d": share(3 * instalment, values["receipts_fen_90d"]),
        "requested_amount_to_balance_180d": ask.requested_fen / balance if balance and balance > 0 else None,
        "net_flow_to_instalment_180d": values["net_flow_fen_180d"] / 6 / instalment,
    }


def known_through(told, seen, as_of_us):
    """The least watermark of the channels that have reported a payment of 187 days; None where none has told."""
    used = {each.channel for each in seen if as_of_us - each.occurred_us < 187 * DAY}
    return min([each.complete_through_us for each in told if each.channel in used], default=None)


def expected(case):
    merchant, now_us, known_us, zone = case["merchant"], case["as_of_us"], case["known_us"], case["zone"]
    known = [each for each in case["log"] if each.known_us <= known_us and each.occurred_us <= now_us]
    through_us = known_through(case["told"], known, now_us)
    as_of_us = now_us if through_us is None else min(now_us, through_us)
    seen = [each for each in known if each.occurred_us <= as_of_us]
    every = [Net(each, known, as_of_us, zone) for each in seen if each.kind == PaymentKind.RECEIPT]
    nets = [each for each in every if each.net > 0]
    values = of_receipts(nets, every, merchant) | of_days(nets, as_of_us, zone) | of_flows(seen, nets, as_of_us, zone)
    values |= of_evidence(seen, every, nets, merchant, as_of_us, zone)
    values |= of_facts(case["facts"], merchant, local_day(now_us, zone), case["ask"].term_months)
    values["feed_lag_hours"] = None if through_us is None else Fraction(now_us - as_of_us, HOUR)
    values |= {name: getattr(case["exposure"], name) for name in Exposure.__dataclass_fields__}
    return values | of_ask(case["ask"], values)
