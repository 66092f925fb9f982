"""The windowed indicators as one would ask Polars for thousands of them: few grouped queries over one merchant.

As in indicators_in_duckdb.py: what can be added up is so by filter and day first. Squares are of 64 bits here, which
the race's amounts fit.
"""

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import and_

import numpy as np
import polars as pl
from polars import col
from tests import indicator_sql as sql
from tests import indicator_sql_text as text
from tests.bench.indicators_in_duckdb import ADDED, ORDERED, STATISTICS, Values, slices_of
from tests.holiday_table import days_off

HOURS = {
    "night": (0, 6),
    "morning": (6, 11),
    "noon": (11, 14),
    "afternoon": (14, 17),
    "evening": (17, 21),
    "late": (21, 24),
}
AMOUNTS = {
    "under_5_yuan": (0, 500),
    "from_5_yuan": (500, 1000),
    "from_10_yuan": (1000, 2000),
    "from_20_yuan": (2000, 5000),
    "from_50_yuan": (5000, 20_000),
    "from_200_yuan": (20_000, 1 << 62),
}
KINDS = {
    "receipts": (col("amount_fen") - col("back"), col("is_receipt")),
    "refunds": (col("back"), col("back") > 0),
    "outflow": (col("amount_fen"), col("kind") == "OUTFLOW"),
    "balance": (col("balance_after_fen"), col("balance_after_fen").is_not_null()),
    "balance_negative": (col("balance_after_fen"), col("balance_after_fen") < 0),
}
ROW = ("day", "payer", "has_payer", "value")
IN_SLICE = col("day").is_between("first_day", "last_day")
N, TOTAL = col("n").sum(), col("total").sum()
ADDED_UP = {
    "count": N,
    "fen": TOTAL,
    "mean_fen": TOTAL / N,
    "deviation_fen": (N * col("squares").sum() - TOTAL * TOTAL).cast(pl.Float64).sqrt() / N,
    "min_fen": col("least").min(),
    "max_fen": col("most").max(),
    "last_fen": col("latest").get(col("day").arg_max()),
    "days": pl.len(),
}
VALUES = col("value").sort()
KNOWN = col("has_payer").sum()
OF_PAYERS = {
    "payers_distinct": KNOWN,
    "payers_new": (col("has_payer") & (col("first_seen") >= col("first_day"))).sum(),
    "payers_returning": (col("has_payer") & (col("first_seen") < col("first_day"))).sum(),
    "payer_repeat_rate": (col("has_payer") & (col("visits") >= 2)).sum() / KNOWN,
    "payer_top_share": col("paid").filter("has_payer").max().fill_null(0) / col("paid").sum(),
    "payer_concentration": (col("paid").filter("has_payer") ** 2).sum() / col("paid").sum() ** 2,
}


def facets(controller: str) -> dict[str, pl.Expr]:
    """Each facet's condition."""
    payer, age, instrument = col("has_payer"), col("payer_account_age_days"), col("instrument")
    return {
        "workday": col("local").dt.weekday() <= 5,
        "weekend": col("local").dt.weekday() >= 6,
        "holiday": col("day").is_in(days_off()),
        **{name: col("hour").is_between(first, last, closed="left") for name, (first, last) in HOURS.items()},
        **{name: col("amount_fen").is_between(first, last, closed="left") for name, (first, last) in AMOUNTS.items()},
        "round": col("amount_fen") % 1000 == 0,
        "known_payer": payer,
        "anonymous": ~payer,
        "own": payer & (col("payer_token") == controller),
        "real_name": col("payer_real_name").fill_null(value=False),
        "old_account": (age >= 180).fill_null(value=False),
        "young_account": (age < 30).fill_null(value=False),
        **{f"by_{name.lower()}": instrument == name for name in ("BALANCE", "DEBIT", "CREDIT")},
        **{f"{name.lower()}_code": col("code_kind") == name for name in ("MERCHANT", "PERSONAL")},
        "first_visit": payer & (col("earlier") == 0),
        "repeat_visit": payer & (col("earlier") > 0),
    }


