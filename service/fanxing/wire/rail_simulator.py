"""A simulated payout rail with its own fsynced journal: no money moves, and the journal is the judge of what was paid.

It pays every account but those whose token begins with one of the prefixes below, so that a rail's bad days can be
tried: `sim-refuse` is refused, `sim-silent` is paid while the caller hears nothing until it asks again, `sim-late` is
in flight at first and paid when asked, `sim-return` is paid and sent back.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import grpc

from fanxing.rail.v1 import payout_rail_service_pb2 as pb
from fanxing.rail.v1 import payout_rail_service_pb2_grpc

S = pb.TransferState
Held = TypeVar("Held")
_SILENCE_S = 60.0


class JournalLine(NamedTuple):
    """One durable event: the transfer as it was then."""

    transfer_id: str
    institution_id: str
    payout_account_token: str
    currency: str
    units: int
    nanos: int
    state: str


class Journal:
    """An append-only file of JSON lines, fsynced before an answer leaves. A torn last line was never answered."""

    def __init__(self, path: Path) -> None:
        self.transfers: dict[str, JournalLine] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            self._keep(JournalLine(*json.loads(line)))
        self._file.truncate(whole)

    def append(self, line: JournalLine) -> None:
        """Writes one event durably."""
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fdatasync(self._file.fileno())
        self._keep(line)

    def _keep(self, line: JournalLine) -> None:
        self.transfers[line.transfer_id] = line


class RailSimulator(payout_rail_service_pb2_grpc.PayoutRailServiceServicer):
    """The contract, simulated."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._writing = asyncio.Lock()

    async def Pay(self, request: pb.PayRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.PayResponse:
        asked = JournalLine(
            request.transfer_id,
            request.institution_id,
            request.payout_account_token,
            request.amount.currency_code,
            request.amount.units,
            request.amount.nanos,
            _first_state(request.payout_account_token),
        )
        held = await self._whole(self._taken(asked))
        if held is not None and held[:6] != asked[:6] and held.state != "CANCELLED":
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "this transfer id has other contents")
        if held is None and asked.payout_account_token.startswith("sim-silent"):
            await asyncio.sleep(_SILENCE_S)
        return pb.PayResponse(transfer=_message(held or asked))

    async def Query(self, request: pb.QueryRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.QueryResponse:
        held = await self._whole(self._asked(request.transfer_id))
        if held is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such transfer")
        return pb.QueryResponse(transfer=_message(held))

    async def Cancel(self, request: pb.CancelRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.CancelResponse:
        held = await self._whole(self._cancelled(request.transfer_id))
        return pb.CancelResponse(transfer=_message(held))

    async def _taken(self, asked: JournalLine) -> JournalLine | None:
        """Takes a new transfer in; what was held before."""
        held = self._journal.transfers.get(asked.transfer_id)
        if held is None:
            await asyncio.to_thread(self._journal.append, asked)
        return held

    async def _asked(self, transfer_id: str) -> JournalLine | None:
        """What is held; what was in flight is paid by now."""
        held = self._journal.transfers.get(transfer_id)
        if held is not None and held.state == "IN_FLIGHT":
            held = held._replace(state="PAID")
            await asyncio.to_thread(self._journal.append, held)
        return held

    async def _cancelled(self, transfer_id: str) -> JournalLine:
        """What is held, cancelled unless it is past that."""
        held = self._journal.transfers.get(transfer_id)
        if held is None or held.state == "IN_FLIGHT":
            held = (held or JournalLine(transfer_id, "", "", "", 0, 0, ""))._replace(state="CANCELLED")
            await asyncio.to_thread(self._journal.append, held)
        return held

    async def _whole(self, step: Coroutine[None, None, Held]) -> Held:
        """One look and write after the other, each to its end even when the caller goes away meanwhile."""

        async def locked() -> Held:
            async with self._writing:
                return await step

        return await asyncio.shield(asyncio.ensure_future(locked()))


def _first_state(account: str) -> str:
    if account.startswith("sim-refuse"):
        return "REFUSED"
    if account.startswith("sim-late"):
        return "IN_FLIGHT"
    if account.startswith("sim-return"):
        return "RETURNED"
    return "PAID"


def _message(line: JournalLine) -> pb.Transfer:
    message = pb.Transfer(
        transfer_id=line.transfer_id,
        institution_id=line.institution_id,
        payout_account_token=line.payout_account_token,
        state=S.Value(f"TRANSFER_STATE_{line.state}"),
        detail="simulated" if line.state in {"REFUSED", "RETURNED"} else "",
    )
    message.amount.currency_code, message.amount.units, message.amount.nanos = line.currency, line.units, line.nanos
    return message


def paid(journal: Path) -> tuple[int, int]:
    """How many transfers a journal shows as paid, and how much in fen; the judge in tests and reports."""
    last = {}
    for line in journal.read_bytes().splitlines():
        event = JournalLine(*json.loads(line))
        last[event.transfer_id] = event
    amounts = [each.units * 100 + each.nanos // 10_000_000 for each in last.values() if each.state == "PAID"]
    return len(amounts), sum(amounts)
