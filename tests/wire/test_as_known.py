"""What was known at a moment stays what it was, to the last bit, whatever becomes known later."""

import struct
from datetime import UTC, datetime

import grpc
import pytest
from tests.served import DAY_US, Service, new_id, payment, refused, served, yuan

from fanxing.flows.ports import ChangeSet, Quota
from fanxing.flows.score import FUNDING
from fanxing.flows.world import World
from fanxing.institutions import Clock
from fanxing.payments import Sighting
from fanxing.v1 import (
    decision_service_pb2,
    lending_service_pb2,
    merchant_service_pb2,
    payment_pb2,
)
from fanxing.v1.error_reason_pb2 import ErrorReason
from fanxing.wire import convert
from fanxing.wire.server import build_server
from fanxing.wire.tariff import Tariff
from fanxing.wire.tenant import Tenants

REFUND, OUTFLOW = payment_pb2.PAYMENT_KIND_REFUND, payment_pb2.PAYMENT_KIND_OUTFLOW


def day(at_us):
    return convert.date_message(datetime.fromtimestamp(at_us / 1_000_000, UTC).date())


@pytest.fixture
async def bank(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory, clock=Clock.CALLER) as service:
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
        service.debt = await record_debt(service, 300)
        yield service


async def record_debt(service, balance, **changes):
    values = {"kind": merchant_service_pb2.FACT_KIND_DEBT, "source": "bureau"} | changes
    fact = merchant_service_pb2.Fact(
        merchant_id="m1",
        valid_from=day(service.clock.us - 200 * DAY_US),
        debt={
            "balance": yuan(balance),
            "monthly_service": yuan(20),
            "matures_on": day(service.clock.us + 200 * DAY_US),
        },
        **values,
    )
    request = merchant_service_pb2.RecordFactRequest(request_id=new_id(), fact=fact, **service.at())
    return (await service.merchants.RecordFact(request)).fact


async def indicators(service, as_of_us, known_us):
    """Every indicator as bits, in the catalogue's order; the call itself is made now."""
    request = merchant_service_pb2.GetIndicatorsRequest(
        merchant_id="m1", as_of=convert.timestamp(as_of_us), known_at=convert.timestamp(known_us), **service.at()
    )
    answer = await service.merchants.GetIndicators(request)
    values = {
        each.name: struct.pack("<d", each.value) if each.HasField("value") else None for each in answer.indicators
    }
    return values, answer.merchant_seq


async def much_becomes_known(service):
    """Days later: receipts, refunds and outflows of before and of now, new payers, new shops, facts for old ones."""
    now = service.clock.us = service.clock.us + 3 * DAY_US
    before = now - 30 * DAY_US
    await new_payers_pay(service)
    late = [payment("m1", f"back-{n}", before, kind=REFUND, refund_of=f"{n + 20}-1", amount=yuan(5)) for n in range(20)]
    late += [payment("m1", f"out-{n}", before, kind=OUTFLOW, amount=yuan(9), balance_after=yuan(n)) for n in range(5)]
    late += [payment("m1", f"now-{n}", now, payer_token=f"payer-{n}") for n in range(20)]
    assert (await service.record(*late)).accepted == len(late)
    await new_payers_are_seen_elsewhere(service)
    await record_debt(service, 50_000)
    await record_debt(service, 7, supersedes=service.debt.fact_id)
    await one_hand_is_seen(service)
    service.clock.us += 3 * DAY_US


async def new_payers_pay(service):
    before = service.clock.us - 30 * DAY_US
    late = [payment("m1", f"late-{n}", before - n * 1000, payer_token=f"new-{n}", amount=yuan(50)) for n in range(40)]
    assert (await service.record(*late)).accepted == 40


async def new_payers_are_seen_elsewhere(service):
    before = service.clock.us - 10 * DAY_US
    for shop in ("elsewhere-0", "elsewhere-1", "elsewhere-2"):
        seen = [payment(shop, f"late-{n}", before, payer_token=f"new-{n}") for n in range(40)]
        assert (await service.record(*seen)).accepted == 40


async def one_hand_is_seen(service):
    """Three new shops with one device: those elsewhere, whose owners theirs are, are one cluster from now on."""
    for number in range(3):
        await service.register(f"joins-{number}", controller_token=f"owner-elsewhere-{number}", device_token="till")


def restarted(service):
    """The same store behind a process that remembers nothing."""
    world = World(store=service.world.store, rail=service.world.rail, now=service.world.now, cpu_time=lambda: 0)
    world.policies._active.update(service.world.policies._active)
    return world


class Restarted:
    """A second server over the same store."""

    def __init__(self, service):
        self.old = service

    async def __aenter__(self):
        world = restarted(self.old)
        self.server, _ = build_server(world, Tenants({}, self.old.institution), Tariff(), reflect=False)
        port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        return Service(world, self.channel, self.old.clock, self.old.institution, self.old.journal)

    async def __aexit__(self, *_):
        await self.channel.close()
        await self.server.stop(None)


