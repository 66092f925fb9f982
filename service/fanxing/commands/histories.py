"""Files of payments, as Parquet or CSV: one row a payment, columns named as the payment's fields.

An empty cell is a field that is not known. Amounts are such as 12.50, moments ISO 8601 or a Parquet timestamp (UTC
where they have no offset), kinds such as RECEIPT. Whether a value is allowed is the service's to say; here it is only
read.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer
from google.protobuf.timestamp_pb2 import Timestamp
from pyarrow import parquet

from fanxing.commands import reading
from fanxing.v1 import payment_pb2

NEEDED = frozenset({"merchant_id", "payment_id", "kind", "amount", "occurred_at"})
ROWS_TOGETHER = 1000
_ODD = "more or fewer cells than the header has columns"


class Unreadable(Exception):
    """A row that is no payment; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file (its number, in Parquet), its cells by column, and how far the file is read.

    `fault`: why its cells cannot be told apart, if so.
    """

    line: int
    cells: Mapping[Any, Any]
    done: int
    fault: str = ""


def total(path: Path) -> int:
    """What `Row.done` comes to at the end: bytes of CSV, rows of Parquet."""
    return path.stat().st_size if path.suffix == ".csv" else int(_parquet(path).metadata.num_rows)


def rows(path: Path) -> Iterator[Row]:
    """The rows of a file, read as they are asked for. A file that is no such table is a BadParameter."""
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows}
    if path.suffix not in readers:
        raise typer.BadParameter(f"{path} is neither .csv nor .parquet")
    return readers[path.suffix](path)


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        try:
            _refuse_columns(path, list(reader.fieldnames or ()))
            for cells in reader:
                odd = None in cells or None in cells.values()
                yield Row(reader.line_num, cells, raw.tell(), _ODD if odd else "")
        except (UnicodeDecodeError, csv.Error) as error:
            raise typer.BadParameter(f"{path}, after line {reader.line_num}: {error}") from None


def _parquet(path: Path) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise typer.BadParameter(f"{path}: {error}") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    number = 0
    with _parquet(path) as file:
        _refuse_columns(path, file.schema_arrow.names)
        try:
            for batch in file.iter_batches(ROWS_TOGETHER):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(number, cells, number)
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            raise typer.BadParameter(f"{path}, after row {number}: {error}") from None


def _refuse_columns(path: Path, names: list[str]) -> None:
    """A column that nobody reads would be lost in silence, and so would one of two that share a name."""
    if missing := NEEDED - {*names}:
        raise typer.BadParameter(f"{path} has no column {', '.join(sorted(missing))}")
    if unknown := {*names} - {*_READERS}:
        raise typer.BadParameter(f"{path}: no field of a payment is called {', '.join(map(repr, sorted(unknown)))}")
    if len({*names}) < len(names):
        raise typer.BadParameter(f"{path} has a column twice")


def payment(row: Row, currency: str) -> payment_pb2.Payment:
    """The row as it is sent; Unreadable when a cell cannot be."""
    if row.fault:
        raise Unreadable(row.fault)
    values = {}
    for name, cell in row.cells.items():
        if cell is not None and cell != "":
            try:
                values[name] = _READERS[name](cell, currency)
            except (typer.BadParameter, ValueError) as error:
                raise Unreadable(f"{name}: {error}") from None
    try:
        return payment_pb2.Payment(**values)
    except (TypeError, ValueError) as error:
        raise Unreadable(str(error)) from None


def _text(cell: object, _: str) -> str:
    return str(cell)


def _moment(cell: object, _: str) -> Timestamp:
    if not isinstance(cell, datetime):
        return reading.moment(str(cell))
    stamp = Timestamp()
    stamp.FromDatetime(cell if cell.tzinfo else cell.replace(tzinfo=UTC))
    return stamp


def _truth(cell: object, _: str) -> bool:
    truths = {"true": True, "1": True, "false": False, "0": False}
    if (text := str(cell).lower()) not in truths:
        raise ValueError(f"{cell!r} is neither true nor false")
    return truths[text]


def _number(cell: object, _: str) -> int:
    try:
        return int(str(cell))
    except ValueError:
        raise ValueError(f"{cell!r} is not a whole number") from None


def _one_of(enum: Iterable[tuple[str, int]], prefix: str) -> Callable[[object, str], int]:
    names = {name.removeprefix(prefix): number for name, number in enum if number}

    def number(cell: object, _: str) -> int:
        if (name := str(cell).removeprefix(prefix)) not in names:
            raise ValueError(f"{cell!r} is none of {', '.join(names)}")
        return names[name]

    return number


_READERS: dict[str, Callable[[object, str], Any]] = {
    **dict.fromkeys(("merchant_id", "payment_id", "payer_token", "refund_of", "channel", "device_token"), _text),
    **dict.fromkeys(("amount", "balance_after"), lambda cell, currency: reading.money(str(cell), currency)),
    "occurred_at": _moment,
    "kind": _one_of(payment_pb2.PaymentKind.items(), "PAYMENT_KIND_"),
    "instrument": _one_of(payment_pb2.Instrument.items(), "INSTRUMENT_"),
    "code_kind": _one_of(payment_pb2.CodeKind.items(), "CODE_KIND_"),
    "payer_real_name": _truth,
    "payer_account_age_days": _number,
}
