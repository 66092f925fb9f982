"""The matrix of indicators that models are trained on: one row for each merchant and moment, as known at that moment.

Each row is an answer of GetIndicators, so training reads what decisions read, to the bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import typer
from pyarrow import parquet
from rich.progress import track

from fanxing.commands.calling import CALL_S
from fanxing.v1 import merchant_service_pb2 as pb
from fanxing.wire.client import Client

ROWS_TOGETHER = 1000
_AT = pa.timestamp("us", tz="UTC")


def export_matrix(client: Client, request: pb.GetIndicatorsRequest, moments: Path, out: Path) -> int:
    """Asks for every row of `moments` and writes the answers; how many rows. A failed call leaves no file."""
    asked = _moments(moments)
    partial = out.with_name(f"{out.name}.partial")
    try:
        writer: parquet.ParquetWriter | None = None
        for batch in _batches(client, request, asked):
            writer = writer or parquet.ParquetWriter(partial, batch.schema)
            writer.write_batch(batch)
        if writer is None:
            raise typer.BadParameter(f"{moments} has no rows")
        writer.close()
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return len(asked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A merchant, the moment that windows end at, and the moment by which payments must have been known."""

    merchant_id: str
    at: datetime
    known_at: datetime


def _moments(path: Path) -> list[_Asked]:
    try:
        table = parquet.read_table(path)
        merchants, at = table["merchant_id"].to_pylist(), _times(table["at"])
        known = _times(table["known_at"]) if "known_at" in table.column_names else at
    except (OSError, KeyError, AttributeError, pa.ArrowException) as error:
        raise typer.BadParameter(f"{path} has no columns merchant_id and at (a timestamp): {error}") from None
    asked = []
    for number, (merchant, moment, by) in enumerate(zip(merchants, at, known, strict=True)):
        if not isinstance(merchant, str) or moment is None or by is None:
            raise typer.BadParameter(f"{path}: row {number} has no merchant_id or no moment")
        if by > moment:
            raise typer.BadParameter(f"{path}: row {number} would know at {moment} what became known until {by}")
        asked.append(_Asked(merchant, moment, by))
    return asked


def _times(column: pa.ChunkedArray) -> list[datetime | None]:
    """Moments; those without a zone are UTC."""
    return [None if each is None else each.replace(tzinfo=UTC) for each in column.cast(pa.timestamp("us")).to_pylist()]


def _batches(client: Client, request: pb.GetIndicatorsRequest, asked: list[_Asked]) -> Iterator[pa.RecordBatch]:
    for start in track(range(0, len(asked), ROWS_TOGETHER), description="indicators"):
        rows = asked[start : start + ROWS_TOGETHER]
        answers = [_answer(client, request, row) for row in rows]
        names = [each.name for each in answers[0]]
        columns = {
            name: pa.array([_value(answer[place]) for answer in answers], pa.float64())
            for place, name in enumerate(names)
        }
        merchants = pa.array([row.merchant_id for row in rows])
        moments = pa.array([row.at for row in rows], _AT)
        yield pa.RecordBatch.from_pydict({"merchant_id": merchants, "at": moments, **columns})


def _answer(client: Client, request: pb.GetIndicatorsRequest, row: _Asked) -> list[pb.Indicator]:
    each = pb.GetIndicatorsRequest()
    each.CopyFrom(request)
    each.merchant_id = row.merchant_id
    each.as_of.FromDatetime(row.at)
    each.known_at.FromDatetime(row.known_at)
    return list(client.merchants.GetIndicators(each, timeout=CALL_S).indicators)


def _value(indicator: pb.Indicator) -> float | None:
    return indicator.value if indicator.HasField("value") else None
