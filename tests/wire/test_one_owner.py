"""One owner's shops are one borrower: whatever races, the lines opened are those that the decisions knew of."""

import asyncio

import grpc
import pytest
from tests.meeting import Meeting
from tests.served import new_id, refused, served

from fanxing.store.open import open_store
from fanxing.v1 import lending_service_pb2


@pytest.fixture
async def service(address, tmp_path, policy_directory):
    """Two shops of one owner, both worth lending to."""
    store = await open_store(**address)
    async with served(tmp_path, policy_directory, store=Meeting(store)) as running:
        for shop in ("m1", "m2"):
            await running.register(shop, controller_token="owner")
            await running.trade(shop, days=90, payers=60, per_day=4, vouched=shop == "m1")
        yield running
    await store.close()


async def accepting(service, shop):
    applied = (await service.lending.Apply(service.application(shop))).application
    assert applied.HasField("offer")
    return lending_service_pb2.AcceptOfferRequest(
        request_id=new_id(), application_id=applied.application_id, offer_digest=applied.offer.digest
    )


async def lines(service):
    return (await service.lending.ListCreditLines(lending_service_pb2.ListCreditLinesRequest())).credit_lines


async def test_an_offer_that_another_shop_of_the_owner_overtook_is_expired(service):
    first, second = await accepting(service, "m1"), await accepting(service, "m2")
    await service.lending.AcceptOffer(first)
    said = await refused(service.lending.AcceptOffer(second))
    assert (said.status, said.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "OFFER_EXPIRED")
    assert [line.merchant_id for line in await lines(service)] == ["m1"]
    service.clock.us += 1_000_000
    again = await accepting(service, "m2")
    assert (await service.lending.AcceptOffer(again)).credit_line.merchant_id == "m2"


async def test_of_two_shops_of_one_owner_that_accept_at_once_one_is_lent(service):
    both = [await accepting(service, shop) for shop in ("m1", "m2")]
    service.world.store.awaited = 2
    answers = await asyncio.gather(*map(service.lending.AcceptOffer, both), return_exceptions=True)
    assert len(await lines(service)) == 1
    assert {type(answer) for answer in answers} == {lending_service_pb2.AcceptOfferResponse, grpc.aio.AioRpcError}
