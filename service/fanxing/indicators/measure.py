"""measure: payments, facts and exposure as known -> one row of the catalogue. Pure: equal inputs give equal bits."""

import numpy as np

from fanxing.facts import Fact
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import INDEX, NAMES
from fanxing.indicators.evidence import evidence_of
from fanxing.indicators.exposure import Exposure
from fanxing.indicators.flows import balances, outflows
from fanxing.indicators.graph import NO_GRAPH, PayerGraph
from fanxing.indicators.history import PaymentHistory
from fanxing.indicators.local_time import DAY_US, local_us
from fanxing.indicators.receipts import Receipts, clean_payments, receipts
from fanxing.indicators.surroundings import debts, works
from fanxing.merchants import Merchant

_MONTH_DAYS = 30.4375


def measure(
    merchant: Merchant,
    history: PaymentHistory,
    facts: tuple[Fact, ...],
    graph: PayerGraph | None,
    exposure: Exposure,
    ask: Ask,
    as_of_us: int,
    time_zone: str,
) -> np.ndarray:
    """The row: float64 (len(NAMES),), NaN where missing.

    `history` and `facts` hold what was known; payments dated after `as_of_us` (microseconds UTC) are left out here.
    """
    rows = history.rows
    happened = rows["occurred_us"] <= as_of_us
    local = local_us(np.array([as_of_us]), time_zone)[0]
    trade = clean_payments(history, as_of_us, time_zone)
    values = {
        **receipts(merchant, history, trade, int(local // DAY_US)),
        **outflows(rows[happened], as_of_us),
        **balances(rows[happened], as_of_us),
        **_ages(rows["occurred_us"][happened], trade, as_of_us),
        **evidence_of(merchant, history, trade, graph or NO_GRAPH, int(local // DAY_US)),
        **works(facts, merchant.frontage, int(local // DAY_US), ask.term_months),
        **debts(facts, int(local // DAY_US)),
        **_exposed(exposure),
    }
    values |= _net_flows(values)
    values |= _asked(ask, values)
    assert values.keys() <= INDEX.keys(), values.keys() - INDEX.keys()
    row = np.full(len(NAMES), np.nan)
    for name, value in values.items():
        row[INDEX[name]] = np.nan if value is None else value
    return row


def _ages(occurred_us: np.ndarray, trade: Receipts, as_of_us: int) -> dict[str, float | None]:
    newest = float(as_of_us - occurred_us.max()) / DAY_US if len(occurred_us) else None
    oldest = float(as_of_us - occurred_us.min()) / DAY_US if len(occurred_us) else None
    months = float(trade.age_us.max()) / DAY_US / _MONTH_DAYS if len(trade.age_us) else 0.0
    return {"days_since_last_payment": newest, "days_since_first_payment": oldest, "months_of_trade": months}


def _exposed(exposure: Exposure) -> dict[str, float | None]:
    return {
        "lines_open": exposure.lines_open,
        "outstanding_fen": exposure.outstanding_fen,
        "group_outstanding_fen": exposure.group_outstanding_fen,
        "previous_limit_fen": exposure.previous_limit_fen,
        "instalments_paid_on_time": exposure.instalments_paid_on_time,
        "funder_headroom_fen": exposure.funder_headroom_fen,
    }


def _net_flows(values: dict[str, float | None]) -> dict[str, float | None]:
    windows = (30, 90, 180)
    return {
        f"net_flow_fen_{days}d": (values[f"receipts_fen_{days}d"] or 0) - (values[f"outflow_fen_{days}d"] or 0)
        for days in windows
    }


def _asked(ask: Ask, values: dict[str, float | None]) -> dict[str, float | None]:
    """What is asked for, alone and against the trade."""
    asked: dict[str, float | None] = {"requested_term_months": ask.term_months}
    if ask.requested_fen is None:
        return asked
    instalment = ask.requested_fen / ask.term_months
    return asked | {
        "requested_amount_fen": ask.requested_fen,
        "requested_instalment_fen": instalment,
        "requested_instalment_to_receipts_90d": ratio(instalment, (values["receipts_fen_90d"] or 0) / 3),
        "requested_amount_to_balance_180d": ratio(ask.requested_fen, values["balance_mean_fen_180d"]),
        "net_flow_to_instalment_180d": ratio((values["net_flow_fen_180d"] or 0) / 6, instalment),
    }


def ratio(part: float | None, whole: float | None) -> float | None:
    """Part / whole, missing where either is or the whole is not positive."""
    if part is None or whole is None or whole <= 0:
        return None
    return part / whole
