"""Families: what is measured of a filter's payments in a window, and by which statistics it is told.

A family times its filters, windows and statistics gives its indicators. Places of measures and statistics are the
core's (windows.h).
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import partial

from fanxing.indicators import facets, windows
from fanxing.indicators.definition import MISSING, ZERO
from fanxing.indicators.facets import Facet, Filter
from fanxing.indicators.windows import Window


class Measure(IntEnum):
    """What the core computes of the rows of a filter in a window."""

    COUNT = 0
    SUM = 1
    MEAN = 2
    DEVIATION = 3
    LEAST = 4
    MOST = 5
    LATEST = 6
    ACTIVE_DAYS = 7
    LONGEST_GAP = 8
    LOW = 9
    MEDIAN = 10
    HIGH = 11
    TOP_SHARE = 12
    CONCENTRATION = 13
    DISTINCT = 14
    NEWCOMERS = 15
    RETURNING = 16
    LOST = 17
    REPEATING = 18


class Statistic(IntEnum):
    """How a measure is told."""

    VALUE = 0
    PER_ACTIVE_DAY = 1
    TO_BEFORE = 2
    SHARE = 3
    SLOPE = 4
    VOLATILITY = 5
    ZSCORE = 6

    @property
    def suffix(self) -> str:
        """As it stands at the end of an indicator's name."""
        return f"_{self.name.lower()}" if self else ""


@dataclass(frozen=True, slots=True)
class Family:
    """`kind`: the facet that makes a payment one of these.

    `statistics` are told over `windows`, `daily` over the spans of two weeks or more of single filters.
    """

    name: str
    measure: Measure
    unit: str
    meaning: str
    missing: str
    kind: Facet = Facet.RECEIPT
    filters: tuple[Filter, ...] = facets.SINGLES
    windows: tuple[Window, ...] = windows.ALL
    statistics: tuple[Statistic, ...] = (Statistic.VALUE,)
    daily: tuple[Statistic, ...] = ()


_VALUE, _ACTIVE, _BEFORE, _SHARE = Statistic.VALUE, Statistic.PER_ACTIVE_DAY, Statistic.TO_BEFORE, Statistic.SHARE
_EVERY = facets.SINGLES + facets.PAIRS
_AMOUNTS = (_VALUE, _ACTIVE, _BEFORE, _SHARE)
_DAILY = (Statistic.SLOPE, Statistic.VOLATILITY, Statistic.ZSCORE)
_OF_PAYERS = (facets.ALL, *(Filter((facet,)) for facet in facets.COUNTED))
_M = Measure

_outflows = partial(Family, kind=Facet.OUTFLOW, filters=facets.TIMES_AND_AMOUNTS)
_balances = partial(Family, kind=Facet.BALANCE_TOLD, filters=(facets.ALL,))

