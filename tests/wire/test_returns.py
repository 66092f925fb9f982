"""Money that was paid out and comes back days later is booked back, once."""

import asyncio

import pytest
from tests.programmed_rail import RETURNED, books, disbursed, elsewhere, rail_timeout_s, service, stands, store
from tests.served import DAY_US, yuan

from fanxing.flows.ports import ChangeSet, Get, Quota
from fanxing.flows.score import FUNDING
from fanxing.flows.settle import returns

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
