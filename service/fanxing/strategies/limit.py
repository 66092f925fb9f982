"""The limit: collect more, borrow more. Source: limit-and-price 6 to 15; every constant is the policy's.

limit = floor to a step of min(T x m x min(Breadth, Capacity), the other caps). Amounts are computed as doubles, rounded
to the fen and then floored, so that noise in the last bit cannot cost a step.
"""

import math
from collections.abc import Iterator, Mapping

from fanxing.money import FEN_MAX
from fanxing.strategies.constants import LimitRules
from fanxing.strategies.decision import Cap

READS = frozenset(
    {
        "evidence_b",
        "months_of_trade",
        "works_metro_exposure",
        "works_pipes_exposure",
        "debt_service_monthly_fen",
        "debt_outside_fen",
        "credit_report_asked",
        "previous_limit_fen",
        "instalments_paid_on_time",
        "group_outstanding_fen",
        "funder_headroom_fen",
        "requested_amount_fen",
        "days_since_last_payment",
        "feed_lag_hours",
    }
)
"""What the limit reads of the row besides rules.receipts."""
FEED_LAG_READS = frozenset({"last_limit_fen"})
"""What it reads as well where rules.feed_lag is there."""
Values = Mapping[str, float]


def limit(
    rules: LimitRules, values: Values, pd_upper: float, category: str, months: int
) -> tuple[tuple[Cap, ...], int]:
    """Every cap, the binding one marked, and the limit in fen. `values` holds what is present."""
    amounts = list(_caps(rules, values, pd_upper, category, months))
    least = min(range(len(amounts)), key=lambda place: amounts[place][1])
    caps = tuple(
        Cap(name=name, amount_fen=amount, binds=place == least, reason_code=reason)
        for place, (name, amount, reason) in enumerate(amounts)
    )
    return caps, max(0, amounts[least][1]) // rules.step_fen * rules.step_fen


def risk_factor(rules: LimitRules, pd_upper: float) -> float:
    """m: from 1 where the PD's upper bound is low down to 0 at pd_at_zero."""
    return min(1.0, max(0.0, (rules.pd_at_zero - pd_upper) / rules.pd_width))


def annuity(annual_rate: float, months: int) -> float:
    """What a unit a month for so many months is worth today."""
    monthly = annual_rate / 12
    return months if monthly == 0 else (1 - (1 + monthly) ** -months) / monthly


def capacity(rules: LimitRules, values: Values, category: str, months: int) -> float:
    """What the trade can repay over the term at the rate cap, in fen. The cap and not the price: no circle."""
    receipts = values.get(rules.receipts, 0.0)
    for kind, effect in sorted(rules.works.items()):
        receipts *= 1 - effect * values.get(f"works_{kind}_exposure", 0.0)
    margin = rules.margins.get(category, rules.margin_other)
    free = rules.capacity_share * margin * receipts - values.get("debt_service_monthly_fen", 0.0)
    return max(0.0, free) * annuity(float(rules.rate_cap), months)


def _caps(
    rules: LimitRules, values: Values, pd_upper: float, category: str, months: int
) -> Iterator[tuple[str, int, str]]:
    """Name, amount in fen and reason code of each cap that applies."""
    risk = risk_factor(rules, pd_upper)
    if risk == 0:
        yield "risk", 0, "RISK"
    if _unknown_days(values) > rules.stale_days:
        yield "unknown_receipts", _fen(risk * rules.unknown_receipts_fen), "RECEIPTS_UNKNOWN"
    else:
        thin = min(1.0, rules.thin_base + rules.thin_per_month * values.get("months_of_trade", 0.0))
        if rules.breadth is not None:
            evidence = max(0.0, values.get("evidence_b", 0.0))
            breadth = rules.breadth.scale_fen * -math.expm1(-evidence / rules.breadth.evidence)
            yield "breadth", _fen(thin * risk * breadth), "BREADTH_OF_PAYERS"
        yield "capacity", _fen(thin * risk * capacity(rules, values, category, months)), "REPAYMENT_CAPACITY"
        if rules.turnover_months is not None:
            turnover = rules.turnover_months * values.get(rules.receipts, 0.0) - values.get("debt_outside_fen", 0.0)
            yield "turnover", _fen(turnover), "TURNOVER"
    yield from _fixed(rules, values)


def _fen(amount: float) -> int:
    """A cap in whole fen, within what money holds, whatever was given to Evaluate; none of NaN."""
    return round(min(FEN_MAX, max(-FEN_MAX, amount)))


def _unknown_days(values: Values) -> float:
    """For how long receipts have been unknown. Without a feed that tells, silence is all that there is to go by."""
    if "feed_lag_hours" in values:
        return values["feed_lag_hours"] / 24
    return values.get("days_since_last_payment", math.inf)


def _fixed(rules: LimitRules, values: Values) -> Iterator[tuple[str, int, str]]:
    """Caps that do not follow the trade."""
    yield "product", rules.product_fen, "PRODUCT_LIMIT"
    if rules.group_fen is not None:
        yield "group", _fen(rules.group_fen - values.get("group_outstanding_fen", 0.0)), "GROUP_LIMIT"
    if "funder_headroom_fen" in values:
        yield "funder", _fen(values["funder_headroom_fen"]), "FUNDER_HEADROOM"
    if rules.credit_report_not_asked_fen is not None and not values.get("credit_report_asked"):
        yield "credit_report_not_asked", rules.credit_report_not_asked_fen, "CREDIT_REPORT_NOT_ASKED"
    if rules.new_trade is not None and values.get("months_of_trade", 0.0) < rules.new_trade.months:
        yield "new_trade", rules.new_trade.fen, "NEW_TRADE"
    if rules.step_up is not None and "previous_limit_fen" in values:
        before = values["previous_limit_fen"]
        yield "step_up", _fen(rules.step_up.factor * before), "STEP_UP"
        if values.get("instalments_paid_on_time", 0.0) < rules.step_up.instalments:
            yield "step_up_unproven", _fen(max(before, rules.step_up.free_fen)), "STEP_UP"
    if rules.feed_lag is not None and values.get("feed_lag_hours", 0.0) > rules.feed_lag.no_increase_hours:
        yield "no_increase", _fen(values.get("last_limit_fen", 0.0)), "FEED_BEHIND"
    if "requested_amount_fen" in values:
        yield "requested", _fen(values["requested_amount_fen"]), "REQUESTED_AMOUNT"