async def test_what_becomes_known_later_changes_no_bit_of_what_was_known(bank):
    then = bank.clock.us
    moments = [(then, then), (then - 40 * DAY_US, then), (then, then - DAY_US), (then - DAY_US, then - 2 * DAY_US)]
    before = [await indicators(bank, *moment) for moment in moments]
    await much_becomes_known(bank)
    assert [await indicators(bank, *moment) for moment in moments] == before
    async with Restarted(bank) as again:
        assert [await indicators(again, *moment) for moment in moments] == before
    now, _ = await indicators(bank, then, bank.clock.us)
    changed = {name for name, bits in before[0][0].items() if now[name] != bits}
    assert {"receipts_fen_90d", "refunds_count_90d", "outflow_fen_90d", "debt_outside_fen"} <= changed


async def test_a_decision_stays_what_it_was_and_its_row_gives_the_same_verdict(bank):
    pb = lending_service_pb2
    request = pb.ScoreRequest(request_id=new_id(), merchant_id="m1", requested_amount=yuan(500), **bank.at())
    decision = (await bank.lending.Score(request)).decision
    assert convert.micros(decision.as_of, "as_of") == bank.clock.us
    row, _ = await indicators(bank, bank.clock.us, convert.micros(decision.known_at, "known_at"))
    inputs = {each.name: each.value for each in decision.inputs if each.HasField("value")}
    assert {name: struct.pack("<d", value) for name, value in inputs.items() if not name.startswith("requested")} == {
        name: row[name] for name in inputs if not name.startswith("requested")
    }
    await much_becomes_known(bank)
    asked = decision_service_pb2.GetDecisionRequest(decision_id=decision.decision_id)
    given = decision_service_pb2.EvaluateRequest(
        indicators=inputs, category="canteen", requested_amount=yuan(500), **bank.at()
    )
    async with Restarted(bank) as again:
        for service in (bank, again):
            assert (await service.decisions.GetDecision(asked)).decision == decision
            assert (await service.lending.Score(request)).decision == decision
            evaluated = (await service.decisions.Evaluate(given)).decision
            for part in ("outcome", "limit", "annual_rate", "expected_loss", "scores", "caps", "hits", "reasons"):
                assert getattr(evaluated, part) == getattr(decision, part), part


async def test_nobody_scores_in_the_past_of_what_is_known(bank):
    then = bank.at()
    await much_becomes_known(bank)
    request = lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id="m1", **then)
    said = await refused(bank.lending.Score(request))
    assert (said.status, said.reason, said.fields) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "EFFECTIVE_TIME_BACKWARDS",
        ["effective_time"],
    )
    request.effective_time.CopyFrom(convert.timestamp(bank.clock.us))
    assert (await bank.lending.Score(request)).decision.merchant_id == "m1"


async def test_after_a_decision_nothing_becomes_known_before_it(bank):
    bank.clock.us += DAY_US
    request = lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id="m1", **bank.at())
    await bank.lending.Score(request)
    bank.clock.us -= 1
    answer = await bank.record(payment("m1", "late", bank.clock.us))
    assert [(each.reason, each.field) for each in answer.refused] == [
        (ErrorReason.ERROR_REASON_EFFECTIVE_TIME_BACKWARDS, "effective_time")
    ]
    said = await refused(record_debt(bank, 1))
    assert (said.reason, said.fields) == ("EFFECTIVE_TIME_BACKWARDS", ["effective_time"])
    bank.clock.us += 1
    assert (await bank.record(payment("m1", "late", bank.clock.us))).accepted == 1


async def test_a_score_does_not_see_what_others_know_only_later(tmp_path, policy_directory):
    """The same call in two worlds; in one the shops elsewhere have gone on recording under later times."""
    decisions = []
    for later in (False, True):
        (tmp_path / str(later)).mkdir()
        async with served(tmp_path / str(later), policy_directory, clock=Clock.CALLER) as service:
            await service.register()
            await service.trade(days=90, payers=60, per_day=4)
            request = lending_service_pb2.ScoreRequest(
                request_id="0" * 8 + new_id()[8:], merchant_id="m1", **service.at()
            )
            if later:
                before, service.clock.us = service.clock.us - 10 * DAY_US, service.clock.us + DAY_US
                seen = [payment("elsewhere-0", f"p{n}", before, payer_token=f"payer-{n}x") for n in range(500)]
                assert (await service.record(*seen)).accepted == 500
            decisions.append((await service.lending.Score(request)).decision)
    assert decisions[0].row_digest == decisions[1].row_digest
    assert decisions[0].graph_digest == decisions[1].graph_digest


async def test_a_line_and_its_draws_are_known_from_when_they_were_made(bank):
    moments = [(bank.clock.us, bank.clock.us)]
    seen = [await indicators(bank, *moments[0])]
    for step in ("line", "draw", "draw"):
        bank.clock.us += DAY_US
        if step == "line":
            line = await bank.line()
        else:
            await bank.lending.Disburse(bank.draw(line, yuan(100)))
        moments.append((bank.clock.us, bank.clock.us))
        seen.append(await indicators(bank, *moments[-1]))
    drawn = [struct.unpack("<d", values["outstanding_fen"])[0] for values, _ in seen]
    assert drawn == [0, 0, 10_000, 20_000]
    assert [await indicators(bank, *moment) for moment in moments] == seen


