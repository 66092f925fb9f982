"""A rail that is late, silent, down or contradicts itself: money leaves once, and the books say what it said first."""

import asyncio
from collections import Counter

import grpc
import pytest
import structlog
from google.type.money_pb2 import Money
from tests.programmed_rail import (
    ANOTHERS,
    CANCELLED,
    IN_FLIGHT,
    LATE,
    PAID,
    REFUSED,
    RETURNED,
    SILENT,
    STATUS,
    UNSPECIFIED,
    ProgrammedRail,
    books,
    disbursed,
    elsewhere,
    entries,
    rail_timeout_s,
    service,
    stands,
    store,
)
from tests.served import refused, served, yuan

from fanxing.flows.ports import ChangeSet, Get, Quota
from fanxing.flows.score import FUNDING
from fanxing.flows.settle import settle
from fanxing.rail.v1 import payout_rail_service_pb2_grpc
from fanxing.wire.rail_client import GrpcRail

__all__ = ["rail_timeout_s", "service", "store"]  # fixtures


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


@pytest.mark.parametrize("amount", [yuan(10), yuan(100, "USD"), None, Money(currency_code="CNY", nanos=1)])
async def test_a_rail_that_moved_another_amount_is_not_booked_and_cried_out(service, amount):
    draw = service.draw(service.held, yuan(100))
    service.rail.says.append(STATUS.UNAVAILABLE)
    assert await disbursed(service, draw) == "PENDING"
    (transfer_id,) = service.rail.amounts
    service.rail.comes_to(transfer_id, PAID)
    service.rail.amounts[transfer_id] = amount
    with structlog.testing.capture_logs() as logs:
        assert await settle(service.institution, service.world) == 0
    assert [entry["event"] for entry in logs] == ["rail speaks of another amount"]
    assert await stands(service) == books("PENDING", 100)
    service.rail.amounts[transfer_id] = yuan(100)
    assert await settle(service.institution, service.world) == 1
    assert await stands(service) == books("ACTIVE", 100)
