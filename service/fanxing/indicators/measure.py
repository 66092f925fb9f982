"""measure: payments, facts and exposure as known -> the indicators asked for. Pure: equal inputs give equal bits."""

from collections.abc import Iterable

import numpy as np

from fanxing.facts import Fact
from fanxing.feeds import Watermark
from fanxing.indicators.ask import Ask
from fanxing.indicators.evidence import evidence_of
from fanxing.indicators.exposure import Exposure
from fanxing.indicators.graph import NO_GRAPH, PayerGraph
from fanxing.indicators.history import PaymentHistory
from fanxing.indicators.known_through import known_through_us, lag_hours
from fanxing.indicators.local_time import DAY_US, local_us
from fanxing.indicators.peers import NO_PEERS, RANKS, Peers
from fanxing.indicators.reading import reading_of
from fanxing.indicators.receipts import Receipts, clean_payments, shared_device_share
from fanxing.indicators.state import state_of
from fanxing.indicators.surroundings import debts, works
from fanxing.merchants import Merchant

_MONTH_DAYS = 30.4375
_TREND_DAYS = 60
"""A trade that begins has no trend."""
Values = dict[str, float | None]


def measure(
    names: tuple[str, ...],
    merchant: Merchant,
    history: PaymentHistory,
    facts: tuple[Fact, ...],
    graph: PayerGraph | None,
    exposure: Exposure,
    ask: Ask,
    as_of_us: int,
    time_zone: str,
    told: Iterable[Watermark] = (),
    peers: Peers = NO_PEERS,
) -> np.ndarray:
    """The indicators of these names: float64 (len(names),), NaN where missing.

    `history`, `facts` and `told` hold what was known; payments dated after `as_of_us` (microseconds UTC) are left out
    here. Where receipts are known less far, what asks about the trade is asked as of the last moment that they are, but
    for refunds, which can only lower it: one that is on record by `as_of_us` is booked against its receipt.
    """
    reading = reading_of(names)
    known_us = known_through_us(history, told, as_of_us)
    trade_us = as_of_us if known_us is None else known_us
    today, trade_day = (local_us(np.array([as_of_us, trade_us]), time_zone) // DAY_US).tolist()
    values: Values = {"feed_lag_hours": None if known_us is None else lag_hours(as_of_us, known_us)}
    if reading.windowed:
        state = state_of(history, merchant.controller_token, time_zone, trade_us, b"", as_of_us)
        values |= dict(zip(reading.windowed, reading.plan.answer(state, trade_day).tolist(), strict=True))
    if reading.plain:
        trade = clean_payments(history, trade_us, time_zone, as_of_us)
        values |= _ages(history, trade, trade_us) | _made_of(values, trade) | _exposed(exposure)
        values |= works(facts, merchant.frontage, today, ask.term_months) | debts(facts, today)
        values["shared_device_share_90d"] = shared_device_share(merchant, history, trade, trade_day)
        values |= _asked(ask, values)
    if reading.evidence:
        values |= evidence_of(merchant, history, trade, graph or NO_GRAPH, trade_day)
    values |= {name: peers.rank(RANKS[name], merchant, values[RANKS[name]]) for name in reading.ranks}
    row = [values[name] for name in names]
    return np.array([np.nan if value is None else value for value in row], "f8")


def _ages(history: PaymentHistory, trade: Receipts, as_of_us: int) -> Values:
    occurred_us = history.rows["occurred_us"]
    occurred_us = occurred_us[occurred_us <= as_of_us]
    newest = float(as_of_us - occurred_us.max()) / DAY_US if len(occurred_us) else None
    oldest = float(as_of_us - occurred_us.min()) / DAY_US if len(occurred_us) else None
    months = float(trade.age_us.max()) / DAY_US / _MONTH_DAYS if len(trade.age_us) else 0.0
    return {"days_since_last_payment": newest, "days_since_first_payment": oldest, "months_of_trade": months}


def _made_of(values: Values, trade: Receipts) -> Values:
    """Plain indicators that are made of windowed ones, as far as those were wanted."""
    made: Values = {"receipts_trend_90d": None}
    for days in (30, 90, 180):
        receipts, outflow = values.get(f"receipts_fen_{days}d"), values.get(f"outflow_fen_{days}d")
        if receipts is not None and outflow is not None:
            made[f"net_flow_fen_{days}d"] = receipts - outflow
        refunds = values.get(f"refunds_fen_{days}d")
        if receipts is not None and refunds is not None:
            made[f"refund_share_{days}d"] = ratio(refunds, receipts + refunds)
    month, quarter = values.get("receipts_fen_30d"), values.get("receipts_fen_90d")
    started = len(trade.age_us) and trade.age_us[-1] >= _TREND_DAYS * DAY_US
    if started and month is not None and quarter is not None:
        made["receipts_trend_90d"] = ratio(month, (quarter - month) / 2)
    return made


def _exposed(exposure: Exposure) -> Values:
    return {
        "lines_open": exposure.lines_open,
        "outstanding_fen": exposure.outstanding_fen,
        "group_outstanding_fen": exposure.group_outstanding_fen,
        "previous_limit_fen": exposure.previous_limit_fen,
        "last_limit_fen": exposure.last_limit_fen,
        "instalments_paid_on_time": exposure.instalments_paid_on_time,
        "funder_headroom_fen": exposure.funder_headroom_fen,
    }


def _asked(ask: Ask, values: Values) -> Values:
    """What is asked for, alone and against the trade."""
    amount, instalment = ask.requested_fen, None if ask.requested_fen is None else ask.requested_fen / ask.term_months
    net_flow = values.get("net_flow_fen_180d")
    if net_flow is None and "outflow_fen_180d" in values:
        net_flow = (values["receipts_fen_180d"] or 0) - (values["outflow_fen_180d"] or 0)
    return {
        "requested_term_months": ask.term_months,
        "requested_amount_fen": amount,
        "requested_instalment_fen": instalment,
        "requested_instalment_to_receipts_90d": ratio(instalment, (values.get("receipts_fen_90d") or 0) / 3),
        "requested_amount_to_balance_180d": ratio(amount, values.get("balance_mean_fen_180d")),
        "net_flow_to_instalment_180d": ratio(None if net_flow is None else net_flow / 6, instalment),
    }


def ratio(part: float | None, whole: float | None) -> float | None:
    """Part / whole, missing where either is or the whole is not positive."""
    if part is None or whole is None or not whole > 0:  # not > 0: a NaN too
        return None
    return part / whole