class InPolars:
    """`answer()`: one value for each name, NaN where missing."""

    def __init__(self, payments, names: Sequence[str], today: date, moments: dict, controller: str) -> None:
        self._payments = pl.DataFrame({name: [getattr(each, name) for each in payments] for name in sql.COLUMNS.names},
                                      schema_overrides={"balance_after_fen": pl.Int64})  # fmt: skip
        self._moments, self._facets = moments, facets(controller)
        asked = [sql.question_of(name) for name in names]
        needed = sql.needs_of(asked)
        self._cut = sql.cut_of([each for _, each, _ in needed], today)
        self._slices = pl.from_arrow(self._cut.table)
        self._of = {
            kind: self._slices.filter(col("slice").is_in(slices))
            for kind, slices in slices_of(needed, self._cut).items()
        }
        self._values = Values(asked, self._cut)

    def answer(self) -> np.ndarray:
        """From the payments."""
        paid = self._paid()
        filtered = self._filtered(paid)
        by_day = filtered.group_by("filter", "day").agg(
            n=pl.len(), total=col("value").sum(), squares=(col("value") ** 2).sum(),
            least=col("value").min(), most=col("value").max(), latest=col("value").last(),
        )  # fmt: skip
        of_rows = filtered.join(self._of["rows"].select("filter").unique(), on="filter", how="semi")
        days_of, chosen = in_slices(self._of["days"], by_day), in_slices(self._of["rows"], of_rows)
        self._values.clear()
        self._put(days_of.group_by("slice").agg(**ADDED_UP), ADDED)
        self._put(self._ordered(chosen), ORDERED)
        self._of_payers(chosen, of_rows)
        self._put(self._gaps(by_day, days_of), ["longest_gap_days"])
        self._daily(days_of, paid["day"].min())
        return self._values.told()

    def _put(self, found: pl.DataFrame, measures: Sequence[str], statistic: str = "") -> None:
        for measure in measures:
            values = found[statistic or measure].cast(pl.Float64).fill_null(np.nan)
            self._values.put((measure, statistic), found["slice"].to_numpy(), values.to_numpy())

    def _paid(self) -> pl.DataFrame:
        """Receipts and outflows in order, with every facet as a boolean."""
        at = self._moments
        wall = pl.from_epoch("occurred_us", "us").dt.replace_time_zone("UTC").dt.convert_time_zone(at["zone"])
        known = self._payments.lazy().filter(col("occurred_us") <= at["as_of"], col("known_us") <= at["known"])
        refunds = known.filter(col("kind") == "REFUND").group_by("refund_of").agg(refunded=col("amount_fen").sum())
        back = pl.min_horizontal(col("refunded").fill_null(0), "amount_fen")
        return (
            known.filter(col("kind") != "REFUND")
            .join(refunds, left_on="payment_id", right_on="refund_of", how="left")
            .with_columns(
                local=wall.dt.replace_time_zone(None),
                back=pl.when(col("kind") == "RECEIPT").then(back).otherwise(0),
                has_payer=col("payer_token") != "",
            )
            .sort("local", "known_us", col("payment_id").str.len_chars(), "payment_id")
            .with_columns(
                day=col("local").dt.date(),
                hour=col("local").dt.hour(),
                is_receipt=(col("kind") == "RECEIPT") & (col("back") < col("amount_fen")),
            )
            .with_columns(payer=col("payer_token").rank("dense"))
            .with_columns(earlier=col("is_receipt").cum_sum().over("payer") - col("is_receipt").cast(pl.UInt32))
            .with_columns(**{f"is_{name}": condition for name, condition in self._facets.items()})
            .collect()
        )

    def _filtered(self, paid: pl.DataFrame) -> pl.DataFrame:
        """The rows of each filter."""
        measured = {kind: paid.filter(is_one).with_columns(value=value) for kind, (value, is_one) in KINDS.items()}
        parts = []
        for (kind, names), number in self._cut.filters.items():
            conditions = [col(f"is_{name}") for name in names]
            rows = measured[kind].lazy().filter(reduce(and_, conditions)) if names else measured[kind].lazy()
            parts.append(rows.select(pl.lit(number, pl.Int64).alias("filter"), *ROW))
        return pl.concat(parts).collect()

    def _ordered(self, chosen: pl.DataFrame) -> pl.DataFrame:
        of = chosen.join(self._of["order"].select("slice"), on="slice", how="semi").group_by("slice")
        return of.agg(**{name: VALUES.get((tenths * pl.len() + 9) // 10 - 1) for name, tenths in ORDERED.items()})

    def _of_payers(self, chosen: pl.DataFrame, of_rows: pl.DataFrame) -> None:
        """All measures of payers."""
        first_rows = of_rows.group_by("filter", "payer").agg(first_seen=col("day").min())
        payers = chosen.group_by("slice", "filter", "payer", "has_payer", "first_day").agg(
            visits=pl.len(), paid=col("value").sum()
        )
        wanted = payers.join(self._of["payers"].select("slice"), on="slice", how="semi")
        told = wanted.join(first_rows, on=["filter", "payer"]).group_by("slice").agg(**OF_PAYERS)
        self._put(told, text.OF_PAYERS)
        known = payers.filter("has_payer").select("slice", "payer")
        seen = self._of["lost"].select("slice", "before").join(known, left_on="before", right_on="slice")
        lost = seen.join(known, on=["slice", "payer"], how="anti").group_by("slice").agg(payers_lost=pl.len())
        self._put(lost, ["payers_lost"])

    def _gaps(self, by_day: pl.DataFrame, days_of: pl.DataFrame) -> pl.DataFrame:
        """The longest runs between two days with rows, the days around the window's part being taken for such."""
        begun = by_day.group_by("filter").agg(first_row=col("day").min())
        part = self._of["gaps"].join(begun, on="filter").filter(col("first_row") <= col("last_day"))
        edges = pl.concat([
            part.select("slice", day=pl.max_horizontal("first_day", "first_row") - pl.duration(days=1)),
            part.select("slice", day=col("last_day") + pl.duration(days=1)),
            days_of.join(part, on="slice", how="semi").select("slice", "day"),
        ]).sort("slice", "day")  # fmt: skip
        return edges.group_by("slice").agg(longest_gap_days=col("day").diff().dt.total_days().max() - 1)

    def _daily(self, days_of: pl.DataFrame, first_day: date) -> None:
        """Slope, volatility and z-score of daily counts and sums."""
        long = self._of["daily"].filter(col("first_day") >= first_day).select("slice", "first_day", "last_day")
        calendar = long.with_columns(day=pl.date_ranges("first_day", "last_day")).explode("day")
        daily = calendar.join(
            days_of.select("slice", "day", "n", "total"), on=["slice", "day"], how="left"
        ).with_columns(
            x=(col("day") - col("last_day")).dt.total_days(), count=col("n").fill_null(0), fen=col("total").fill_null(0)
        )
        for measure in text.OF_ONE_DAY:
            told = daily.group_by("slice").agg(**of_days(col(measure).cast(pl.Int64)))
            for _, statistic in (each for each in STATISTICS if each[0] == measure):
                self._put(told, [measure], statistic)


def in_slices(slices: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Each slice's rows."""
    return slices.lazy().drop("before").join(rows.lazy(), on="filter").filter(IN_SLICE).drop("last_day").collect()


def of_days(y: pl.Expr) -> dict[str, pl.Expr]:
    """The statistics of daily values."""
    n, x, total = pl.len().cast(pl.Int64), col("x"), y.sum()
    scatter = n * (y * y).sum() - total * total
    scatter_of_days = n * (x * x).sum() - x.sum() * x.sum()
    recent = y.filter(x > -7).sum()
    return {
        "slope": (n * (x * y).sum() - x.sum() * total) / scatter_of_days,
        "volatility": pl.when(total > 0).then(scatter.cast(pl.Float64).sqrt() / total),
        "zscore": pl.when(scatter > 0).then((n * recent - 7 * total) / (7 * scatter.cast(pl.Float64).sqrt())),
    }
