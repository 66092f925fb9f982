"""A rank among peers through the contract, on every store: told, decided by, shown, and the same to the bit later."""

import re
import shutil
import struct
from itertools import product

import grpc
import pytest
from tests.served import DAY_US, NOON_US, new_id, payment, refused, served, yuan
from tests.wire.test_as_known import Restarted

from fanxing.institutions import Clock
from fanxing.store.open import open_store
from fanxing.v1 import decision_service_pb2, lending_service_pb2
from fanxing.v1 import merchant_service_pb2 as pb
from fanxing.wire import convert

LAST_US = 253_402_300_799_000_000
"""The last second of the year 9999."""
RANK = "receipts_fen_90d_peer_rank"
NOT_AS_KNOWN = re.compile("requested_|works_|net_flow_to_instalment|funder_headroom")
"""What only the decision keeps."""
STRATEGY = f"""// reason: RECEIPTS_FALLING
// effect: refer
// says: The receipts are among the smallest of the street.
m.{RANK} < 0.1
"""


@pytest.fixture(scope="session")
def ranking_policy(policy_directory, tmp_path_factory):
    """One that refers who stands below a tenth of the peers."""
    directory = tmp_path_factory.mktemp("policy") / "ranking"
    shutil.copytree(policy_directory, directory)
    (directory / "strategies" / "small_among_peers.cel").write_text(STRATEGY)
    constants = directory / "policy.toml"
    constants.write_text(constants.read_text().replace("strategies = [", 'strategies = ["small_among_peers", ', 1))
    return directory


@pytest.fixture
async def bank(address, tmp_path, ranking_policy):
    """Thirty shops of a street, the n-th of which has taken n yuan, yesterday; and one of them trades in earnest."""
    store = await open_store(**address)
    async with served(tmp_path, ranking_policy, clock=Clock.CALLER, store=store) as service:
        await service.register("m1", place="street")
        for number in range(2, 31):
            await service.register(f"m{number}", place="street")
        taken = [payment(f"m{number}", "one", service.clock.us, amount=yuan(number)) for number in range(1, 31)]
        assert (await service.record(*taken)).accepted == 30
        service.clock.us += DAY_US
        yield service
    await store.close()


async def publish(service):
    """Today, for tomorrow."""
    head = (await service.merchants.PublishPeers(pb.PublishPeersRequest(**service.at()))).peers
    service.clock.us += DAY_US
    return head


async def told(service, merchant_id="m1", names=(RANK, "receipts_fen_90d"), **moments):
    """As bits; None where missing."""
    moments = {name: convert.timestamp(at_us) for name, at_us in moments.items()}
    request = pb.GetIndicatorsRequest(merchant_id=merchant_id, names=names, **moments, **service.at())
    found = (await service.merchants.GetIndicators(request)).indicators
    return tuple(struct.pack("<d", each.value) if each.HasField("value") else None for each in found)


async def score(service, merchant_id="m1"):
    request = lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id=merchant_id, **service.at())
    return (await service.lending.Score(request)).decision


def rank_in(decision):
    (value,) = (each for each in decision.inputs if each.name == RANK)
    return struct.pack("<d", value.value) if value.HasField("value") else None


def bits(value):
    return struct.pack("<d", value)


async def test_a_rank_is_told_and_decides_from_the_day_after_it_was_published(bank):
    assert [rank_in(await score(bank)), (await told(bank))[0]] == [None, None]
    head = await publish(bank)
    assert [(await told(bank, f"m{number}"))[0] for number in (1, 15, 30)] == [bits(0.02), bits(0.485), bits(0.98)]
    small, middle = await score(bank), await score(bank, "m15")
    assert small.peers_digest == middle.peers_digest == head.digest != ""
    assert [rank_in(small), rank_in(middle)] == [bits(0.02), bits(0.485)]
    hits = [{each.strategy for each in decision.hits if not each.unknown} for decision in (small, middle)]
    assert ["small_among_peers" in each for each in hits] == [True, False]


def moment(decision):
    """Of a decision, as GetIndicators takes it."""
    named = (("as_of", decision.as_of), ("known_at", decision.known_at))
    return {name: convert.micros(at, name) for name, at in named}


async def test_a_decision_is_computed_again_to_the_bit_whatever_is_published_later(bank):
    without = await score(bank, "m7")
    head = await publish(bank)
    decisions = [without, await score(bank, "m1"), await score(bank, "m7")]
    await bank.record(*(payment(f"m{number}", "two", bank.clock.us, amount=yuan(900)) for number in range(1, 7)))
    bank.clock.us += DAY_US
    newer = await publish(bank)
    async with Restarted(bank) as again:
        for service, decision in product((bank, again), decisions):
            kept = {each.name: bits(each.value) if each.HasField("value") else None for each in decision.inputs}
            names = [name for name in kept if not NOT_AS_KNOWN.match(name)]
            assert await told(service, decision.merchant_id, names, **moment(decision)) == tuple(kept[n] for n in names)
            asked = decision_service_pb2.GetDecisionRequest(decision_id=decision.decision_id)
            assert (await service.decisions.GetDecision(asked)).decision == decision
        later = await score(again, "m7")
    assert [each.peers_digest for each in (*decisions, later)] == ["", head.digest, head.digest, newer.digest]
    assert [rank_in(each) for each in (without, decisions[2], later)] == [None, bits(0.22), bits(0.02)]


