"""A rail that is late, silent, down or contradicts itself: money leaves once, and the books say what it said first."""

import asyncio
from collections import Counter, deque
from contextlib import AsyncExitStack
from dataclasses import replace

import grpc
import pytest
import structlog
from tests.served import refused, served, yuan

from fanxing.flows.ports import ChangeSet, Get, Quota, Range
from fanxing.flows.score import FUNDING
from fanxing.flows.settle import settle
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
        return rail_pb.Transfer(transfer_id=shown, state=self.transfers[transfer_id], detail="as told")

    async def Pay(self, request, context):  # noqa: N802  the contract's name
        self.calls["Pay"] += 1
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


@pytest.mark.parametrize(
    ("told", "state", "steps"),
    [
        (PAID, "ACTIVE", {"pending", "posted"}),
        (REFUSED, "VOIDED", {"pending", "voided"}),
        (CANCELLED, "VOIDED", {"pending", "voided"}),
        (RETURNED, "RETURNED", {"pending", "posted", "returned"}),
    ],
)
async def test_what_the_rail_says_is_booked_at_once_and_once(service, told, state, steps):
    draw = service.draw(service.held, yuan(100))
    service.rail.says.append(told)
    assert await disbursed(service, draw) == state
    assert await disbursed(service, draw) == state
    assert await settle(service.institution, service.world) == 0
    assert await stands(service) == books(state, 100)
    assert {entry.transaction_id.split(":")[1] for entry in await entries(service)} == steps
    assert service.rail.payments.total() == ("posted" in steps)


@pytest.mark.parametrize("rail_timeout_s", [0.5])
@pytest.mark.parametrize(
    ("told", "state"),
    [
        (SILENT, "ACTIVE"),
        (LATE, "ACTIVE"),
        (ANOTHERS, "ACTIVE"),
        (STATUS.UNAVAILABLE, "ACTIVE"),
        (STATUS.ALREADY_EXISTS, "ACTIVE"),
        (STATUS.NOT_FOUND, "ACTIVE"),
        (STATUS.UNAUTHENTICATED, "ACTIVE"),
        (STATUS.INVALID_ARGUMENT, "ACTIVE"),
        ((PAID, STATUS.UNAVAILABLE), "ACTIVE"),
        ((PAID, STATUS.INTERNAL), "ACTIVE"),
        ((REFUSED, STATUS.UNAVAILABLE), "VOIDED"),
        ((RETURNED, STATUS.UNAVAILABLE), "RETURNED"),
        (IN_FLIGHT, None),
        (UNSPECIFIED, None),
        (77, None),
    ],
)
async def test_whatever_is_unclear_leaves_the_loan_pending_until_the_rail_is_clear(service, told, state):
    draw = service.draw(service.held, yuan(100))
    service.rail.says.append(told)
    assert await disbursed(service, draw) == "PENDING"
    assert await stands(service) == books("PENDING", 100)
    service.rail.says.extend([STATUS.UNAVAILABLE, UNSPECIFIED] if state is None else [STATUS.UNAVAILABLE])
    assert await settle(service.institution, service.world) == 0
    assert await stands(service) == books("PENDING", 100)
    if state is None:
        assert await settle(service.institution, service.world) == 0
        service.rail.says.append(PAID)
    assert await settle(service.institution, service.world) == 1
    assert await stands(service) == books(state or "ACTIVE", 100)
    assert service.rail.payments.total() == (state != "VOIDED")


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (STATUS.UNAVAILABLE, "ACTIVE"),
        ((PAID, STATUS.UNAVAILABLE), "ACTIVE"),
        (IN_FLIGHT, "ACTIVE"),
        (PAID, "ACTIVE"),
        ((REFUSED, STATUS.UNAVAILABLE), "VOIDED"),
        (REFUSED, "VOIDED"),
        ((RETURNED, STATUS.UNAVAILABLE), "RETURNED"),
        (RETURNED, "RETURNED"),
    ],
)
@pytest.mark.parametrize("store", ["sqlite:///{}/store.sqlite"])
async def test_at_every_stage_every_way_on_ends_alike(service, told, state):
    ours, theirs = service.world, elsewhere(service)
    for count, way in enumerate(("retry", "settle", "settle elsewhere", "all at once"), 1):
        draw = service.draw(service.held, yuan(100))
        service.rail.says.append(told)
        await service.lending.Disburse(draw)
        for transfer_id, held in service.rail.transfers.items():
            service.rail.comes_to(transfer_id, PAID if held == IN_FLIGHT else held)
        ways = []
        if way in {"retry", "all at once"}:
            ways += [service.lending.Disburse(draw) for _ in range(1 if way == "retry" else 8)]
        if way in {"settle", "all at once"}:
            ways.append(settle(service.institution, ours))
        if way in {"settle elsewhere", "all at once"}:
            ways += [settle(service.institution, theirs) for _ in range(2)]
        await asyncio.gather(*ways)
        assert await stands(service) == books(state, 100, count)
        assert set(service.rail.payments.values()) <= {1}
        assert service.rail.payments.total() == (0 if state == "VOIDED" else count)


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (REFUSED, PAID, "VOIDED"),
        (CANCELLED, PAID, "VOIDED"),
        (PAID, REFUSED, "ACTIVE"),
        (PAID, CANCELLED, "ACTIVE"),
        (PAID, RETURNED, "ACTIVE"),
        (REFUSED, RETURNED, "VOIDED"),
        (RETURNED, REFUSED, "RETURNED"),
    ],
)
async def test_a_rail_that_contradicts_itself_is_not_booked_and_cried_out(service, first, second, state):
    draw = service.draw(service.held, yuan(100))
    service.rail.may_pay.clear()
    waiting = asyncio.ensure_future(disbursed(service, draw))
    await service.rail.asked_to_pay.wait()
    service.rail.says.extend([first, second])
    assert await settle(service.institution, elsewhere(service)) == 1
    service.rail.may_pay.set()
    with structlog.testing.capture_logs() as logs:
        assert await waiting == state
    assert [(entry["log_level"], entry["booked"]) for entry in logs] == [("error", state)]
    assert await disbursed(service, draw) == state
    assert await settle(service.institution, service.world) == 0
    assert await stands(service) == books(state, 100)


