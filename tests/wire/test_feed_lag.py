"""What a feed that is behind stops: a first line, a larger one, any decision; and what it leaves on record: nothing."""

import struct
from dataclasses import replace

import pytest
from google.type.money_pb2 import Money
from tests.served import DAY_US, new_id, payment, refused, served, yuan
from tests.unit.test_feed_lag import without
from tests.watermark_calls import HOUR_US, inputs, recomputed, score, tell
from tests.wire.test_peers import ranking_policy  # noqa: F401  a fixture

from fanxing.flows.ports import ChangeSet, GraphOfDay, PeersOfDay, Range
from fanxing.lending.line import CreditLine, LineState
from fanxing.strategies.decision import Decision
from fanxing.v1 import lending_service_pb2, payment_pb2

DECISIONS, LINES = ("merchant_id", "known_us", "decision_id"), ("merchant_id", "created_us", "line_id")


@pytest.fixture
async def shop(service):
    """A shop with 90 days of trade, whose feed has told a moment ago."""
    await service.register()
    await service.trade(days=90, payers=60, per_day=4)
    await tell(service, service.clock.us)
    service.told_us = service.clock.us
    return service


async def on_record(service, record, order):
    (found,) = await service.world.store.read("demo", Range(record, order, prefix=("m1",)))
    return found


def acceptance(service, applied):
    return lending_service_pb2.AcceptOfferRequest(
        request_id=new_id(),
        application_id=applied.application.application_id,
        offer_digest=applied.application.offer.digest,
        **service.at(),
    )


async def offered(service, **changes):
    applied = await service.lending.Apply(service.application(**changes))
    assert applied.application.HasField("offer"), applied.decision.reasons
    return applied


async def test_no_first_line_is_opened_once_its_feed_died_and_the_offer_stays_open(shop):
    shop.clock.us = shop.told_us + 48 * HOUR_US
    applied = await offered(shop)
    for hours, limit in ((48, "48 hours"), (168, "168 hours"), (215, "168 hours")):
        shop.clock.us = shop.told_us + hours * HOUR_US + 1
        said = await refused(shop.lending.AcceptOffer(acceptance(shop, applied)))
        assert (said.reason, said.metadata["channel"], limit in said.message) == ("FEED_STALE", "", True)
    assert await on_record(shop, CreditLine, LINES) == ()
    get = lending_service_pb2.GetApplicationRequest(application_id=applied.application.application_id)
    assert (await shop.lending.GetApplication(get)).application == applied.application
    await tell(shop, shop.clock.us)
    assert (
        await shop.lending.AcceptOffer(acceptance(shop, applied))
    ).credit_line.limit == applied.application.offer.limit


async def test_what_the_merchant_had_it_can_have_again_while_its_feed_is_behind_and_no_more(shop):
    await shop.line(requested_amount=yuan(800))
    (line,) = await on_record(shop, CreditLine, LINES)
    closed = replace(line, state=LineState.CLOSED, version=line.version + 1)
    await shop.world.store.commit("demo", ChangeSet(updates=(closed,)))
    shop.clock.us += HOUR_US
    await tell(shop, shop.clock.us)
    less, more = await offered(shop, requested_amount=yuan(800)), await offered(shop, requested_amount=yuan(900))
    shop.clock.us += 48 * HOUR_US + 1
    said = await refused(shop.lending.AcceptOffer(acceptance(shop, more)))
    assert (said.reason, "48 hours" in said.message) == ("FEED_STALE", True)
    assert (await shop.lending.AcceptOffer(acceptance(shop, less))).credit_line.limit.units == 800


async def test_a_first_application_is_not_declined_for_its_feeds_fault(shop):
    shop.clock.us += 48 * HOUR_US + 1
    application = shop.application()
    for call in (shop.lending.Apply(application), score(shop)):
        said = await refused(call)
        assert (said.reason, said.metadata["channel"], float(said.metadata["lag_hours"]) > 48) == (
            "FEED_STALE",
            "",
            True,
        )
    assert await on_record(shop, Decision, DECISIONS) == ()
    await tell(shop, shop.clock.us)
    assert (await shop.lending.Apply(application)).application.HasField("offer")


async def test_a_shop_that_opened_after_the_watermark_is_not_told_that_it_has_no_receipts(service):
    await service.register()
    now = service.clock.us
    await tell(service, now)
    service.clock.us += 40 * HOUR_US
    await service.record(*(payment("m1", f"n{hour}", now + hour * HOUR_US) for hour in range(1, 40)))
    said = await refused(score(service))
    assert (said.reason, said.metadata["lag_hours"], said.metadata["channel"]) == ("FEED_STALE", "40.0", "")
    assert await on_record(service, Decision, DECISIONS) == ()
    await tell(service, now + HOUR_US)
    reasons = [each.code for each in (await score(service)).reasons]
    assert reasons
    assert "NO_RECEIPTS" not in reasons


async def test_a_refusal_settles_neither_the_days_graph_nor_its_peers(tmp_path, ranking_policy):  # noqa: F811
    async with served(tmp_path, ranking_policy) as service:
        await service.register()
        await service.record(payment("m1", "one", service.clock.us - HOUR_US))
        await tell(service, service.clock.us)
        service.clock.us += 10 * DAY_US
        assert (await refused(score(service))).reason == "FEED_STALE"
        settled = await service.world.store.read("demo", Range(PeersOfDay, ("day",)), Range(GraphOfDay, ("day",)))
        assert settled == ((), ())
        await tell(service, service.clock.us)
        await score(service)
        settled = await service.world.store.read("demo", Range(PeersOfDay, ("day",)), Range(GraphOfDay, ("day",)))
        assert [len(each) for each in settled] == [1, 1]


async def everything_sent_back(service, at_us):
    refund = payment_pb2.PAYMENT_KIND_REFUND
    back = [
        payment(
            "m1", f"r{day}-{n}", at_us, kind=refund, refund_of=f"{day}-{n}", payer_token=f"payer-{(day * 7 + n) % 60}"
        )
        for day in range(1, 91)
        for n in range(4)
    ]
    assert (await service.record(*back)).accepted == len(back)


@pytest.mark.parametrize("behind", ["", "slow"])
async def test_no_feed_that_is_behind_hides_what_was_sent_back(shop, behind):
    """Neither the feed that has told less far than its refunds, nor one fen by another that is slower still."""
    shop.clock.us += DAY_US
    now = shop.clock.us
    assert (await score(shop)).limit.units > 0
    through_us = now - (21 if not behind else 47) * HOUR_US
    await shop.record(
        payment("m1", "one fen", through_us, channel=behind, amount=Money(currency_code="CNY", nanos=10**7))
    )
    await tell(shop, through_us, behind)
    await everything_sent_back(shop, now - 20 * HOUR_US)
    shop.clock.us += 1_000_000
    decision = await score(shop)
    assert decision.limit.units == 0
    assert struct.unpack("<d", inputs(decision)["feed_lag_hours"])[0] > 20
    assert await recomputed(shop, decision) == inputs(decision)


@pytest.mark.parametrize("telling", [False, True])
async def test_a_policy_without_the_rule_lends_nothing_on_a_feed_that_died_though_it_once_told(tmp_path, telling):
    policy = without(tmp_path / "policy", "feed_lag")
    async with served(tmp_path, policy) as service:
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
        if telling:
            await tell(service, service.clock.us)
        service.clock.us += 60 * DAY_US
        decision = await score(service)
    assert decision.limit.units == 0
    assert "unknown_receipts" in {cap.name for cap in decision.caps}