async def test_a_decision_has_read_what_it_read_and_nothing_can_be_published_behind_it(bank):
    now = bank.clock.us
    bank.clock.us += DAY_US
    first = await score(bank)
    bank.clock.us = now
    said = await refused(bank.merchants.PublishPeers(pb.PublishPeersRequest(**bank.at())))
    assert (said.status, said.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PEERS_SETTLED")
    bank.clock.us = now + DAY_US
    await publish(bank)
    assert (first.peers_digest, bool((await score(bank)).peers_digest)) == ("", True)


async def test_a_policy_that_reads_no_rank_reads_no_peers(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory, clock=Clock.CALLER) as service:
        await service.register("m1", place="street")
        await service.record(payment("m1", "one", service.clock.us))
        assert (await score(service)).peers_digest == ""


async def test_what_is_published_is_shown(bank):
    head = await publish(bank)
    assert convert.micros(head.known_at, "known_at") < bank.clock.us - DAY_US
    listed = await bank.merchants.GetPeers(pb.GetPeersRequest(name=RANK, **bank.at()))
    assert (listed.peers.digest, listed.peers.day) == (head.digest, head.day)
    cell = pb.PeerCell(category="canteen", place="street", merchants=30)
    assert [*listed.cells] == [cell]
    cell.cuts.extend(100 * -(-k * 30 // 100) for k in range(1, 100))
    asked = pb.GetPeersRequest(name=RANK, category="canteen", place="street", **bank.at())
    assert [*(await bank.merchants.GetPeers(asked)).cells] == [cell]
    asked.place = "alley"
    assert [*(await bank.merchants.GetPeers(asked)).cells] == []
    before = pb.GetPeersRequest(name=RANK, as_of=convert.timestamp(bank.clock.us - DAY_US), **bank.at())
    assert (await bank.merchants.GetPeers(before)).peers.digest == ""


@pytest.mark.parametrize(
    ("wrong", "reason", "fields"),
    [
        ({"name": "receipts_fen_90d"}, "INDICATOR_UNKNOWN", ["name"]),
        ({"name": "receipts_fen_8d_peer_rank"}, "INDICATOR_UNKNOWN", ["name"]),
        ({"name": ""}, "INVALID_REQUEST", ["name"]),
        ({"category": "canteen"}, "INVALID_REQUEST", []),
        ({"place": "street"}, "INVALID_REQUEST", []),
    ],
)
async def test_what_cannot_be_shown_is_refused(replayed, wrong, reason, fields):
    said = await refused(replayed.merchants.GetPeers(pb.GetPeersRequest(**({"name": RANK} | wrong), **replayed.at())))
    assert (said.reason, said.fields) == (reason, fields)


@pytest.mark.parametrize("clock", Clock)
async def test_peers_of_a_day_that_is_yet_to_come_are_not_shown(tmp_path, policy_directory, clock):
    async with served(tmp_path, policy_directory, clock=clock) as service:
        for ahead_us, reason in ((300_000_000, None), (300_000_001, "TIME_IN_FUTURE"), (LAST_US - NOON_US, "")):
            as_of = convert.timestamp(service.clock.us + ahead_us)
            call = service.merchants.GetPeers(pb.GetPeersRequest(name=RANK, as_of=as_of, **service.at()))
            if reason is None:
                await call
            else:
                said = await refused(call)
                assert (said.reason, said.fields) == (reason or "INVALID_REQUEST", ["as_of"])


async def test_at_either_end_of_time_every_call_answers_or_is_refused_by_name(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory, clock=Clock.CALLER) as service:
        await service.register("m1", place="street")
        await service.record(payment("m1", "one", service.clock.us))
        for at_us in (0, convert.SECONDS_MAX * 1_000_000):
            at = {"effective_time": convert.timestamp(at_us)}
            await service.merchants.PublishPeers(pb.PublishPeersRequest(**at))
            await service.merchants.GetPeers(pb.GetPeersRequest(name=RANK, **at))
        service.clock.us = convert.SECONDS_MAX * 1_000_000
        await told(service)
        await score(service)
        await service.lending.Apply(service.application())
        service.clock.us = LAST_US
        for call in (
            service.merchants.PublishPeers(pb.PublishPeersRequest(**service.at())),
            service.merchants.GetPeers(pb.GetPeersRequest(name=RANK, **service.at())),
            told(service),
            score(service),
        ):
            assert (await refused(call)).reason == "INVALID_REQUEST"


async def test_who_keeps_the_time_is_asked_as_everywhere(replayed, service):
    said = await refused(replayed.merchants.PublishPeers(pb.PublishPeersRequest()))
    assert said.reason == "EFFECTIVE_TIME_REQUIRED"
    request = pb.PublishPeersRequest(effective_time=convert.timestamp(service.clock.us))
    assert (await refused(service.merchants.PublishPeers(request))).reason == "EFFECTIVE_TIME_FORBIDDEN"
    assert (await service.merchants.PublishPeers(pb.PublishPeersRequest())).peers.digest