@pytest.mark.parametrize("becomes_known", [new_payers_are_seen_elsewhere, one_hand_is_seen])
async def test_looking_ahead_freezes_nothing(bank, becomes_known):
    """A graph of a day that is still to come is not the one that decides when the day has come."""
    await new_payers_pay(bank)
    now, ahead = bank.clock.us, bank.clock.us + 10 * DAY_US
    bank.clock.us = ahead
    early = await indicators(bank, ahead, ahead)
    bank.clock.us = now
    await becomes_known(bank)
    bank.clock.us = ahead
    late = await indicators(bank, ahead, ahead)
    assert late != early
    async with Restarted(bank) as again:
        assert await indicators(again, ahead, ahead) == late


async def test_the_funders_headroom_is_told_of_now_and_missing_of_then(bank):
    await bank.world.store.commit("demo", ChangeSet(inserts=(Quota(name=FUNDING, limit_fen=500_000, used_fen=0),)))
    then = bank.clock.us
    bank.clock.us += DAY_US
    now, _ = await indicators(bank, bank.clock.us, bank.clock.us)
    before, _ = await indicators(bank, then, then)
    assert now["funder_headroom_fen"] == struct.pack("<d", 500_000)
    assert before["funder_headroom_fen"] is None


async def test_a_graph_that_was_read_while_its_payments_came_is_not_kept(bank):
    """A caller looks ahead; what it records meanwhile is in the graph of the day once that has come."""
    await new_payers_pay(bank)
    now, ahead = bank.clock.us, bank.clock.us + 10 * DAY_US
    store, read = bank.world.store, bank.world.store.read

    async def read_and_meanwhile(institution_id, *queries):
        answer = await read(institution_id, *queries)
        if queries[0].record is Sighting:
            store.read = read
            bank.clock.us = now
            await new_payers_are_seen_elsewhere(bank)
            bank.clock.us = ahead
        return answer

    store.read, bank.clock.us = read_and_meanwhile, ahead
    await indicators(bank, ahead, ahead)
    late = await indicators(bank, ahead, ahead)
    async with Restarted(bank) as again:
        assert await indicators(again, ahead, ahead) == late


async def recorded_a_day_back(bank, record):
    """A CALLER dates it back: those shops' own clocks stand no further."""
    bank.clock.us -= DAY_US
    await record(bank)
    bank.clock.us += DAY_US


async def test_what_others_record_behind_a_day_is_in_no_decision_of_that_day_in_any_process(bank):
    await new_payers_pay(bank)
    await bank.register("m2")
    now, pb = bank.clock.us, lending_service_pb2

    async def scored(service, merchant_id):
        request = pb.ScoreRequest(request_id=new_id(), merchant_id=merchant_id, **service.at())
        return (await service.lending.Score(request)).decision

    first = await scored(bank, "m1")
    seen = await indicators(bank, now, convert.micros(first.known_at, "known_at"))
    await recorded_a_day_back(bank, new_payers_are_seen_elsewhere)
    async with Restarted(bank) as again:
        for service in (bank, again):
            assert (await scored(service, "m2")).graph_digest == first.graph_digest != ""
            assert await indicators(service, now, convert.micros(first.known_at, "known_at")) == seen
    bank.clock.us += DAY_US
    later, _ = await indicators(bank, bank.clock.us, bank.clock.us)
    assert later["payers_vouched_90d"] != seen[0]["payers_vouched_90d"]
    assert (await scored(bank, "m2")).graph_digest != first.graph_digest


@pytest.mark.parametrize(
    ("paid", "sent_back", "vouched"), [((299,), 0, 0), ((300,), 0, 1), ((150, 150), 0, 1), ((900,), 601, 0)]
)
async def test_a_payer_is_seen_elsewhere_from_three_yuan_net(bank, paid, sent_back, vouched):
    before, shop = bank.clock.us - 10 * DAY_US, "elsewhere-0"

    def fen(amount):
        return {"currency_code": "CNY", "units": amount // 100, "nanos": amount % 100 * 10_000_000}

    async def names():
        request = merchant_service_pb2.GetIndicatorsRequest(merchant_id="m1", names=["payers_vouched_90d"], **bank.at())
        return (await bank.merchants.GetIndicators(request)).indicators[0].value

    async def dust(bank):
        receipts = [payment(shop, f"d{n}", before, payer_token="newcomer", amount=fen(a)) for n, a in enumerate(paid)]
        if sent_back:
            receipts.append(payment(shop, "back", before, kind=REFUND, refund_of="d0", amount=fen(sent_back)))
        assert (await bank.record(*receipts)).accepted == len(receipts)

    assert (await bank.record(payment("m1", "first", before, payer_token="newcomer"))).accepted == 1
    known = await names()
    await recorded_a_day_back(bank, dust)
    assert await names() == known + vouched
