"""What a decision saw of the feeds stays so: told late, dated back, told meanwhile, or by another process."""

import struct
from datetime import date

import pytest
from tests.served import DAY_US, payment, refused, served
from tests.watermark_calls import HOUR_US, inputs, known, recomputed, score, score_request, seen, tell
from tests.wire.test_as_known import Restarted

from fanxing.flows.ports import Range
from fanxing.institutions import Clock
from fanxing.lending.line import CreditLine
from fanxing.store.open import open_store
from fanxing.strategies.decision import Decision
from fanxing.wire import convert


@pytest.fixture(params=Clock)
async def bank(request, address, tmp_path, policy_directory):
    """A shop that is paid by two channels, and whose payers are known elsewhere."""
    store = await open_store(**address)
    async with served(tmp_path, policy_directory, store=store, clock=request.param) as service:
        await service.register()
        await service.trade(days=60, payers=60, per_day=3)
        service.clock.us += DAY_US
        service.noon = now = service.clock.us
        paid = [
            payment("m1", f"{channel}-{day}", now - day * DAY_US, channel=channel, payer_token=f"payer-{day}")
            for channel in ("qr", "bank")
            for day in range(1, 40)
        ]
        assert (await service.record(*paid)).accepted == len(paid)
        yield service
    await store.close()


async def test_a_stored_decision_is_computed_again_to_the_bit(bank):
    now = bank.clock.us
    await tell(bank, now - 30 * HOUR_US, "qr")
    await tell(bank, now - HOUR_US, "bank")
    await tell(bank, now - 20 * HOUR_US, "qr", ["m1"])
    decision = await score(bank)
    assert seen(decision) == [("bank", now - HOUR_US), ("qr", now - 20 * HOUR_US)]
    assert decision.merchant_seq == 180 + 78
    before = await known(bank, decision.as_of, decision.known_at)
    assert before[1] == now - 20 * HOUR_US
    bank.clock.us += DAY_US
    await tell(bank, now, "qr")
    await tell(bank, now, "bank", ["m1"])
    async with Restarted(bank) as again:
        for service in (bank, again):
            assert await recomputed(service, decision) == inputs(decision)
            assert await known(service, decision.as_of, decision.known_at) == before
    assert (await known(bank, decision.as_of, convert.timestamp(bank.clock.us)))[1] == now


async def test_a_late_watermark_does_not_change_an_earlier_decision_as_known(bank):
    decision = await score(bank)
    assert seen(decision) == []
    before = await known(bank, decision.as_of, decision.known_at)
    await tell(bank, bank.clock.us - 40 * HOUR_US, "qr")  # by a clock that stands where the decision's does
    assert await recomputed(bank, decision) == inputs(decision)
    assert await known(bank, decision.as_of, decision.known_at) == before
    bank.clock.us += 1_000_000
    later = await score(bank)
    assert seen(later) == [("qr", bank.noon - 40 * HOUR_US)]
    assert await recomputed(bank, later) == inputs(later) != inputs(decision)
    assert await recomputed(bank, decision) == inputs(decision)


@pytest.mark.parametrize("bank", [Clock.CALLER], indirect=True)
async def test_a_watermark_dated_back_is_known_to_no_decision_of_before_it_was_told(bank):
    now = bank.clock.us
    bank.clock.us += 5 * DAY_US
    early = await score(bank)
    bank.clock.us = now
    await tell(bank, now - HOUR_US, "qr")
    bank.clock.us += 6 * DAY_US
    assert await recomputed(bank, early) == inputs(early)
    assert (await known(bank, early.as_of, convert.timestamp(now + DAY_US)))[1] is None
    assert (await known(bank, early.as_of, convert.timestamp(bank.clock.us)))[1] == now - HOUR_US


async def test_a_feed_whose_clock_stands_ahead_is_seen_when_that_time_comes(bank):
    bank.clock.us -= HOUR_US
    await tell(bank, bank.clock.us - 3 * DAY_US, "qr")
    bank.clock.us += HOUR_US
    now = bank.clock.us
    await tell(bank, now - 2 * DAY_US, "qr")
    bank.clock.us += 3 * DAY_US
    await tell(bank, now + 2 * DAY_US, "qr")
    bank.clock.us = now
    decision = await score(bank)
    assert seen(decision) == [("qr", now - 2 * DAY_US)]
    bank.clock.us += 4 * DAY_US
    assert await recomputed(bank, decision) == inputs(decision)
    later = await score(bank)
    assert seen(later) == [("qr", now + 2 * DAY_US)]


class Meanwhile:
    """A store before whose next commit of a decision something else happens."""

    def __init__(self, store):
        self._store, self.then = store, None

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, institution_id, changes):
        then = self.then
        if then and any(isinstance(each, Decision) for each in changes.inserts):
            self.then = None
            await then()
        return await self._store.commit(institution_id, changes)


