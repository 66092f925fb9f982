"""Settlement: what comes back is booked back, once; one loan that cannot be booked stops no other."""

import asyncio
from dataclasses import replace

import grpc
import pytest
import structlog
from tests.programmed_rail import (
    IN_FLIGHT,
    PAID,
    REFUSED,
    RETURNED,
    books,
    disbursed,
    elsewhere,
    rail_timeout_s,
    service,
    stands,
    store,
)
from tests.served import DAY_US, new_id, yuan

from fanxing.flows.ports import ChangeSet, Get, Quota
from fanxing.flows.score import FUNDING
from fanxing.flows.settle import returns, settle
from fanxing.v1 import lending_service_pb2, merchant_service_pb2

__all__ = ["rail_timeout_s", "service", "store"]  # fixtures


@pytest.mark.parametrize("funding", [None, 1000])
async def test_what_was_paid_and_comes_back_days_later_is_booked_back_once(service, funding):
    if funding:
        funder = Quota(name=FUNDING, limit_fen=funding * 100, used_fen=0)
        await service.world.store.commit("demo", ChangeSet(inserts=(funder,)))
    assert await disbursed(service, service.draw(service.held, yuan(100))) == "ACTIVE"
    assert await returns(service.institution, service.world) == 0
    assert await stands(service) == books("ACTIVE", 100)
    (transfer_id,) = service.rail.transfers
    service.rail.comes_to(transfer_id, RETURNED)
    service.clock.us += 3 * DAY_US
    assert sum(await asyncio.gather(*(returns(service.institution, elsewhere(service)) for _ in range(3)))) >= 1
    assert await stands(service) == books("RETURNED", 100)
    assert await returns(service.institution, service.world) == 0
    if funding:
        (quota,) = (await service.world.store.read("demo", Get(Quota, ((FUNDING,),))))[0]
        assert quota.used_fen == 0
    assert await disbursed(service, service.draw(service.held, yuan(50))) == "ACTIVE"


async def test_a_loan_paid_out_long_ago_is_not_asked_about(service):
    assert await disbursed(service, service.draw(service.held, yuan(100))) == "ACTIVE"
    service.clock.us += 11 * DAY_US
    asked = service.rail.calls["Query"]
    assert await returns(service.institution, service.world) == 0
    assert service.rail.calls["Query"] == asked


@pytest.mark.parametrize("told", [REFUSED, RETURNED])
async def test_a_loan_from_before_the_funder_set_a_limit_gives_back_nothing(service, told):
    service.rail.says.append(grpc.StatusCode.UNAVAILABLE)
    assert await disbursed(service, service.draw(service.held, yuan(100))) == "PENDING"
    funder = Quota(name=FUNDING, limit_fen=100_000, used_fen=0)
    await service.world.store.commit("demo", ChangeSet(inserts=(funder,)))
    (transfer_id,) = service.rail.amounts
    service.rail.comes_to(transfer_id, told)
    assert await settle(service.institution, service.world) == 1
    assert (await service.world.store.read("demo", Get(Quota, ((FUNDING,),)))) == ((funder,),)


async def test_a_loan_that_cannot_be_booked_does_not_stop_those_behind_it(service):
    service.rail.says.extend(3 * [grpc.StatusCode.UNAVAILABLE])
    for _ in range(3):
        assert await disbursed(service, service.draw(service.held, yuan(100))) == "PENDING"
    for transfer_id in service.rail.amounts:
        service.rail.comes_to(transfer_id, PAID)
    first = (await service.lending.ListLoans(lending_service_pb2.ListLoansRequest())).loans[0]
    choking = replace(service.world, rail=Choking(service.world.rail, first.transfer_id))
    with structlog.testing.capture_logs() as logs:
        assert await settle(service.institution, choking) == 2
    assert [entry["loan_id"] for entry in logs] == [first.loan_id]
    assert await settle(service.institution, service.world) == 1
    assert await stands(service) == books("ACTIVE", 100, 3)


class Choking:
    """A rail whose word about one transfer cannot be handled."""

    def __init__(self, rail, transfer_id):
        self.rail, self.transfer_id = rail, transfer_id

    async def query(self, transfer_id):
        if transfer_id == self.transfer_id:
            raise ValueError("what is this")
        return await self.rail.query(transfer_id)


async def test_the_banks_words_are_kept_without_what_no_store_should_be_handed(service):
    service.rail.detail = "no such account\0 \x1b[31m" + "x" * 10_000
    service.rail.says.append(REFUSED)
    loan = (await service.lending.Disburse(service.draw(service.held, yuan(100)))).loan
    assert loan.rail_detail.startswith("no such account [31mxxx")
    assert len(loan.rail_detail) < 501


async def test_a_request_id_names_one_request_in_capitals_too(service):
    draw = service.draw(service.held, yuan(100), request_id="0B0F8A3E-2A5C-4A60-9A6E-3F1D2C4B5A69")
    loan = (await service.lending.Disburse(draw)).loan
    draw.request_id = draw.request_id.lower()
    assert (await service.lending.Disburse(draw)).loan == loan
    asked = lending_service_pb2.GetLoanRequest(loan_id=loan.loan_id.upper())
    assert (await service.lending.GetLoan(asked)).loan == loan
    assert await stands(service) == books("ACTIVE", 100)


@pytest.mark.parametrize("comes_to", [REFUSED, PAID, RETURNED])
@pytest.mark.parametrize("clock_goes_s", [-3600, 0, 3600])
async def test_what_the_rail_says_later_changes_nothing_of_what_a_decision_knew(service, comes_to, clock_goes_s):
    service.rail.says.append(IN_FLIGHT)
    assert await disbursed(service, service.draw(service.held, yuan(100))) == "PENDING"
    request = lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id="m1")
    decision = (await service.lending.Score(request)).decision
    before = await as_known(service, decision)
    assert before["outstanding_fen"] == 10_000
    (transfer_id,) = service.rail.transfers
    service.rail.comes_to(transfer_id, comes_to)
    service.clock.us += clock_goes_s * 1_000_000
    assert await settle(service.institution, service.world) == 1
    assert await as_known(service, decision) == before
    after = (
        await service.lending.Score(lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id="m1"))
    ).decision
    assert (await as_known(service, after))["outstanding_fen"] == (10_000 if comes_to == PAID else 0)
    assert await as_known(service, decision) == before


async def as_known(service, decision):
    request = merchant_service_pb2.GetIndicatorsRequest(
        merchant_id="m1", as_of=decision.as_of, known_at=decision.known_at
    )
    answer = await service.merchants.GetIndicators(request)
    return {each.name: each.value for each in answer.indicators if each.HasField("value")}