FAMILIES = (
    Family("receipts_count", _M.COUNT, "count", "receipts", ZERO, filters=_EVERY, statistics=_AMOUNTS, daily=_DAILY),
    Family("receipts_fen", _M.SUM, "fen", "sum of receipts", ZERO, filters=_EVERY, statistics=_AMOUNTS, daily=_DAILY),
    Family("receipts_mean_fen", _M.MEAN, "fen", "mean receipt", MISSING, filters=_EVERY, statistics=(_VALUE, _BEFORE)),
    Family(
        "receipts_deviation_fen",
        _M.DEVIATION,
        "fen",
        "standard deviation of receipts",
        MISSING,
        statistics=(_VALUE, _BEFORE),
    ),
    Family("receipts_min_fen", _M.LEAST, "fen", "smallest receipt", MISSING),
    Family("receipts_max_fen", _M.MOST, "fen", "largest receipt", MISSING, statistics=(_VALUE, _BEFORE)),
    Family("receipts_low_fen", _M.LOW, "fen", "10 % quantile of receipts", MISSING, windows=windows.SPANS),
    Family("receipts_median_fen", _M.MEDIAN, "fen", "median of receipts", MISSING, windows=windows.SPANS),
    Family("receipts_high_fen", _M.HIGH, "fen", "90 % quantile of receipts", MISSING, windows=windows.SPANS),
    Family(
        "active_days",
        _M.ACTIVE_DAYS,
        "day",
        "local days with receipts",
        ZERO,
        filters=_EVERY,
        statistics=(_VALUE, _BEFORE),
    ),
    Family(
        "longest_gap_days", _M.LONGEST_GAP, "day", "longest run of local days without receipts since the first", MISSING
    ),
    Family("payers_distinct", _M.DISTINCT, "count", "known payers of receipts", ZERO, filters=_OF_PAYERS),
    Family(
        "payers_new",
        _M.NEWCOMERS,
        "count",
        "known payers with their first of all receipts",
        ZERO,
        filters=_OF_PAYERS,
        windows=windows.SPANS,
    ),
    Family(
        "payers_returning",
        _M.RETURNING,
        "count",
        "known payers with an earlier of receipts",
        ZERO,
        filters=_OF_PAYERS,
        windows=windows.SPANS,
    ),
    Family(
        "payers_lost",
        _M.LOST,
        "count",
        "known payers not seen, but in the window before, of receipts",
        ZERO,
        filters=_OF_PAYERS,
        windows=windows.SPANS,
    ),
    Family(
        "payer_repeat_rate",
        _M.REPEATING,
        "ratio",
        "share of known payers with two or more of receipts",
        MISSING,
        filters=_OF_PAYERS,
        windows=windows.SPANS,
    ),
    Family(
        "payer_top_share",
        _M.TOP_SHARE,
        "ratio",
        "largest known payer's share of receipts",
        MISSING,
        filters=facets.FEW,
        windows=windows.SPANS,
    ),
    Family(
        "payer_concentration",
        _M.CONCENTRATION,
        "ratio",
        "sum of squares of known payers' shares of receipts",
        MISSING,
        filters=facets.FEW,
        windows=windows.SPANS,
    ),
    Family(
        "refunds_count",
        _M.COUNT,
        "count",
        "receipts sent back, whole or in part,",
        ZERO,
        kind=Facet.RETURNED,
        statistics=(_VALUE, _BEFORE, _SHARE),
    ),
    Family(
        "refunds_fen",
        _M.SUM,
        "fen",
        "sum sent back of receipts",
        ZERO,
        kind=Facet.RETURNED,
        statistics=(_VALUE, _BEFORE, _SHARE),
    ),
    _outflows("outflow_count", _M.COUNT, "count", "outflows", ZERO, statistics=_AMOUNTS, daily=_DAILY),
    _outflows("outflow_fen", _M.SUM, "fen", "sum of outflows", ZERO, statistics=_AMOUNTS, daily=_DAILY),
    _outflows("outflow_mean_fen", _M.MEAN, "fen", "mean outflow", MISSING, statistics=(_VALUE, _BEFORE)),
    _outflows("outflow_max_fen", _M.MOST, "fen", "largest outflow", MISSING, statistics=(_VALUE, _BEFORE)),
    _outflows("outflow_days", _M.ACTIVE_DAYS, "day", "local days with outflows", ZERO),
    _balances("balance_min_fen", _M.LEAST, "fen", "lowest balance told", MISSING),
    _balances("balance_max_fen", _M.MOST, "fen", "highest balance told", MISSING),
    _balances("balance_mean_fen", _M.MEAN, "fen", "mean of the balances told", MISSING, statistics=(_VALUE, _BEFORE)),
    _balances("balance_deviation_fen", _M.DEVIATION, "fen", "standard deviation of the balances told", MISSING),
    Family(
        "balance_negative_count",
        _M.COUNT,
        "count",
        "times that the balance told was negative",
        ZERO,
        kind=Facet.OVERDRAWN,
        filters=(facets.ALL,),
    ),
    _balances("balance_last_fen", _M.LATEST, "fen", "last balance told", MISSING),
)
