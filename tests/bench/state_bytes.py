"""`python -m tests.bench.state_bytes FEEDS...`: bytes a merchant, of the log and of the state, over a year.

FEEDS is a folder that `fanxing town make` or `fanxing town koubei` wrote. Of every so many merchants the last 365 days
are taken: the state as the service keeps it, and the log as SQLite stores it, with its payment ids told apart. Also
what windowed indicators say of a merchant four months after it began.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer
from pyarrow import parquet
from rich.console import Console

from fanxing.flows.ports import ChangeSet
from fanxing.indicators import questions
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.local_time import DAY_US, local_us
from fanxing.indicators.plan import Plan, plan_of
from fanxing.indicators.state import state_of
from fanxing.payments import CodeKind, Instrument, PaymentKind, RecordedPayment
from fanxing.store.sqlite import SqliteStore

YEAR_US, FOUR_MONTHS_US = 365 * DAY_US, 122 * DAY_US
MERCHANTS_OF_ALL, ID_HOLDERS = 30_000_000, 1
"""How many merchants the figures are told for; and how many of the payments table's trees hold the id."""
Log = list[RecordedPayment]


def logs(feeds: Path, every: int) -> Iterator[tuple[dict[str, Any], Log]]:
    """Every so many merchants that have payments, each with all of them in the order in which they were told."""
    merchants = {each["merchant_id"]: each for each in parquet.read_table(feeds / "merchants.parquet").to_pylist()}
    stored, seen = parquet.ParquetFile(feeds / "payments.parquet"), 0
    for group in range(stored.num_row_groups):
        rows = stored.read_row_group(group)
        wanted = [
            each for place, each in enumerate(rows["merchant_id"].unique().to_pylist(), seen) if place % every == 0
        ]
        seen += len(rows["merchant_id"].unique())
        chosen = rows.filter(pa.compute.is_in(rows["merchant_id"], pa.array(wanted))).to_pylist()
        chosen.sort(key=lambda row: (row["merchant_id"], row["known_us"]))
        for merchant_id, told in groupby(chosen, lambda row: row["merchant_id"]):
            once: dict[str, dict[str, Any]] = {}
            for row in told:
                once.setdefault(row["payment_id"], row)  # the first telling counts
            yield merchants[merchant_id], [_recorded(row, seq) for seq, row in enumerate(once.values(), 1)]


def _recorded(row: dict[str, Any], seq: int) -> RecordedPayment:
    words = {name: row[name] or "" for name in ("payer_token", "refund_of", "channel", "device_token")}
    kinds = {"kind": PaymentKind(row["kind"]), "code_kind": CodeKind(row["code_kind"] or "")}
    told = row | words | kinds | {"instrument": Instrument(row["instrument"] or "")}
    return RecordedPayment(**told, merchant_seq=seq, content_hash=f"{seq:064}")


def of_the_last_year(log: Log, now_us: int) -> Log:
    """Renumbered."""
    kept = [each for each in log if now_us - YEAR_US < each.occurred_us <= now_us]
    return [_renumbered(each, seq) for seq, each in enumerate(kept, 1)]


def _renumbered(payment: RecordedPayment, seq: int) -> RecordedPayment:
    fields = {name: getattr(payment, name) for name in RecordedPayment.__struct_fields__}
    return RecordedPayment(**fields | {"merchant_seq": seq})


async def stored_bytes(logs_of: list[Log], folder: Path) -> int:
    """What they add to an empty store in SQLite."""
    store = await SqliteStore.open(folder / "log.sqlite")
    before = await store.stored_bytes()
    for log in logs_of:
        await store.commit("institution", ChangeSet(inserts=tuple(log)))
    after = await store.stored_bytes()
    await store.close()
    return after - before


def told(name: str, values: list[float], console: Console, form: str = ",.0f") -> None:
    """5, 50 and 95 per cent of them have at most so much."""
    low, middle, high = np.percentile(values, (5, 50, 95))
    console.print(f"{name:48}{low:{form}} / {middle:{form}} / {high:{form}}")


def four_months_old(merchant: dict[str, Any], log: Log, plan: Plan) -> tuple[float, int] | None:
    """The share of windowed indicators that are present, and how many distinct values they have."""
    began = merchant["code_activated_on"] or merchant["opened_on"]
    as_of_us = int(datetime(began.year, began.month, began.day, 9, tzinfo=UTC).timestamp() * 1e6) + FOUR_MONTHS_US
    zone = merchant["time_zone"] or "Asia/Shanghai"
    known = fold(EMPTY, [each for each in log if each.known_us <= as_of_us])
    if not known.through_seq or log[-1].known_us < as_of_us:
        return None
    today = int(local_us(np.array([as_of_us]), zone)[0] // DAY_US)
    values = plan.answer(state_of(known, merchant["controller_token"], zone, as_of_us, b""), today)
    present = values[np.isfinite(values)]
    return len(present) / len(values), len(np.unique(present))


def measure(feeds: Path, every: int, console: Console) -> None:
    """Prints the distributions."""
    plan = plan_of(list(questions.questions()))
    payments, state, young, kept = [], [], [], []
    for merchant, log in logs(feeds, every):
        if found := four_months_old(merchant, log, plan):
            young.append(found)
        if year := of_the_last_year(log, log[-1].known_us):
            zone = merchant["time_zone"] or "Asia/Shanghai"
            made = state_of(fold(EMPTY, year), merchant["controller_token"], zone, year[-1].known_us, b"")
            payments.append(len(year))
            state.append(len(made))
            kept.append(year)
    with tempfile.TemporaryDirectory(prefix="fanxing-bytes-") as folder:
        log_bytes = asyncio.run(stored_bytes(kept, Path(folder)))
    ids = sum(len(payment.payment_id) * ID_HOLDERS for year in kept for payment in year)
    console.print(f"[bold]{feeds}[/]: {len(state)} merchants; 5 / 50 / 95 per cent have at most")
    told("payments of a year", payments, console)
    told("bytes of state", state, console)
    each = [size / rows for size, rows in zip(state, payments, strict=True)]
    told("bytes of state a payment", each, console, ".1f")
    near = [size * 3650 / rows for size, rows in zip(state, payments, strict=True) if 2500 < rows < 5500]
    if near:
        told("bytes of state at 10 payments a day, by proportion", near, console)
    rows = sum(payments)
    console.print(f"log: {(log_bytes - ids) / rows:.0f} bytes a payment, and {ids / rows:.0f} of ids")
    middle, mean = float(np.median(state)), float(np.mean(state))
    console.print(
        f"{MERCHANTS_OF_ALL:,} merchants: states {middle * MERCHANTS_OF_ALL / 1e12:.2f} TB by the median, "
        f"{mean * MERCHANTS_OF_ALL / 1e12:.2f} by the mean"
    )
    if young:
        told("four months old: share present", [share for share, _ in young], console, ".3f")
        told("four months old: distinct values", [float(count) for _, count in young], console)


def main(
    feeds: Annotated[list[Path], typer.Argument(help="Folders of feeds.")],
    every: Annotated[int, typer.Option(min=1, help="Of so many merchants one.")] = 40,
) -> None:
    """Measures each."""
    for each in feeds:
        measure(each, every, Console(highlight=False, width=160))


if __name__ == "__main__":
    typer.run(main)
