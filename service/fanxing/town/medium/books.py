"""A shop's books from its receipts: works thin them, some are sent back, money flows out, the balance follows."""

import numpy as np

from fanxing.town.medium.habits import habits_of
from fanxing.town.medium.rows import NOBODY, OUTFLOW, RECEIPT, REFUND, happened_us, new_rows, roll
from fanxing.town.medium.shops import Shop
from fanxing.town.medium.size import Size, stream
from fanxing.town.world import HOUR_US

_REFUNDS, _REFUND_DAYS, _PARTIAL = 4, 12, 5
"""Four receipts in a thousand are sent back up to 12 days later, one of five of them in half."""
_OPENING_FEN = 500_000
_SERVICE_DAY, _MONTH = 5, 30
_SUPPLIERS, _NAMED_SUPPLIERS = 3, 0.7
_FIRST_US, _SPAN_S = 6 * HOUR_US, 16 * 3600
"""Between 6:00 and 22:00 the shop pays others."""


def thin(rows: np.ndarray, lost_share: np.ndarray) -> np.ndarray:
    """The receipts that come in spite of works; `lost_share` by day, shape (days,)."""
    kept = roll(rows, 1, 100_000) >= lost_share[rows["day"]] * 100_000
    return np.asarray(rows[kept | (rows["kind"] != RECEIPT)])


def balanced(seed: int, size: Size, shop: Shop, rows: np.ndarray) -> np.ndarray:
    """All payments, ROW (n,), in the order of happening, with refunds, outflows and balances."""
    rows = in_order(rows)
    rows = np.concatenate([rows, _refunds(rows, size), _outflows(seed, size, shop, rows)])
    order = np.argsort(happened_us(rows), kind="stable")
    places = np.empty(len(rows), dtype="i4")
    places[order] = np.arange(len(rows))
    rows = rows[order]
    back = rows["kind"] == REFUND
    rows["refund_of"][back] = places[rows["refund_of"][back]]
    signed = np.where(rows["kind"] == RECEIPT, rows["amount_fen"], -rows["amount_fen"])
    rows["balance_fen"] = _OPENING_FEN + np.cumsum(signed)
    return rows


def in_order(rows: np.ndarray) -> np.ndarray:
    """The rows in the order of happening."""
    return np.asarray(rows[np.argsort(happened_us(rows), kind="stable")])


def _refunds(rows: np.ndarray, size: Size) -> np.ndarray:
    """What is sent back, to the same payer, days later; `refund_of` is the receipt's place in `rows`."""
    chosen = np.flatnonzero((rows["kind"] == RECEIPT) & (roll(rows, 2, 1000) < _REFUNDS))
    refunds = rows[chosen]
    refunds["kind"], refunds["refund_of"] = REFUND, chosen
    refunds["day"] += 1 + roll(refunds, 3, _REFUND_DAYS)
    partial = roll(refunds, 4, _PARTIAL) == 0
    refunds["amount_fen"][partial] //= 2
    refunds["dice"] = refunds["dice"] // np.uint64(2) + np.uint64(1)
    return np.asarray(refunds[refunds["day"] < size.days])


def _outflows(seed: int, size: Size, shop: Shop, rows: np.ndarray) -> np.ndarray:
    """Goods are bought from a few suppliers, and cheats' money goes home, from what the day left; debts are served."""
    rng = stream(seed, "outflows", shop.dice)
    share = rng.uniform(0.7, 1.1, size.days)
    signed = np.where(rows["kind"] == RECEIPT, rows["amount_fen"], -rows["amount_fen"])
    left = np.maximum(0, np.bincount(rows["day"], signed, minlength=size.days))
    day = np.arange(size.days)
    spent = new_rows(rng, day, OUTFLOW)
    suppliers = rng.integers(size.residents, size=_SUPPLIERS)[rng.integers(_SUPPLIERS, size=size.days)]
    customer = rows["account"][0] if len(rows) else NOBODY
    suppliers = np.where(rng.random(size.days) < habits_of(seed, shop).custom, customer, suppliers)
    spent["account"] = np.where(rng.random(size.days) < _NAMED_SUPPLIERS, suppliers, NOBODY)
    spent["amount_fen"] = left * share
    served = new_rows(rng, day[(day % _MONTH == _SERVICE_DAY) & (day >= shop.opened_day)], OUTFLOW)
    served["amount_fen"] = sum(debt.monthly_service_fen for debt in shop.debts)
    flows = np.concatenate([spent, served])
    flows["time_us"] = _FIRST_US + roll(flows, 10, _SPAN_S) * 1_000_000
    return np.asarray(flows[flows["amount_fen"] > 0])
