"""The windowed indicators of docs/indicators.md in DuckDB's SQL, over the raw payments: their tests' oracle.

It reads that page and nothing of the code that it judges: a question is its name, and local time is DuckDB's own. Rows
that are measured stand in one table; every measure is one expression or one query over the rows of each slice, that is
of one filter in one window.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import duckdb
import pyarrow as pa
from tests.holiday_table import days_off
from tests.indicator_sql_text import (
    CHOSEN,
    DAYS,
    FACETS,
    GAPS,
    LOST,
    MEASURED,
    MEASURES,
    OF_DAYS,
    OF_ONE_DAY,
    OF_PAYERS,
    OF_ROWS,
    PAID,
    PAYERS,
    RELATIVE,
    ROWS,
    SCATTER,
    ZERO,
)

COLUMNS = pa.schema(
    {
        "payment_id": pa.string(),
        "payer_token": pa.string(),
        "amount_fen": pa.int64(),
        "occurred_us": pa.int64(),
        "kind": pa.string(),
        "refund_of": pa.string(),
        "instrument": pa.string(),
        "code_kind": pa.string(),
        "payer_real_name": pa.bool_(),
        "payer_account_age_days": pa.int64(),
        "balance_after_fen": pa.int64(),
        "known_us": pa.int64(),
    }
)
"""What is read of fanxing.payments.RecordedPayment."""
HOLIDAYS = pa.table({"day": days_off()})

_FACET = "|".join(FACETS)
_NAME = re.compile(
    f"({'|'.join(MEASURES)})((?:_(?:{_FACET}))*)_([0-9]+d|month_[0-9]+)(?:_({'|'.join((*RELATIVE, *OF_DAYS))}))?"
)


@dataclass(frozen=True)
class Window:
    """The last `days` days; or the month `month` months ago; or, `shifted`, as many days before the last ones."""

    days: int = 0
    month: int = 0
    shifted: bool = False

    @property
    def before(self) -> "Window":
        return Window(self.days, shifted=True) if self.days else Window(month=self.month + 1)

    def span(self, today: date) -> tuple[date, date]:
        """The first and the last day."""
        if self.days:
            last = today - timedelta(days=self.days * self.shifted)
            return last - timedelta(days=self.days - 1), last
        year, month = divmod(today.year * 12 + today.month - 1 - self.month, 12)
        after = date(year + month // 11, (month + 1) % 12 + 1, 1)
        return date(year, month + 1, 1), min(today, after - timedelta(days=1))


@dataclass(frozen=True)
class Slice:
    """The rows of a kind that have all facets, in a window."""

    kind: str
    facets: tuple[str, ...]
    window: Window


@dataclass(frozen=True)
class Question:
    """What a name asks for."""

    measure: str
    slice: Slice
    statistic: str

    @property
    def other(self) -> tuple[str, Slice] | None:
        """What is divided by."""
        at = self.slice
        return {
            "per_active_day": ("days", at),
            "to_before": (self.measure, Slice(at.kind, at.facets, at.window.before)),
            "share": (self.measure, Slice(at.kind, (), at.window)),
        }.get(self.statistic)


@cache
def question_of(name: str) -> Question:
    """Reads measure, filter, window, statistic."""
    found = _NAME.fullmatch(name)
    assert found, name
    kind, measure = MEASURES[found[1]]
    window = Window(month=int(found[3][6:])) if found[3].startswith("month_") else Window(days=int(found[3][:-1]))
    return Question(measure, Slice(kind, tuple(re.findall(_FACET, found[2])), window), found[4] or "")


Need = tuple[str, Slice, str]
"""A measure of a slice, or a statistic of its days."""


def needs_of(asked: Iterable[Question]) -> set[Need]:
    """What questions are answered from."""
    needed = {(each.measure, each.slice, each.statistic if each.statistic in OF_DAYS else "") for each in asked}
    return needed | {(*each.other, "") for each in asked if each.other}


@dataclass(frozen=True)
class Cut:
    """Slices and those before them, and their filters, by number; `table` is of the slices."""

    numbers: dict[Slice, int]
    filters: dict[tuple[str, tuple[str, ...]], int]
    table: pa.Table


def cut_of(wanted: Iterable[Slice], today: date) -> Cut:
    """Numbers all slices."""
    wanted = sorted(set(wanted), key=repr)
    before = [Slice(each.kind, each.facets, each.window.before) for each in wanted]
    numbers = {each: number for number, each in enumerate(dict.fromkeys([*wanted, *before]))}
    filters = {each: number for number, each in enumerate(dict.fromkeys((each.kind, each.facets) for each in wanted))}
    spans = [each.window.span(today) for each in numbers]
    columns = {
        "slice": range(len(numbers)),
        "filter": [filters[each.kind, each.facets] for each in numbers],
        "first_day": [first for first, _ in spans],
        "last_day": [last for _, last in spans],
        "before": [numbers[each] for each in before] + [None] * (len(numbers) - len(wanted)),
    }
    return Cut(numbers, filters, pa.table(columns))


class Merchant:
    """One merchant's payments, asked as of any moment and knowledge."""

    def __init__(self, payments, time_zone: str, controller: str) -> None:
        self._zone, self._controller = time_zone, controller
        self._duck = duckdb.connect(config={"threads": 1})
        columns = {name: [getattr(each, name) for each in payments] for name in COLUMNS.names}
        self._keep("payments", pa.table(columns, schema=COLUMNS))
        self._keep("holidays", HOLIDAYS)

    def answers(self, names, as_of_us: int, known_us: int, refunds_us: int | None = None) -> dict[str, float]:
        """The value of each indicator, NaN where missing; refunds count by `as_of_us`, or by a later `refunds_us`."""
        today = self._measure(as_of_us, known_us, as_of_us if refunds_us is None else refunds_us)
        asked = {name: question_of(name) for name in names}
        needed = needs_of(asked.values())
        cut = cut_of([each for _, each, _ in needed], today)
        self._choose(cut)
        values = {}
        for measure, statistic in sorted({(measure, statistic) for measure, _, statistic in needed}):
            wanted = [each for each in needed if each[::2] == (measure, statistic)]
            found = self._found(measure, statistic, [cut.numbers[each] for _, each, _ in wanted])
            absent = 0 if measure in ZERO and not statistic else None
            values |= {each: found.get(cut.numbers[each[1]], absent) for each in wanted}
        return {name: _told(each, values) for name, each in asked.items()}

    def _measure(self, as_of_us: int, known_us: int, refunds_us: int) -> date:
        """Makes `paid` and `measured`; returns the local day of today."""
        self._drop("paid", "measured", "filtered", "chosen")
        moments = {"zone": self._zone, "as_of": as_of_us, "known": known_us, "refunds": refunds_us}
        self._duck.execute(PAID, moments)
        self._duck.execute(MEASURED, {"controller": self._controller})
        today = "SELECT timezone($zone, make_timestamptz($as_of))::DATE"
        return self._duck.execute(today, {"zone": self._zone, "as_of": as_of_us}).fetchone()[0]

    def _choose(self, cut: "Cut") -> None:
        """Makes `filtered`, `slices` and `chosen`."""
        self._filter(cut.filters)
        self._keep("slices", cut.table)
        self._duck.execute(CHOSEN)

    def _filter(self, filters: dict[tuple[str, tuple[str, ...]], int]) -> None:
        """Makes `filtered`: the measured rows of each filter."""
        parts = []
        for (kind, facets), number in filters.items():
            conditions = " AND ".join((f"row_kind = '{kind}'", *(f"is_{facet}" for facet in facets)))
            columns = "day, place, payer_token, has_payer, value"
            parts.append(f"SELECT {number} AS filter, {columns} FROM measured WHERE {conditions}")
        self._duck.execute(f"CREATE TEMP TABLE filtered AS {' UNION ALL '.join(parts)}")

    def _found(self, measure: str, statistic: str, slices: list[int]) -> dict[int, float]:
        """A measure, or a statistic of its days, of many slices."""
        self._keep("wanted", pa.table({"slice": slices}))
        if statistic:
            column = OF_DAYS[statistic].format(x=SCATTER.format("x"), y=SCATTER.format("y"))
            query = DAYS.format(value=OF_ONE_DAY[measure], column=column)
        elif measure in OF_ROWS:
            query = ROWS.format(column=OF_ROWS[measure])
        elif measure in OF_PAYERS:
            query = PAYERS.format(column=OF_PAYERS[measure])
        else:
            query = {"payers_lost": LOST, "longest_gap_days": GAPS}[measure]
        return dict(self._duck.execute(query).fetchall())

    def _keep(self, name: str, table: pa.Table) -> None:
        self._drop(name)
        self._duck.register("given", table)
        self._duck.execute(f"CREATE TEMP TABLE {name} AS FROM given")

    def _drop(self, *names: str) -> None:
        for name in names:
            self._duck.execute(f"DROP TABLE IF EXISTS {name}")


def _told(question: Question, values: dict) -> float:
    """The value of a question, from those that it needs."""
    daily = question.statistic if question.statistic in OF_DAYS else ""
    value = values[question.measure, question.slice, daily]
    if value is not None and question.other:
        by = values[*question.other, ""]
        value = value / by if by is not None and by > 0 else None
    return math.nan if value is None else float(value)
