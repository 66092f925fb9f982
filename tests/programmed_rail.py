"""A payout rail that does as a test tells it, a service before it, and what its books must say."""

import asyncio
from collections import Counter, deque
from contextlib import AsyncExitStack
from dataclasses import replace

import grpc
import pytest
from tests.served import served

from fanxing.flows.ports import Range
from fanxing.ledger import Entry
from fanxing.rail.v1 import payout_rail_service_pb2 as rail_pb
from fanxing.rail.v1 import payout_rail_service_pb2_grpc
from fanxing.store.open import open_store
from fanxing.v1 import lending_pb2, lending_service_pb2
from fanxing.wire.rail_client import GrpcRail

STATUS = grpc.StatusCode
PAID, REFUSED, CANCELLED, RETURNED, IN_FLIGHT, UNSPECIFIED = (
    rail_pb.TransferState.Value(f"TRANSFER_STATE_{name}")
    for name in ("PAID", "REFUSED", "CANCELLED", "RETURNED", "IN_FLIGHT", "UNSPECIFIED")
)
SILENT, LATE, ANOTHERS = "takes nothing in and is silent", "pays and is late", "pays and tells of another transfer"


class ProgrammedRail(payout_rail_service_pb2_grpc.PayoutRailServiceServicer):
    """Pays every transfer once. `says` holds what it does instead, call by call.

    A state: it has come to that, and says so. A status: it fails with that. (state, status): first one, then the other.
    """

    def __init__(self):
        self.says, self.transfers, self.payments, self.calls = deque(), {}, Counter(), Counter()
        self.amounts, self.detail = {}, "as told"
        self.asked_to_pay, self.may_pay = asyncio.Event(), asyncio.Event()
        self.may_pay.set()

    def comes_to(self, transfer_id, state):
        if state in {PAID, RETURNED} and self.transfers.get(transfer_id) not in {PAID, RETURNED}:
            self.payments[transfer_id] += 1
        self.transfers[transfer_id] = state

    async def _answer(self, transfer_id, context, usual):
        told = self.says.popleft() if self.says else usual
        state, status = told if isinstance(told, tuple) else (told, told)
        if told in {LATE, ANOTHERS}:
            self.comes_to(transfer_id, PAID)
        elif isinstance(state, int):
            self.comes_to(transfer_id, state)
        if told in {SILENT, LATE}:
            await asyncio.Event().wait()
        if isinstance(status, grpc.StatusCode):
            await context.abort(status, "as told")
        if transfer_id not in self.transfers:
            await context.abort(STATUS.NOT_FOUND, "no such transfer")
        shown = "another" if told is ANOTHERS else transfer_id
        state, amount = self.transfers[transfer_id], self.amounts.get(transfer_id)
        return rail_pb.Transfer(transfer_id=shown, state=state, detail=self.detail, amount=amount)

    async def Pay(self, request, context):  # noqa: N802  the contract's name
        self.calls["Pay"] += 1
        self.amounts.setdefault(request.transfer_id, request.amount)
        self.asked_to_pay.set()
        await self.may_pay.wait()
        usual = self.transfers.get(request.transfer_id, PAID)
        return rail_pb.PayResponse(transfer=await self._answer(request.transfer_id, context, usual))

    async def Query(self, request, context):  # noqa: N802  the contract's name
        self.calls["Query"] += 1
        return rail_pb.QueryResponse(transfer=await self._answer(request.transfer_id, context, None))


@pytest.fixture
def rail_timeout_s():
    return 5.0


@pytest.fixture
def store():
    return "memory:"


@pytest.fixture
async def service(tmp_path, policy_directory, rail_timeout_s, store):
    """A service with a line of merchant m1, whose rail is programmed."""
    async with AsyncExitStack() as stack:
        rail, server = ProgrammedRail(), grpc.aio.server()
        payout_rail_service_pb2_grpc.add_PayoutRailServiceServicer_to_server(rail, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)
        ours = GrpcRail(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), simulated=True, timeout_s=rail_timeout_s)
        stack.push_async_callback(ours.close)
        opened = await open_store(store.format(tmp_path))
        stack.push_async_callback(opened.close)
        service = await stack.enter_async_context(
            served(tmp_path, policy_directory, store=opened, wrap_rail=lambda _: ours)
        )
        service.rail = rail
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
        service.held = await service.line()
        yield service


def state_of(loan):
    return lending_pb2.LoanState.Name(loan.state).removeprefix("LOAN_STATE_")


async def disbursed(service, draw):
    return state_of((await service.lending.Disburse(draw)).loan)


async def entries(service):
    order = ("transaction_id", "line_number")
    return (await service.world.store.read("demo", Range(Entry, order)))[0]


async def stands(service):
    """How many loans are in each state, the line's reserved and drawn, and the ledger's balances, all in yuan."""
    loans = (await service.lending.ListLoans(lending_service_pb2.ListLoansRequest())).loans
    request = lending_service_pb2.GetCreditLineRequest(line_id=service.held.line_id)
    line = (await service.lending.GetCreditLine(request)).credit_line
    balances = Counter()
    for entry in await entries(service):
        balances[entry.account.split(":")[-1]] += entry.amount_fen // 100
    assert await service.world.store.ledger_sum_fen("demo") == 0
    left = {account: yuan for account, yuan in balances.items() if yuan}
    return Counter(map(state_of, loans)), line.reserved.units, line.drawn.units, left


def books(state, amount, count=1):
    """What `stands` must say of that many loans of that amount in that state."""
    total = amount * count
    return {
        "PENDING": (Counter(PENDING=count), total, 0, {"suspense": total, "payouts_in_transit": -total}),
        "ACTIVE": (Counter(ACTIVE=count), 0, total, {"principal": total, "cash": -total}),
        "VOIDED": (Counter(VOIDED=count), 0, 0, {}),
        "RETURNED": (Counter(RETURNED=count), 0, 0, {}),
    }[state]


def elsewhere(service):
    """The world of another process: it does not know which payouts this one waits for."""
    return replace(service.world, paying=set())
