"""`python -m tests.bench.export_points`: is what is exported for training what was answered then, to the bit?

Payments of a few shops come in by rounds, most of them late: dated anywhere in the year before. After each round some
points are answered online. When all is told, `fanxing indicator export` writes the same points from all that is known
by then. Exit code 1 where any bit differs, or where nothing that came later would have made a difference.
"""

import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer
from google.protobuf.timestamp_pb2 import Timestamp
from pyarrow import parquet
from rich.console import Console
from tests.bench.ingest import batches, register

from fanxing.commands.exporting import export_matrix
from fanxing.indicators.catalogue import STANDARD, names_with
from fanxing.launch import launched
from fanxing.v1.merchant_service_pb2 import GetIndicatorsRequest
from fanxing.wire.client import Client

MERCHANTS, PAYMENTS_A_ROUND = 20, 400
YEAR_S = 365 * 86_400
Point = tuple[str, datetime]


def ask(client: Client, names: list[str], point: Point) -> list[float | None]:
    """The values of one point, None where missing."""
    moment = Timestamp()
    moment.FromDatetime(point[1])
    request = GetIndicatorsRequest(merchant_id=point[0], names=names, as_of=moment, known_at=moment)
    answer = client.merchants.GetIndicators(request, timeout=60)
    return [each.value if each.HasField("value") else None for each in answer.indicators]


def tell(client: Client, number: int, chance: random.Random) -> None:
    """One round's payments, dated anywhere in the year before."""
    (sent,) = batches(number, PAYMENTS_A_ROUND, PAYMENTS_A_ROUND, list(range(MERCHANTS)))
    now_s = int(time.time())
    for payment in sent.payments:
        payment.occurred_at.seconds = now_s - 1 - chance.randrange(YEAR_S)
    answer = client.payments.RecordPayments(iter([sent]), timeout=60)
    assert answer.accepted == PAYMENTS_A_ROUND, answer


def online(client: Client, names: list[str], rounds: int, points: int) -> tuple[list[Point], list[list[float | None]]]:
    """Points, and what was answered of each when it was now."""
    chance, asked, answers = random.Random(1), [], []
    for number in range(rounds):
        tell(client, number, chance)
        for _ in range(points // rounds):
            point = f"shop-{chance.randrange(MERCHANTS)}", datetime.now(UTC)
            asked.append(point)
            answers.append(ask(client, names, point))
    return asked, answers


def exported(client: Client, names: list[str], asked: list[Point], folder: Path) -> list[list[float | None]]:
    """The same points, from all that is known by now."""
    table = pa.table({"merchant_id": [name for name, _ in asked], "at": [at for _, at in asked]})
    parquet.write_table(table, folder / "moments.parquet")
    export_matrix(client, GetIndicatorsRequest(names=names), folder / "moments.parquet", folder / "matrix.parquet")
    return [[row[name] for name in names] for row in parquet.read_table(folder / "matrix.parquet").to_pylist()]


def main(
    points: Annotated[int, typer.Option(min=1)] = 10_000,
    rounds: Annotated[int, typer.Option(min=2)] = 50,
    number: Annotated[int, typer.Option("--names", min=1, help="Random ones beside the standard.")] = 60,
) -> None:
    """Compares."""
    names = list(dict.fromkeys([*STANDARD, *random.Random(2).sample(list(names_with("")), number)]))
    with tempfile.TemporaryDirectory(prefix="fanxing-points-") as made:
        folder = Path(made)
        own = ["serve", "--listen", "127.0.0.1:0", "--rail-journal", str(folder / "rail.jsonl")]
        store = ["--store", f"sqlite:///{folder / 'store.sqlite'}"]
        with launched(*own, *store, log=folder / "service.log") as service, Client(service.target) as client:
            for merchant in range(MERCHANTS):
                register(client, merchant)
            asked, answers = online(client, names, rounds, points)
            written = exported(client, names, asked, folder)
            last = [ask(client, names, (name, datetime.now(UTC))) for name, _ in asked[: points // rounds]]
    unequal = sum(row != then for row, then in zip(written, answers, strict=True))
    changed = sum(now != then for now, then in zip(last, answers, strict=False))
    Console().print(f"{len(asked)} points of {len(names)} indicators: {unequal} exported otherwise than answered then")
    Console().print(f"{changed} of {len(last)} points of the first round would be answered otherwise now")
    raise typer.Exit(bool(unequal) or not changed)


if __name__ == "__main__":
    typer.run(main)
