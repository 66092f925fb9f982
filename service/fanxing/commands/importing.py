"""`fanxing import`: history from files, through RecordPayments.

The file goes in stretches, a stream each and one after the other, so a merchant's payments are recorded in the order of
the file. A stretch that broke is sent again whole: what was recorded already is a duplicate. So is a file.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from fanxing.commands import histories
from fanxing.commands.calling import (
    DEFAULT_TARGET,
    AsJson,
    Currency,
    EffectiveTime,
    Target,
    Token,
    connected,
)
from fanxing.commands.reading import moment_if
from fanxing.v1 import payment_pb2
from fanxing.v1.error_reason_pb2 import ErrorReason
from fanxing.v1.payment_service_pb2 import RecordPaymentsRequest, RecordPaymentsResponse
from fanxing.wire.client import Client, patiently

BATCH = 1000
STRETCH = 5 * BATCH
STRETCH_S = 300.0
TOLD_MAX = 1000
"""How many rows are told one by one, as a stream's answer does."""
app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="History from files.")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".parquet or .csv, a payment a row.")]


@app.callback()
def _import() -> None:
    """Keeps `payments` a subcommand while it is the only one."""


@app.command()
def payments(
    file: File,
    *,
    currency: Currency = "CNY",
    effective_time: EffectiveTime = None,
    target: Target = DEFAULT_TARGET,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Records the payments of a file. Sending it again is safe, after a break too: what is recorded is a duplicate.

    Columns are the payment's fields: merchant_id, payment_id, kind (RECEIPT, REFUND, OUTFLOW), amount (12.50) and
    occurred_at (ISO 8601), and where known payer_token, refund_of, instrument, channel, code_kind, device_token,
    payer_real_name, payer_account_age_days, balance_after. Rows that were not recorded are told by their line on
    standard error, and the exit code is 1.

    **Example:** `fanxing import payments history.parquet --target 127.0.0.1:50051`
    """
    template = RecordPaymentsRequest(effective_time=moment_if(effective_time))
    with (
        connected(target, token, as_json=as_json) as connection,
        Progress(console=Console(stderr=True), disable=as_json) as progress,
    ):
        importing = Importing(connection.client, file, currency, template)
        bar = progress.add_task(file.name, total=histories.total(file))
        for done in importing.run():
            progress.update(bar, completed=done, description=importing.sum)
    connection.show(importing.total)
    if bad := importing.total.conflict_count + importing.total.refused_count:
        if bad > importing.told:
            typer.echo(f"{file}: {bad - importing.told:,} more rows were not recorded", err=True)
        raise typer.Exit(1)


class Importing:
    """One file on its way; `total` adds up the answers, and counts rows that are no payments as refused."""

    def __init__(self, client: Client, file: Path, currency: str, template: RecordPaymentsRequest) -> None:
        self._client, self._file, self._currency, self._template = client, file, currency, template
        self.told = 0
        self.total = RecordPaymentsResponse()

    @property
    def sum(self) -> str:
        """The answers so far, in a few words."""
        return f"{self.total.accepted:,} recorded, {self.total.duplicates:,} duplicates"

    def run(self) -> Iterator[int]:
        """Sends everything; tells after each stretch how far the file is done."""
        rows = histories.rows(self._file)
        while stretch := list(islice(rows, STRETCH)):
            lines, sent = self._read(stretch)
            if sent:
                self._send(lines, sent)
            yield stretch[-1].done

    def _read(self, stretch: list[histories.Row]) -> tuple[list[int], list[payment_pb2.Payment]]:
        """Lines and payments of the rows that are some."""
        lines, sent = [], []
        for row in stretch:
            try:
                sent.append(histories.payment(row, self._currency))
                lines.append(row.line)
            except histories.Unreadable as error:
                self.total.refused_count += 1
                self._tell(row.line, str(error))
        return lines, sent

    def _send(self, lines: list[int], sent: list[payment_pb2.Payment]) -> None:
        answer = patiently(partial(self._record, sent))
        for name in ("batches", "accepted", "duplicates", "conflict_count", "refused_count"):
            setattr(self.total, name, getattr(self.total, name) + getattr(answer, name))
        for refusal in sorted([*answer.conflicts, *answer.refused], key=lambda each: each.index):
            reason = ErrorReason.Name(refusal.reason).removeprefix("ERROR_REASON_")
            self._tell(lines[refusal.index], f"{refusal.field}: {reason}: {refusal.message}".removeprefix(": "))

    def _record(self, sent: list[payment_pb2.Payment]) -> RecordPaymentsResponse:
        return self._client.payments.RecordPayments(self._batches(sent), timeout=STRETCH_S)

    def _batches(self, sent: list[payment_pb2.Payment]) -> Iterator[RecordPaymentsRequest]:
        for first in range(0, len(sent), BATCH):
            batch = RecordPaymentsRequest(payments=sent[first : first + BATCH])
            batch.MergeFrom(self._template)
            yield batch

    def _tell(self, line: int, sentence: str) -> None:
        if self.told < TOLD_MAX:
            self.told += 1
            typer.echo(f"{self._file}, line {line}: {sentence}", err=True)
