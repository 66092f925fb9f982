"""The matrix of indicators that models are trained on: one row for each merchant and moment, as known at that moment.

Each row is an answer of GetIndicators, so training reads what decisions read, to the bit.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import typer
from google.protobuf.timestamp_pb2 import Timestamp
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


def _moments(path: Path) -> list[tuple[str, datetime]]:
    try:
        table = parquet.read_table(path, columns=["merchant_id", "at"])
        at = table["at"].cast(pa.timestamp("us")) if table["at"].type.tz is None else table["at"].cast(_AT)
    except (OSError, KeyError, AttributeError, pa.ArrowException) as error:
        raise typer.BadParameter(f"{path} has no columns merchant_id and at (a timestamp): {error}") from None
    rows = list(zip(table["merchant_id"].to_pylist(), at.to_pylist(), strict=True))
    for number, row in enumerate(rows):
        if not isinstance(row[0], str) or row[1] is None:
            raise typer.BadParameter(f"{path}: row {number} has no merchant_id or no moment")
    return [(merchant, moment if moment.tzinfo else moment.replace(tzinfo=UTC)) for merchant, moment in rows]


def _batches(
    client: Client, request: pb.GetIndicatorsRequest, asked: list[tuple[str, datetime]]
) -> Iterator[pa.RecordBatch]:
    for start in track(range(0, len(asked), ROWS_TOGETHER), description="indicators"):
        rows = asked[start : start + ROWS_TOGETHER]
        answers = [_answer(client, request, *row) for row in rows]
        names = [each.name for each in answers[0]]
        columns = {
            name: pa.array([_value(answer[place]) for answer in answers], pa.float64())
            for place, name in enumerate(names)
        }
        merchants, moments = zip(*rows, strict=True)
        yield pa.RecordBatch.from_pydict({"merchant_id": merchants, "at": pa.array(moments, _AT), **columns})


def _answer(client: Client, request: pb.GetIndicatorsRequest, merchant_id: str, at: datetime) -> list[pb.Indicator]:
    moment = Timestamp()
    moment.FromDatetime(at)
    each = pb.GetIndicatorsRequest()
    each.CopyFrom(request)
    each.MergeFrom(pb.GetIndicatorsRequest(merchant_id=merchant_id, as_of=moment, known_at=moment))
    return list(client.merchants.GetIndicators(each, timeout=CALL_S).indicators)


def _value(indicator: pb.Indicator) -> float | None:
    return indicator.value if indicator.HasField("value") else None
