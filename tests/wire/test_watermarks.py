"""Feeds tell through when they are complete: once, only onwards, never ahead of the clock, all or none."""

import asyncio
from contextlib import suppress

import grpc
import pytest
from tests.served import DAY_US, payment, refused, served
from tests.watermark_calls import HOUR_US, feeds, score, tell, telling
from tests.wire.test_store_faults import DONE, GONE, LOST, BreakingStore
from tests.wire.test_tenants import open_banks

from fanxing.errors import OutcomeUnknown, StoreUnavailable
from fanxing.feeds import RecordedWatermark
from fanxing.flows.ports import Range
from fanxing.store.open import open_store
from fanxing.strategies.decision import Decision
from fanxing.v1 import decision_service_pb2, lending_service_pb2
from fanxing.wire import convert

STATUS = grpc.StatusCode
DECISIONS = ("merchant_id", "known_us", "decision_id")
ORDER = ("merchant_id", "channel", "known_us", "complete_through_us")


async def log(service, channel="", merchant_id=""):
    """(complete through, known at) of each telling."""
    query = Range(RecordedWatermark, ORDER, prefix=(merchant_id, channel))
    (found,) = await service.world.store.read("demo", query)
    return [(each.complete_through_us, each.known_us) for each in found]


async def test_a_feed_moves_on_and_its_log_grows(service):
    now = service.clock.us
    (feed,) = await tell(service, now - HOUR_US, "qr")
    assert (feed.channel, feed.merchant_id, convert.micros(feed.known_at, "")) == ("qr", "", now)
    service.clock.us += DAY_US
    await tell(service, now, "qr")
    await tell(service, now, "bank")
    assert await log(service, "qr") == [(now - HOUR_US, now), (now, now + DAY_US)]
    assert await feeds(service) == [("bank", now), ("qr", now)]


async def test_a_watermark_that_goes_back_is_refused_and_the_feed_stays_where_it_was(service):
    now = service.clock.us
    await tell(service, now, "qr")
    service.clock.us += DAY_US
    said = await refused(tell(service, now - 1, "qr"))
    assert (said.status, said.reason, said.fields) == (
        STATUS.FAILED_PRECONDITION,
        "WATERMARK_BACKWARDS",
        ["watermark.complete_through"],
    )
    assert said.metadata["last"].startswith("2026-09-")
    assert said.metadata["merchant_id"] == ""
    assert await feeds(service) == [("qr", now)]


async def test_the_same_moment_again_changes_nothing(service):
    now = service.clock.us
    await tell(service, now, "qr")
    service.clock.us += HOUR_US
    (feed,) = await tell(service, now, "qr")
    assert convert.micros(feed.known_at, "") == now
    assert await log(service, "qr") == [(now, now)]


@pytest.mark.parametrize(("ahead_us", "recorded"), [(1, True), (300_000_000, True), (300_000_001, False)])
async def test_a_watermark_that_jumps_ahead_of_the_clock_is_refused_or_counts_as_now(service, ahead_us, recorded):
    now = service.clock.us
    if recorded:
        await tell(service, now + ahead_us, "qr")
        assert await log(service, "qr") == [(now, now)]
        return
    said = await refused(tell(service, now + ahead_us, "qr"))
    assert (said.status, said.reason, said.fields) == (
        STATUS.INVALID_ARGUMENT,
        "TIME_IN_FUTURE",
        ["watermark.complete_through"],
    )
    assert await feeds(service) == []


async def test_a_service_whose_clock_is_behind_calls_no_step_forward_one_back(service):
    now = service.clock.us
    await tell(service, now, "qr")
    service.clock.us -= 2_000_000
    await tell(service, now + 1, "qr")
    assert await log(service, "qr") == [(now, now)]
    service.clock.us += 3_000_000
    await tell(service, now + 1, "qr")
    assert await log(service, "qr") == [(now, now), (now + 1, now + 1_000_000)]


