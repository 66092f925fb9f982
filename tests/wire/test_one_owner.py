"""One owner's shops are one borrower: whatever races, the lines opened are those that the decisions knew of."""

import asyncio

import grpc
import pytest
from tests.meeting import Meeting
from tests.served import DAY_US, new_id, payment, refused, served

from fanxing.institutions import Clock
from fanxing.store.open import open_store
from fanxing.v1 import lending_service_pb2, merchant_service_pb2


@pytest.fixture
def clock():
    return Clock.SYSTEM


@pytest.fixture
async def service(address, tmp_path, policy_directory, clock):
    """Two shops of one owner, both worth lending to."""
    store = await open_store(**address)
    async with served(tmp_path, policy_directory, store=Meeting(store), clock=clock) as running:
        for shop in ("m1", "m2"):
            await running.register(shop, controller_token="owner")
            await running.trade(shop, days=90, payers=60, per_day=4, vouched=shop == "m1")
        yield running
    await store.close()


async def accepting(service, shop):
    applied = (await service.lending.Apply(service.application(shop))).application
    assert applied.HasField("offer")
    return lending_service_pb2.AcceptOfferRequest(
        request_id=new_id(), application_id=applied.application_id, offer_digest=applied.offer.digest, **service.at()
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


async def score(service, shop):
    request = lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id=shop, **service.at())
    return (await service.lending.Score(request)).decision


async def what_was_known(service, decision):
    request = merchant_service_pb2.GetIndicatorsRequest(
        merchant_id=decision.merchant_id, as_of=decision.as_of, known_at=decision.known_at, **service.at()
    )
    answer = await service.merchants.GetIndicators(request)
    return {each.name: each.value for each in answer.indicators if each.HasField("value")}


def inputs(decision):
    return {each.name: each.value for each in decision.inputs if each.HasField("value")}


async def one_clock_runs_ahead(service):
    """m1 is called five times at the same moment; where the service keeps the time, its clock then jumps back."""
    for number in range(5):
        await service.record(payment("m1", f"again-{number}", service.clock.us))
    if service.institution.clock is Clock.SYSTEM:
        service.clock.us -= 3_600_000_000


@pytest.mark.parametrize("clock", Clock)
async def test_an_offer_is_overtaken_whichever_shops_clock_runs_ahead(service):
    first = await accepting(service, "m1")
    await one_clock_runs_ahead(service)
    second = await accepting(service, "m2")
    await service.lending.AcceptOffer(second)
    assert (await refused(service.lending.AcceptOffer(first))).reason == "OFFER_EXPIRED"
    assert [line.merchant_id for line in await lines(service)] == ["m2"]


@pytest.mark.parametrize("clock", Clock)
@pytest.mark.parametrize(("ahead", "behind"), [("m1", "m2"), ("m2", "m1")])
async def test_a_decision_sees_the_other_shops_line_and_none_that_comes_later(service, ahead, behind):
    await one_clock_runs_ahead(service)
    before = await score(service, ahead)
    line = (await service.lending.AcceptOffer(await accepting(service, behind))).credit_line
    after = await score(service, ahead)
    limit_fen = line.limit.units * 100
    assert [inputs(decision)["group_outstanding_fen"] for decision in (before, after)] == [0, limit_fen]
    for decision in (before, after):
        told = await what_was_known(service, decision)  # an hour before the decision, if the clock jumped back
        assert {name: told.get(name) for name in inputs(decision)} == inputs(decision)
    service.clock.us += 5 * DAY_US
    assert (await what_was_known(service, before))["group_outstanding_fen"] == 0
    assert (await what_was_known(service, after))["group_outstanding_fen"] == limit_fen


@pytest.mark.parametrize("clock", Clock)
async def test_a_shop_registered_after_a_line_of_its_owner_is_one_of_the_group_at_once(service, clock):
    await one_clock_runs_ahead(service)
    line = (await service.lending.AcceptOffer(await accepting(service, "m1"))).credit_line
    await service.register("m3", controller_token="owner")
    decision = await score(service, "m3")
    assert (await what_was_known(service, decision))["group_outstanding_fen"] == line.limit.units * 100


async def other_shop_is_dated_ahead(service, days=70):
    """m2 is scored while the clock is far ahead, then that goes back."""
    service.clock.us += days * DAY_US
    await score(service, "m2")
    service.clock.us -= days * DAY_US


async def test_what_others_record_after_a_decision_is_in_none_of_its_graph_though_its_clock_was_ahead(service):
    await service.record(*(payment("m1", f"new-{n}", service.clock.us, payer_token=f"new-{n}") for n in range(40)))
    await other_shop_is_dated_ahead(service)
    decision = await score(service, "m1")
    service.clock.us += DAY_US
    for shop in ("elsewhere-0", "elsewhere-1", "elsewhere-2"):
        before = service.clock.us - 10 * DAY_US
        await service.record(*(payment(shop, f"new-{n}", before, payer_token=f"new-{n}") for n in range(40)))
    told = await what_was_known(service, decision)
    assert {name: told.get(name) for name in inputs(decision)} == inputs(decision)


async def test_the_step_up_looks_back_from_the_moment_told(service):
    await service.lending.AcceptOffer(await accepting(service, "m1"))
    service.clock.us += DAY_US
    near = inputs(await score(service, "m1"))["previous_limit_fen"]
    await other_shop_is_dated_ahead(service)
    assert inputs(await score(service, "m1"))["previous_limit_fen"] == near


async def test_indicators_of_now_see_all_that_is_on_record_though_the_clock_was_ahead(service):
    await other_shop_is_dated_ahead(service)
    await score(service, "m1")
    service.clock.us += DAY_US
    await service.record(*(payment("m1", f"new-{n}", service.clock.us) for n in range(7)))
    request = merchant_service_pb2.GetIndicatorsRequest(merchant_id="m1", **service.at())
    assert (await service.merchants.GetIndicators(request)).merchant_seq == 90 * 4 + 7


@pytest.mark.parametrize("clock", [Clock.CALLER])
async def test_a_caller_dates_the_decisions_of_one_owners_shops_in_order(service):
    await other_shop_is_dated_ahead(service, days=1)
    said = await refused(score(service, "m1"))
    assert (said.reason, said.fields) == ("EFFECTIVE_TIME_BACKWARDS", ["effective_time"])
    assert (await service.record(payment("m1", "late", service.clock.us))).accepted == 1
    service.clock.us += DAY_US
    assert (await score(service, "m1")).merchant_id == "m1"


@pytest.mark.parametrize("clock", Clock)
async def test_indicators_of_now_see_the_other_shops_line(service):
    if service.institution.clock is Clock.SYSTEM:
        await other_shop_is_dated_ahead(service, days=1)
    line = (await service.lending.AcceptOffer(await accepting(service, "m2"))).credit_line
    request = merchant_service_pb2.GetIndicatorsRequest(
        merchant_id="m1", names=["group_outstanding_fen"], **service.at()
    )
    (told,) = (await service.merchants.GetIndicators(request)).indicators
    assert told.value == line.limit.units * 100
