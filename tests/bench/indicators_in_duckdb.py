"""The windowed indicators as one would ask DuckDB for thousands of them: few grouped queries over one merchant.

Rows are measured as in tests/indicator_sql.py. Filters are joined by the bits of their facets. What can be added up is
so by filter and day first, and the slices are taken of days; only payers and quantiles are taken of rows.
"""

from collections.abc import Sequence
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
from tests import indicator_sql as sql
from tests import indicator_sql_text as text

MEASURES = tuple(dict.fromkeys(measure for _, measure in text.MEASURES.values()))
ADDED = {
    "count": "sum(n)",
    "fen": "sum(total)",
    "mean_fen": "sum(total)::DOUBLE / sum(n)",
    "deviation_fen": "sqrt((sum(n) * sum(squares) - sum(total) * sum(total))::DOUBLE) / sum(n)",
    "min_fen": "min(least)",
    "max_fen": "max(most)",
    "last_fen": "arg_max(latest, day)",
    "days": "count(*)",
}
ORDERED = {"low_fen": 1, "median_fen": 5, "high_fen": 9}
QUANTILES = f"""
SELECT slice, {", ".join(f"sorted[({tenths} * len(sorted) + 9) // 10]" for tenths in ORDERED.values())} FROM (
    SELECT slice, list_sort(list(value)) AS sorted FROM chosen SEMI JOIN of_order USING (slice) GROUP BY slice)
"""
BITS = {name: 1 << place for place, name in enumerate((*text.KINDS, *text.FACETS))}
MARKED = (
    "CREATE TEMP TABLE marked AS SELECT day, place, payer_token, has_payer, value, {} AS bits FROM measured".format(
        " | ".join(
            [f"if(row_kind = '{kind}', {BITS[kind]}::BIGINT, 0)" for kind in text.KINDS]
            + [f"if(is_{facet}, {BITS[facet]}::BIGINT, 0)" for facet in text.FACETS]
        )
    )
)
BY_DAY = """
CREATE TEMP TABLE by_day AS
SELECT filter, day, count(*) AS n, sum(value) AS total, sum(value::HUGEINT * value) AS squares,
    min(value) AS least, max(value) AS most, arg_max(value, place) AS latest
FROM marked JOIN filters ON bits & need = need GROUP BY filter, day
"""
DAYS_OF = """
CREATE TEMP TABLE days_of AS SELECT slice, by_day.*
FROM (FROM slices SEMI JOIN of_days USING (slice)) JOIN by_day USING (filter)
WHERE day BETWEEN first_day AND last_day
"""
CHOSEN = """
CREATE TEMP TABLE chosen AS SELECT slice, payer_token, has_payer, value
FROM (FROM slices SEMI JOIN of_rows USING (slice)) JOIN filtered USING (filter)
WHERE day BETWEEN first_day AND last_day
"""
FILTERED = """
CREATE TEMP TABLE filtered AS SELECT filter, day, payer_token, has_payer, value
FROM marked JOIN (SELECT DISTINCT filter, need FROM filters JOIN slices USING (filter) SEMI JOIN of_rows USING (slice))
ON bits & need = need
"""
PAYERS = f"""
WITH first_rows AS (SELECT filter, payer_token, min(day) AS first_seen FROM filtered GROUP BY ALL),
payers AS (
    SELECT slice, payer_token, has_payer, count(*) AS visits, sum(value) AS paid
    FROM chosen SEMI JOIN of_payers USING (slice) GROUP BY ALL)
SELECT slice, {", ".join(text.OF_PAYERS.values())}
FROM payers JOIN slices USING (slice) JOIN first_rows USING (filter, payer_token) GROUP BY slice
"""
LOST = text.LOST.replace("wanted", "of_lost")
GAPS = text.GAPS.replace("wanted", "of_gaps").replace("filtered", "by_day").replace("chosen", "days_of")
DAILY = """
WITH calendar AS (
    SELECT slice, last_day - day.generate_series::DATE AS age, day.generate_series::DATE AS day
    FROM of_daily JOIN slices USING (slice), generate_series(first_day, last_day, INTERVAL 1 DAY) AS day
    WHERE (SELECT min(day) FROM paid) <= first_day),
daily AS (
    SELECT slice, age, -age::HUGEINT AS x, coalesce(n, 0)::HUGEINT AS count, coalesce(total, 0)::HUGEINT AS fen
    FROM calendar LEFT JOIN days_of USING (slice, day))
"""
STATISTICS = tuple((measure, statistic) for measure in text.OF_ONE_DAY for statistic in text.OF_DAYS)
DAILY += "SELECT slice, {} FROM daily GROUP BY slice".format(
    ", ".join(
        text.OF_DAYS[statistic]
        .replace("sum(y)", f"sum({measure})")
        .replace("x * y", f"x * {measure}")
        .format(x=text.SCATTER.format("x"), y=text.SCATTER.format(measure))
        for measure, statistic in STATISTICS
    )
)
QUERIES = (
    (f"SELECT slice, {', '.join(ADDED.values())} FROM days_of GROUP BY slice", [(each, "") for each in ADDED]),
    (QUANTILES, [(each, "") for each in ORDERED]),
    (PAYERS, [(each, "") for each in text.OF_PAYERS]),
    (LOST, [("payers_lost", "")]),
    (GAPS, [("longest_gap_days", "")]),
    (DAILY, list(STATISTICS)),
)  # fmt: skip


