"""Money going out, and the balances that were told."""

import numpy as np

from fanxing.indicators.history import OUTFLOW
from fanxing.indicators.local_time import DAY_US

Values = dict[str, float | None]


def outflows(rows: np.ndarray, as_of_us: int) -> Values:
    """Counts and sums of outflows; `rows` (dtype ROW) all happened by `as_of_us`."""
    out = rows[rows["kind"] == OUTFLOW]
    age = as_of_us - out["occurred_us"]
    values: Values = {}
    for days in (7, 30, 90, 180, 365):
        recent = age < days * DAY_US
        values[f"outflow_fen_{days}d"] = int(out["amount_fen"][recent].sum())
        if days in {30, 90, 180}:
            values[f"outflow_count_{days}d"] = int(recent.sum())
    return values


def balances(rows: np.ndarray, as_of_us: int) -> Values:
    """Statistics of the balances told; of two at one moment the one recorded later is the last."""
    told = rows[rows["has_balance"]]
    told = told[np.argsort(told["occurred_us"], kind="stable")][::-1]
    age, balance = as_of_us - told["occurred_us"], told["balance_fen"]
    values: Values = {"balance_last_fen": int(balance[0]) if len(balance) else None}
    for days in (30, 90, 180, 365):
        recent = balance[: np.searchsorted(age, days * DAY_US, side="left")]
        values[f"balance_min_fen_{days}d"] = int(recent.min()) if len(recent) else None
        if days in {30, 90, 180}:
            values[f"balance_mean_fen_{days}d"] = int(recent.sum()) / len(recent) if len(recent) else None
        if days in {90, 180}:
            values[f"balance_deviation_fen_{days}d"] = float(np.std(recent)) if len(recent) else None
        if days in {90, 365}:
            values[f"balance_negative_count_{days}d"] = int((recent < 0).sum())
    return values