@pytest.mark.parametrize("clock", Clock)
async def test_what_is_told_while_a_decision_is_made_is_not_in_it_for_ever(address, tmp_path, policy_directory, clock):
    store = Meanwhile(await open_store(**address))
    async with served(tmp_path, policy_directory, store=store, clock=clock) as service:
        await service.register()
        await service.trade(days=20, payers=20, per_day=2, vouched=False)
        now = service.clock.us
        await tell(service, now - 40 * HOUR_US)
        store.then = lambda: tell(service, now - HOUR_US)
        decision = await score(service)
        assert (store.then, seen(decision)) == (None, [("", now - 40 * HOUR_US)])
        service.clock.us += 1_000_000
        assert await recomputed(service, decision) == inputs(decision)
        assert seen(await score(service)) == [("", now - HOUR_US)]
    await store.close()


async def test_payments_told_of_while_a_decision_is_made_are_in_it_with_their_watermark_or_neither_is(
    tmp_path, policy_directory
):
    store = Meanwhile(await open_store("memory:"))
    async with served(tmp_path, policy_directory, store=store) as service:
        await service.register()
        await service.trade(days=20, payers=20, per_day=2, vouched=False)

        async def recorded_and_told():
            await service.record(payment("m1", "meanwhile", service.clock.us - HOUR_US))
            await tell(service, service.clock.us)

        store.then = recorded_and_told
        decision = await score(service)
        assert (decision.merchant_seq, seen(decision)) == (41, [("", service.clock.us)])
        assert await recomputed(service, decision) == inputs(decision)


class Between(Meanwhile):
    """A store before whose next search for decisions something else happens."""

    async def read(self, institution_id, *queries):
        then = self.then
        if then and any(isinstance(each, Range) and each.record is Decision for each in queries):
            self.then = None
            await then()
        return await self._store.read(institution_id, *queries)


async def test_a_decision_made_while_indicators_are_read_tells_of_no_payments_that_are_not_in_them(
    tmp_path, policy_directory
):
    store = Between(await open_store("memory:"))
    async with served(tmp_path, policy_directory, store=store, clock=Clock.CALLER) as service:
        await service.register()
        await service.trade(days=20, payers=20, per_day=2, vouched=False)
        now, later = service.clock.us, convert.timestamp(service.clock.us + HOUR_US)
        await tell(service, now - 40 * HOUR_US)
        service.clock.us += HOUR_US
        before = await known(service, later, later)

        async def decided():
            service.clock.us = now
            await service.record(payment("m1", "meanwhile", now - HOUR_US))
            await tell(service, now)
            await score(service)
            service.clock.us = now + HOUR_US

        store.then = decided
        assert (await known(service, later, later), store.then) == (before, None)
        assert (await known(service, later, later))[1] == now


async def test_of_two_channels_one_falls_silent(bank):
    now = bank.clock.us
    for hours in range(0, 8 * 24, 12):
        bank.clock.us = now + hours * HOUR_US
        await tell(bank, bank.clock.us, "qr")
        if hours <= 24:
            await tell(bank, bank.clock.us, "bank")
    values, through = await known(bank, convert.timestamp(bank.clock.us), convert.timestamp(bank.clock.us))
    assert through == now + 24 * HOUR_US
    (lag,) = [value for name, value in values.items() if name == "feed_lag_hours"]
    said = await refused(score(bank))
    assert (said.metadata["channel"], said.metadata["lag_hours"]) == ("bank", str(struct.unpack("<d", lag)[0]))
    bank.clock.us = now + (24 + 168) * HOUR_US + 1
    await tell(bank, bank.clock.us, "qr")
    assert (await refused(score(bank))).metadata["channel"] == "bank"


async def test_after_two_days_a_line_is_offered_up_to_the_last_one_and_not_beyond(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory) as service:
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
        await tell(service, service.clock.us)
        service.clock.us += 2 * DAY_US
        free = await score(service)
        service.clock.us += 1
        assert free.limit.units > 0
        assert (await refused(score(service))).reason == "FEED_STALE"  # a first line would be an increase
        await tell(service, service.clock.us)
        line = await service.line(requested_amount={"currency_code": "CNY", "units": 800})
        service.clock.us += 2 * DAY_US + 1
        behind = await score(service)
        assert {cap.name: cap.amount.units for cap in behind.caps}["no_increase"] == line.limit.units == 800
        assert "FEED_BEHIND" in [reason.code for reason in behind.reasons]
        query = Range(CreditLine, ("merchant_id", "created_us", "line_id"), prefix=("m1",))
        ((held,),) = await service.world.store.read("demo", query)
        assert held.limit_fen == 80_000


async def test_a_request_of_a_decision_repeated_after_the_feed_moved_on_is_the_same_decision(bank):
    await tell(bank, bank.clock.us - HOUR_US, "qr")
    request = score_request(bank)
    decision = (await bank.lending.Score(request)).decision
    await tell(bank, bank.clock.us, "qr")
    assert (await bank.lending.Score(request)).decision == decision