class InDuckDB:
    """`answer()`: one value for each name, NaN where missing."""

    def __init__(self, payments, names: Sequence[str], today: date, moments: dict, controller: str) -> None:
        self._duck = duckdb.connect(config={"threads": 1})
        self._moments, self._controller = moments, controller
        columns = {name: [getattr(each, name) for each in payments] for name in sql.COLUMNS.names}
        self._keep("payments", pa.table(columns, schema=sql.COLUMNS))
        self._keep("holidays", sql.HOLIDAYS)
        asked = [sql.question_of(name) for name in names]
        needed = sql.needs_of(asked)
        self._cut = sql.cut_of([each for _, each, _ in needed], today)
        self._keep("slices", self._cut.table)
        need = [BITS[kind] | sum(BITS[facet] for facet in facets) for kind, facets in self._cut.filters]
        self._keep("filters", pa.table({"filter": list(self._cut.filters.values()), "need": need}))
        for kind, slices in slices_of(needed, self._cut).items():
            self._keep(f"of_{kind}", pa.table({"slice": pa.array(slices, pa.int64())}))
        self._values = Values(asked, self._cut)

    def answer(self) -> np.ndarray:
        """From the payments."""
        for name in ("paid", "measured", "marked", "filtered", "by_day", "days_of", "chosen"):
            self._duck.execute(f"DROP TABLE IF EXISTS {name}")
        self._duck.execute(text.PAID, self._moments)
        self._duck.execute(text.MEASURED, {"controller": self._controller})
        for query in (MARKED, BY_DAY, FILTERED, DAYS_OF, CHOSEN):
            self._duck.execute(query)
        self._values.clear()
        for query, columns in QUERIES:
            found = self._duck.execute(query).fetchnumpy()
            slices, *values = found.values()
            for column, each in zip(columns, values, strict=True):
                self._values.put(column, slices, each)
        return self._values.told()

    def _keep(self, name: str, table: pa.Table) -> None:
        self._duck.register("given", table)
        self._duck.execute(f"CREATE TEMP TABLE {name} AS FROM given")


def slices_of(needed: set[sql.Need], cut: sql.Cut) -> dict[str, list[int]]:
    """Of which slices each query is wanted."""
    before = cut.table["before"].to_pylist()
    of: dict[str, set[int]] = {kind: set() for kind in ("days", "order", "payers", "lost", "gaps", "daily")}
    for measure, each, statistic in needed:
        kind = "order" if measure in ORDERED else "payers" if measure in text.OF_PAYERS else "days"
        kind = "daily" if statistic else {"payers_lost": "lost", "longest_gap_days": "gaps"}.get(measure, kind)
        of[kind].add(cut.numbers[each])
    of["days"] |= of["gaps"] | of["daily"]
    of["rows"] = of["order"] | of["payers"] | of["lost"] | {before[each] for each in of["lost"]}
    return {kind: sorted(slices) for kind, slices in of.items()}


class Values:
    """Measures by slice, as arrays, and what questions make of them."""

    def __init__(self, asked: Sequence[sql.Question], cut: sql.Cut) -> None:
        keys = [*((measure, "") for measure in MEASURES), *STATISTICS]
        self._rows = {key: row for row, key in enumerate(keys)}
        self._absent = np.array([0 if key[0] in text.ZERO and not key[1] else np.nan for key in keys])[:, None]
        self._table = np.empty((len(keys), len(cut.numbers)))
        daily = [each.statistic if each.statistic in text.OF_DAYS else "" for each in asked]
        self._row = np.array([self._rows[each.measure, day] for each, day in zip(asked, daily, strict=True)])
        self._slice = np.array([cut.numbers[each.slice] for each in asked])
        others = [each.other or (each.measure, each.slice) for each in asked]
        self._by_row = np.array([self._rows[measure, ""] for measure, _ in others])
        self._by_slice = np.array([cut.numbers[each] for _, each in others])
        self._divided = np.array([each.other is not None for each in asked])

    def clear(self) -> None:
        """All slices without rows."""
        self._table[:] = self._absent

    def put(self, key: tuple[str, str], slices: np.ndarray, values: np.ndarray) -> None:
        """One measure of many slices, masked or NaN where missing."""
        self._table[self._rows[key], slices] = np.ma.filled(values.astype("f8"), np.nan)

    def told(self) -> np.ndarray:
        """The questions' values."""
        value, by = self._table[self._row, self._slice], self._table[self._by_row, self._by_slice]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self._divided, np.where(by > 0, value / by, np.nan), value)