async def test_a_doubled_request_is_one_and_another_under_its_id_is_refused(service):
    now = service.clock.us
    first = telling(service, now - HOUR_US, "qr")
    await service.payments.RecordWatermark(first)
    service.clock.us += DAY_US
    await tell(service, now, "qr")
    (feed,) = (await service.payments.RecordWatermark(first)).feeds  # late, and no step back
    assert convert.micros(feed.complete_through, "") == now
    assert len(await log(service, "qr")) == 2
    said = await refused(service.payments.RecordWatermark(telling(service, now, "qr", request_id=first.request_id)))
    assert (said.status, said.reason) == (STATUS.ALREADY_EXISTS, "REQUEST_ID_REUSED")


@pytest.fixture
async def stored(address, tmp_path, policy_directory):
    store = await open_store(**address)
    async with served(tmp_path, policy_directory, store=store) as running:
        yield running
    await store.close()


async def test_doubled_at_once_it_is_told_once_and_of_two_the_later_stands(stored):
    now, same = stored.clock.us, telling(stored, stored.clock.us - DAY_US, "qr")
    await asyncio.gather(*(stored.payments.RecordWatermark(same) for _ in range(8)))
    assert await log(stored, "qr") == [(now - DAY_US, now)]
    racing = [tell(stored, now - hours * HOUR_US, "qr") for hours in range(8)]
    answers = await asyncio.gather(*racing, return_exceptions=True)
    assert isinstance(answers[0], list), "the greatest is never behind"
    told = [through for through, _ in await log(stored, "qr")]
    assert told == sorted(told)
    assert told[-1] == now
    assert await feeds(stored) == [("qr", now)]


async def test_told_for_some_merchants_it_is_told_for_all_of_these_or_none(service):
    shops = [f"shop-{number}" for number in range(3)]
    for shop in shops:
        await service.register(shop)
    now = service.clock.us
    told = await tell(service, now, "qr", shops[::-1])
    assert [each.merchant_id for each in told] == shops[::-1]
    said = await refused(tell(service, now, "bank", [*shops, "nobody"]))
    assert (said.status, said.reason, said.fields) == (STATUS.NOT_FOUND, "MERCHANT_NOT_FOUND", ["merchant_ids[3]"])
    await tell(service, now, "bank", [shops[1]])
    service.clock.us += HOUR_US
    said = await refused(tell(service, now - 1, "bank", shops))
    assert (said.reason, said.metadata["merchant_id"]) == ("WATERMARK_BACKWARDS", shops[1])
    assert [await feeds(service, shop) for shop in shops] == [
        [("qr", now)],
        [("bank", now), ("qr", now)],
        [("qr", now)],
    ]
    assert await feeds(service) == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"merchant_ids": ["m1", "m1"]}, ["merchant_ids"]),
        ({"merchant_ids": [str(number) for number in range(1001)]}, ["merchant_ids"]),
        ({"merchant_ids": ["m 1"]}, ["merchant_ids[0]"]),
        ({"watermark": {"channel": "QR", "complete_through": {"seconds": 1}}}, ["watermark.channel"]),
        ({"watermark": {"channel": "qr"}}, ["watermark.complete_through"]),
        ({"watermark": {"channel": "qr", "complete_through": {"seconds": -1}}}, ["watermark.complete_through"]),
        ({"watermark": None}, ["watermark"]),
        ({"request_id": "1"}, ["request_id"]),
    ],
)
async def test_what_breaks_the_contract_is_refused_by_its_field(service, changes, fields):
    said = await refused(tell(service, service.clock.us, "qr", **changes))
    assert (said.status, said.reason, said.fields) == (STATUS.INVALID_ARGUMENT, "INVALID_REQUEST", fields)


async def test_a_caller_dates_a_feeds_tellings_in_order(replayed):
    now = replayed.clock.us
    await tell(replayed, now - DAY_US, "qr")
    replayed.clock.us -= 1
    said = await refused(tell(replayed, now - HOUR_US, "qr"))
    assert (said.status, said.reason, said.fields) == (
        STATUS.FAILED_PRECONDITION,
        "EFFECTIVE_TIME_BACKWARDS",
        ["effective_time"],
    )
    await tell(replayed, now - HOUR_US, "bank")
    assert await feeds(replayed) == [("bank", now - HOUR_US), ("qr", now - DAY_US)]