async def test_a_shop_that_opens_later_is_told_for_with_all_others(bank):
    now = bank.clock.us
    await tell(bank, now - HOUR_US, "qr")
    await bank.register("m2", opened_on=convert.date_message(date(2026, 9, 1)))
    assert seen(await score(bank, "m2")) == []
    await bank.record(payment("m2", "p1", now - 2 * HOUR_US, channel="qr"))
    decision = await score(bank, "m2")
    assert seen(decision) == [("qr", now - HOUR_US)]
    assert await recomputed(bank, decision) == inputs(decision)


@pytest.fixture
async def ahead(address, tmp_path, policy_directory):
    """A shop; the clock of whichever process hears the next telling is 60 days ahead, for that one."""
    store = await open_store(**address)
    async with served(tmp_path, policy_directory, store=store) as service:
        await service.register()
        await service.trade(days=40, payers=20, per_day=2, vouched=False)
        service.noon = service.clock.us
        yield service
    await store.close()


async def heard_ahead(service, through_us, channel=""):
    now = service.clock.us
    service.clock.us = now + 60 * DAY_US
    await tell(service, through_us, channel)
    service.clock.us = now


async def test_one_telling_by_a_clock_that_stood_ahead_does_not_stop_the_feed(ahead):
    noon = ahead.noon
    await tell(ahead, noon - 1)
    early = await score(ahead)
    await heard_ahead(ahead, noon)
    decisions = [early]
    for day in range(1, 5):
        ahead.clock.us = noon + day * DAY_US
        await ahead.record(payment("m1", f"new-{day}", ahead.clock.us - HOUR_US))
        await tell(ahead, ahead.clock.us - HOUR_US)
        decisions.append(await score(ahead))
        assert seen(decisions[-1]) == [("", ahead.clock.us - HOUR_US)]
        now = convert.timestamp(ahead.clock.us + 1)
        ahead.clock.us += 1
        assert (await known(ahead, now, now))[1] == ahead.clock.us - 1 - HOUR_US
    assert (await known(ahead, decisions[2].as_of, convert.timestamp(noon + 3 * DAY_US - 1)))[1] == noon + 47 * HOUR_US
    for passed_us in (0, 90 * DAY_US):
        ahead.clock.us += passed_us
        async with Restarted(ahead) as again:
            for service in (ahead, again):
                for decision in decisions:
                    assert await recomputed(service, decision) == inputs(decision)


async def test_a_first_telling_by_a_clock_that_stood_ahead_is_one(ahead):
    noon = ahead.noon
    await ahead.record(payment("m1", "bank", noon - DAY_US, channel="bank"))
    await heard_ahead(ahead, noon, "bank")
    ahead.clock.us = noon + 11 * DAY_US
    said = await refused(score(ahead))
    assert (said.reason, said.metadata["channel"], said.metadata["lag_hours"]) == ("FEED_STALE", "bank", "264.0")


async def test_a_telling_of_what_is_yet_to_come_is_not_seen_before_and_merchants_are_told_for_by_name(ahead):
    await tell(ahead, ahead.noon - HOUR_US)
    await heard_ahead(ahead, ahead.noon + 50 * DAY_US)
    assert seen(await score(ahead)) == [("", ahead.noon - HOUR_US)]
    ahead.clock.us += DAY_US
    assert (await refused(tell(ahead, ahead.clock.us))).reason == "WATERMARK_BACKWARDS"
    await tell(ahead, ahead.clock.us, "", ["m1"])
    assert seen(await score(ahead)) == [("", ahead.clock.us)]


async def test_of_tellings_by_a_clock_that_stood_ahead_the_last_that_speaks_of_the_past_counts(ahead):
    """Also the first of all, behind one of what is yet to come: without it the feed would never have told."""
    noon = ahead.noon
    await heard_ahead(ahead, noon)
    await heard_ahead(ahead, noon + 50 * DAY_US)
    assert seen(await score(ahead)) == [("", noon)]
    ahead.clock.us = noon + 11 * DAY_US
    said = await refused(score(ahead))
    assert (said.reason, said.metadata["lag_hours"]) == ("FEED_STALE", "264.0")


async def test_a_telling_of_what_is_yet_to_come_is_not_seen_because_another_shop_moved_the_record_ahead(ahead):
    noon = ahead.noon
    await ahead.register("m2", controller_token="owner-m1")
    await ahead.record(payment("m2", "one", noon - HOUR_US))
    await tell(ahead, noon)
    ahead.clock.us = noon + 60 * DAY_US
    await tell(ahead, ahead.clock.us)
    await score(ahead, "m2")
    ahead.clock.us = noon + DAY_US
    decision = await score(ahead)
    assert seen(decision) == [("", noon)]
    assert await recomputed(ahead, decision) == inputs(decision)
    ahead.clock.us = noon + 11 * DAY_US
    said = await refused(score(ahead))
    assert (said.reason, said.metadata["lag_hours"]) == ("FEED_STALE", "264.0")
