"""`python -m tests.bench.ingest`: payments a second, durable, through gRPC, beside the data base alone.

Ratios come first: they hold where times do not. The raw figure is SQLite's executemany or PostgreSQL's COPY of the rows
that the service stored, into the same tables of a new store with the same durability, a commit a batch. Both run in
turn, several rounds; the median of each counts. Exit code 1 where a payment was not accepted.
"""

import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from rich.console import Console
from rich.table import Table
from tests.bench.raw import Alone, stores

from fanxing.launch import launched
from fanxing.v1 import merchant_service_pb2, payment_pb2
from fanxing.v1.payment_service_pb2 import RecordPaymentsRequest
from fanxing.wire.client import Client

Streams = list[list[RecordPaymentsRequest]]


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock, and CPU seconds of the service and of the data base's own processes."""

    seconds: float
    cpu: float
    store_cpu: float = 0.0


def batches(stream: int, count: int, size: int, merchants: list[int]) -> list[RecordPaymentsRequest]:
    """The batches of one stream, mixed from its own merchants: a merchant's payments come in order, by one stream."""
    chance, now_s = random.Random(stream), int(time.time())

    def payment(number: int) -> payment_pb2.Payment:
        merchant = chance.choice(merchants)
        return payment_pb2.Payment(
            merchant_id=f"shop-{merchant}",
            payment_id=f"2026110120000{stream:02}{number:010}",
            payer_token=f"payer-{merchant}-{chance.randrange(300)}",
            amount=Money(currency_code="CNY", units=chance.randint(3, 80), nanos=chance.randrange(100) * 10_000_000),
            occurred_at=Timestamp(seconds=now_s - 30_000_000 + number * 100),
            kind=payment_pb2.PAYMENT_KIND_RECEIPT,
            instrument=payment_pb2.INSTRUMENT_BALANCE,
            channel="qr",
            code_kind=payment_pb2.CODE_KIND_MERCHANT,
            device_token=f"phone-{chance.randrange(10**9)}",
            payer_real_name=True,
            payer_account_age_days=chance.randrange(3000),
        )

    numbers = [range(first, first + size) for first in range(0, count, size)]
    return [RecordPaymentsRequest(payments=[payment(number) for number in each]) for each in numbers]


def register(client: Client, merchant: int) -> None:
    """One shop."""
    told = merchant_service_pb2.Merchant(
        merchant_id=f"shop-{merchant}",
        name="Noodles",
        category="canteen",
        opened_on=Date(year=2020, month=1, day=1),
        controller_token=f"owner-{merchant}",
        payout_account_token=f"account-{merchant}",
    )
    request_id = f"00000000-0000-4000-8000-{merchant:012}"
    request = merchant_service_pb2.RegisterMerchantRequest(request_id=request_id, merchant=told)
    client.merchants.RegisterMerchant(request, timeout=30)


def ingest(streams: Streams, merchants: int, store: Alone, folder: Path) -> Taken:
    """Sends all streams at once to a new service on a new store."""
    own = ["serve", "--listen", "127.0.0.1:0", "--rail-journal", str(folder / "rail.jsonl"), *store.options()]
    with launched(*own, log=folder / "service.log") as service, Client(service.target) as client:
        for merchant in range(merchants):
            register(client, merchant)
        process = psutil.Process(service.process.pid)
        cpu, store_cpu, start = _cpu(process), store.cpu(), time.perf_counter()
        with ThreadPoolExecutor(len(streams)) as pool:
            answers = list(pool.map(lambda each: client.payments.RecordPayments(iter(each), timeout=600), streams))
        taken = Taken(time.perf_counter() - start, _cpu(process) - cpu, store.cpu() - store_cpu)
    for answer, sent in zip(answers, streams, strict=True):
        if answer.accepted != sum(len(batch.payments) for batch in sent):
            raise typer.Exit(1)
    return taken


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def raced(kind: str, streams: Streams, merchants: int, rounds: int) -> tuple[list[Taken], list[Taken]]:
    """The service's rounds and the raw ones, in turn."""
    turns = [batch for batches in zip(*streams, strict=True) for batch in batches]
    sent = [[(payment.merchant_id, payment.payment_id) for payment in batch.payments] for batch in turns]
    served, raw = [], []
    with tempfile.TemporaryDirectory(prefix="fanxing-ingest-") as folder, stores(kind, Path(folder)) as store:
        for _ in range(rounds):
            served.append(ingest(streams, merchants, store, Path(folder)))
            raw.append(Taken(*store.race(sent)))
    return served, raw


def show(kind: str, payments: int, served: list[Taken], raw: list[Taken], console: Console) -> None:
    """The ratio, then the figures."""
    table = Table("", "payments/s", "seconds", "CPU s", "CPU s of the data base")
    median = []
    for name, rounds in ((f"gRPC, {kind}", served), ("raw", raw)):
        seconds, cpu, store_cpu = (
            statistics.median(values)
            for values in zip(*((each.seconds, each.cpu, each.store_cpu) for each in rounds), strict=True)
        )
        median.append((seconds, cpu + store_cpu))
        table.add_row(name, f"{payments / seconds:,.0f}", f"{seconds:.2f}", f"{cpu:.2f}", f"{store_cpu:.2f}")
    (seconds, cpu), (raw_seconds, raw_cpu) = median
    console.print(f"[bold]{kind}: {raw_seconds / seconds:.2f} x raw[/] ({raw_cpu / cpu:.2f} x by CPU time)")
    console.print(table)


def main(
    kinds: Annotated[list[str] | None, typer.Argument(help="sqlite, postgres; none: both.")] = None,
    *,
    payments: Annotated[int, typer.Option(min=1, help="So many in all.")] = 100_000,
    merchants: Annotated[int, typer.Option(min=1, help="Of so many shops.")] = 200,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="So many in a batch.")] = 1000,
    streams: Annotated[int, typer.Option(min=1, help="So many streams at a time.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="So many times.")] = 3,
) -> None:
    """Races.

    Example: python -m tests.bench.ingest sqlite --payments 20000 --rounds 1
    """
    each = payments // streams
    sent = [batches(stream, each, batch, [*range(stream % merchants, merchants, streams)]) for stream in range(streams)]
    for kind in kinds or ["sqlite", "postgres"]:
        show(kind, each * streams, *raced(kind, sent, merchants, rounds), Console())


if __name__ == "__main__":
    typer.run(main)
