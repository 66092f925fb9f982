"""Payments of one shop in columns."""

from datetime import date

import numpy as np

from fanxing.town.medium.size import FIRST_DAY
from fanxing.town.world import DAY_US, HOUR_US, UTC_OFFSET_HOURS

RECEIPT, REFUND, OUTFLOW = 0, 1, 2
BALANCE, DEBIT, CREDIT = 0, 1, 2
NOBODY = -1
ROW = np.dtype(
    [
        ("day", "i4"),  # of the town
        ("time_us", "i8"),  # since local midnight
        ("amount_fen", "i8"),
        ("account", "i4"),  # the other party, or NOBODY
        ("kind", "i1"),
        ("instrument", "i1"),
        ("own_device", "?"),  # paid from the shop's device
        ("personal_code", "?"),
        ("fake", "?"),  # a cheat's, not trade
        ("refund_of", "i4"),  # place of the receipt, or NOBODY
        ("balance_fen", "i8"),
        ("dice", "u8"),  # what chance does to it later; twins' rows have the same
    ]
)
ORIGIN_US = (FIRST_DAY - date(1970, 1, 1)).days * DAY_US - UTC_OFFSET_HOURS * HOUR_US
"""Local midnight before the first day, in microseconds since 1970 UTC."""


def new_rows(rng: np.random.Generator, days: np.ndarray, kind: int = RECEIPT) -> np.ndarray:
    """Rows of those days, ROW (n,), with nothing but their chance to say."""
    rows = np.zeros(len(days), ROW)
    rows["day"], rows["kind"] = days, kind
    rows["account"] = rows["refund_of"] = NOBODY
    rows["dice"] = rng.integers(1 << 63, size=len(days))
    return rows


def roll(rows: np.ndarray, place: int, sides: int) -> np.ndarray:
    """Each row's own throw of dice with so many sides (SplitMix64's mixing); another `place` is another throw."""
    mixed = rows["dice"] + np.uint64(0x9E3779B97F4A7C15 * place % (1 << 64))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) % np.uint64(sides)).astype("i8")


def happened_us(rows: np.ndarray) -> np.ndarray:
    """When each truly happened, in microseconds since 1970 UTC."""
    return np.asarray(ORIGIN_US + rows["day"] * np.int64(DAY_US) + rows["time_us"])


def amounts(rng: np.random.Generator, median_fen: float, sd: float, count: int) -> np.ndarray:
    """Tickets in whole tenths of a yuan, at least one yuan, int64 (count,)."""
    return np.asarray(np.maximum(100, np.round(median_fen * np.exp(rng.normal(0, sd, count)), -1))).astype("i8")