@pytest.mark.parametrize(("first", "second"), [(PAID, PAID), (REFUSED, CANCELLED), (RETURNED, PAID)])
async def test_a_rail_that_says_it_twice_is_booked_once_and_no_contradiction(service, first, second):
    draw = service.draw(service.held, yuan(100))
    service.rail.may_pay.clear()
    waiting = asyncio.ensure_future(disbursed(service, draw))
    await service.rail.asked_to_pay.wait()
    service.rail.says.extend([first, second])
    assert await settle(service.institution, elsewhere(service)) == 1
    before = await stands(service)
    service.rail.may_pay.set()
    with structlog.testing.capture_logs() as logs:
        await waiting
    assert (logs, await stands(service)) == ([], before)


async def test_settlement_leaves_alone_what_this_process_waits_for_and_ends_what_a_caller_left(service):
    service.rail.may_pay.clear()
    call = service.lending.Disburse(service.draw(service.held, yuan(100)))
    await service.rail.asked_to_pay.wait()
    assert await settle(service.institution, service.world) == 0
    assert service.rail.calls == Counter(Pay=1)
    call.cancel()
    while service.world.paying:  # noqa: ASYNC110  nobody tells when the server has noticed
        await asyncio.sleep(0)
    assert await stands(service) == books("PENDING", 100)
    service.rail.may_pay.set()
    assert await settle(service.institution, service.world) == 1
    assert await stands(service) == books("ACTIVE", 100)
    assert service.rail.payments.total() == 1


@pytest.mark.parametrize(("told", "used"), [(PAID, 100), (REFUSED, 0), (RETURNED, 0), (STATUS.UNAVAILABLE, 100)])
async def test_the_funder_gets_back_what_was_not_lent(service, told, used):
    await service.world.store.commit("demo", ChangeSet(inserts=(Quota(name=FUNDING, limit_fen=15_000, used_fen=0),)))
    draw = service.draw(service.held, yuan(100))
    service.rail.says.append(told)
    for _ in range(2):
        await service.lending.Disburse(draw)
        ((quota,),) = await service.world.store.read("demo", Get(Quota, ((FUNDING,),)))
        assert quota.used_fen == 100 * used
    another = service.draw(service.held, yuan(100))
    if used:
        said = await refused(service.lending.Disburse(another))
        assert (said.status, said.reason, said.fields) == (STATUS.RESOURCE_EXHAUSTED, "FUNDING_EXHAUSTED", ["amount"])
    else:
        assert await disbursed(service, another) == "ACTIVE"


async def test_a_rail_that_is_down_and_comes_up_pays_once(tmp_path, policy_directory, unused_tcp_port):
    ours = GrpcRail(grpc.aio.insecure_channel(f"127.0.0.1:{unused_tcp_port}"), simulated=True, timeout_s=5.0)
    rail, server = ProgrammedRail(), grpc.aio.server()
    payout_rail_service_pb2_grpc.add_PayoutRailServiceServicer_to_server(rail, server)
    async with served(tmp_path, policy_directory, wrap_rail=lambda _: ours) as service:
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
        service.held = await service.line()
        draw = service.draw(service.held, yuan(100))
        assert await disbursed(service, draw) == "PENDING"
        assert await settle(service.institution, service.world) == 0
        server.add_insecure_port(f"127.0.0.1:{unused_tcp_port}")
        await server.start()
        while not await settle(service.institution, service.world):  # noqa: ASYNC110  the channel reconnects when it will
            await asyncio.sleep(0.05)
        assert await disbursed(service, draw) == "ACTIVE"
        assert await stands(service) == books("ACTIVE", 100)
        assert rail.payments.total() == 1
    await ours.close()
    await server.stop(None)