async def test_a_system_clock_that_jumps_back_is_held(service):
    now = service.clock.us
    await tell(service, now - DAY_US, "qr")
    service.clock.us -= HOUR_US
    await tell(service, now - 2 * HOUR_US, "qr")
    assert await log(service, "qr") == [(now - DAY_US, now), (now - 2 * HOUR_US, now)]


@pytest.mark.parametrize("merchants", [(), ("m1", "m2")])
@pytest.mark.parametrize("how", [GONE, LOST, DONE])
async def test_wherever_the_store_breaks_the_same_telling_again_is_told_once(
    tmp_path, policy_directory, merchants, how
):
    store = BreakingStore()
    async with served(tmp_path, policy_directory, store=store) as service:
        for shop in merchants:
            await service.register(shop)
        met = set()
        for step in range(6):
            service.clock.us += DAY_US
            request = telling(service, service.clock.us - HOUR_US, "qr", merchants)
            store.break_at(step, how)
            with suppress(grpc.aio.AioRpcError):
                await service.payments.RecordWatermark(request)
            store.steps_left = None
            assert len((await service.payments.RecordWatermark(request)).feeds) == max(1, len(merchants))
            for shop in merchants or ("",):
                assert (await log(service, "qr", shop))[-1][0] == service.clock.us - HOUR_US
                assert len(await log(service, "qr", shop)) == step + 1
            met.add(store.met)
        assert met == {None, StoreUnavailable} | (set() if how is GONE else {OutcomeUnknown})


async def test_a_stale_feed_stops_decisions_by_name_and_leaves_nothing_behind(service):
    await service.register()
    await service.trade()
    service.clock.us += 10 * DAY_US
    now = service.clock.us
    await tell(service, now - 7 * DAY_US - 1, "")
    application = service.application()
    for call in (service.lending.Apply(application), score(service)):
        said = await refused(call)
        assert (said.status, said.reason) == (STATUS.FAILED_PRECONDITION, "FEED_STALE")
        assert said.metadata["channel"] == ""
        assert (
            said.metadata["complete_through"] == convert.timestamp(now - 7 * DAY_US - 1).ToJsonString()[:-1] + "+00:00"
        )
    given = decision_service_pb2.EvaluateRequest(indicators={"feed_lag_hours": 168.1}, category="canteen")
    said = await refused(service.decisions.Evaluate(given))
    assert (said.reason, said.metadata) == ("FEED_STALE", {"lag_hours": "168.1"})
    assert not (await service.lending.ListApplications(lending_service_pb2.ListApplicationsRequest())).applications
    assert await service.world.store.read("demo", Range(Decision, DECISIONS, prefix=("m1",))) == ((),)
    await service.record(payment("m1", "again", now - HOUR_US))
    await tell(service, now, "")
    assert (await service.lending.Apply(application)).application.HasField("offer")


async def test_a_feed_of_another_institution_is_another_feed_and_its_merchants_are_not_found(
    tmp_path, policy_directory
):
    async with open_banks(tmp_path, policy_directory, "memory") as banks:
        now = banks.east.clock.us
        await banks.east.register()
        await tell(banks.east, now, "qr")
        await tell(banks.east, now, "qr", ["m1"])
        assert await feeds(banks.west) == []
        said = await refused(feeds(banks.west, "m1"))
        assert (said.status, said.reason, said.fields) == (STATUS.NOT_FOUND, "MERCHANT_NOT_FOUND", ["merchant_id"])
        said = await refused(tell(banks.west, now, "qr", ["m1"]))
        assert (said.reason, said.fields) == ("MERCHANT_NOT_FOUND", ["merchant_ids[0]"])
        await tell(banks.west, now - HOUR_US, "qr")
        assert (await feeds(banks.east), await feeds(banks.west)) == ([("qr", now)], [("qr", now - HOUR_US)])
