"""RecordPayments under load: what waits is bounded, and what is held already is told before anything is refused."""

import asyncio

import pytest
from msgspec.structs import replace
from tests.served import DAY_US, payment, served

from fanxing.flows.ports import Get
from fanxing.institutions import Clock
from fanxing.payments import CodeKind, Instrument, Payment, PaymentKind, RecordedPayment, content_hash, recorded
from fanxing.store.fake import FakeStore
from fanxing.v1 import payment_service_pb2
from fanxing.wire.server import MESSAGE_BYTES_MAX

WAITING_BYTES_MAX = 8 * MESSAGE_BYTES_MAX
"""What a sender gets rid of while nothing is taken: buffers of both ends, not of the service's making."""


class Stuck:
    """A store that commits nothing until `go`, and counts the commits that wait at a time."""

    def __init__(self, store):
        self._store, self.go, self.waiting, self.most = store, asyncio.Event(), 0, 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, institution_id, changes):
        if not any(isinstance(each, RecordedPayment) for each in changes.inserts):
            return await self._store.commit(institution_id, changes)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.go.wait()
        self.waiting -= 1
        return await self._store.commit(institution_id, changes)


async def test_a_stream_waits_for_its_sender_one_batch_at_a_time(tmp_path, policy_directory):
    store = Stuck(FakeStore())
    async with served(tmp_path, policy_directory, store=store) as service:
        await service.register()
        tokens = {"payer_token": "p" * 64, "device_token": "d" * 64}
        sent = 0

        async def batches():
            nonlocal sent
            for batch in range(100):
                payments = [payment("m1", f"{batch}-{n}", service.clock.us, **tokens) for n in range(500)]
                request = payment_service_pb2.RecordPaymentsRequest(payments=payments)
                sent += request.ByteSize()
                yield request

        streaming = asyncio.ensure_future(service.payments.RecordPayments(batches()))
        held = -1
        while sent != held or not store.waiting:
            held = sent
            await asyncio.sleep(0.5)
        assert (store.waiting, sent < WAITING_BYTES_MAX, streaming.done()) == (1, True, False)
        store.go.set()
        answer = await streaming
        assert (answer.batches, answer.accepted, store.most) == (100, 50_000, 1)


async def test_a_duplicate_stays_one_where_a_new_payment_would_be_refused(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory, clock=Clock.CALLER) as service:
        await service.register()
        first = payment("m1", "p1", service.clock.us)
        assert (await service.record(first)).accepted == 1
        service.clock.us -= DAY_US
        answer = await service.record(first, payment("m1", "p1", 1), payment("m1", "p2", 1))
        assert (answer.accepted, answer.duplicates) == (0, 1)
        assert [each.index for each in (*answer.conflicts, *answer.refused)] == [1, 2]


async def test_new_and_old_and_bad_ones_in_one_batch(service):
    await service.register()
    old = payment("m1", "old", service.clock.us)
    assert (await service.record(old)).accepted == 1
    other, bad = payment("m1", "old", service.clock.us - 1), payment("m1", "bad one", service.clock.us)
    new = payment("m1", "new", service.clock.us)
    answer = await service.record(new, old, other, bad, new)
    assert (answer.accepted, answer.duplicates) == (1, 2)
    assert [(each.index, each.field) for each in answer.conflicts] == [(2, "payment_id")]
    assert [(each.index, each.field) for each in answer.refused] == [(3, "payment_id")]


async def test_a_batch_of_nothing_but_bad_ones_changes_nothing(service):
    await service.register()
    answer = await service.record(*(payment("m1", "bad one", service.clock.us) for _ in range(3)))
    assert (answer.accepted, len(answer.refused)) == (0, 3)


async def test_the_log_keeps_every_field(service):
    await service.register()
    sent = payment("m1", "p1", service.clock.us, channel="qr", payer_real_name=False, payer_account_age_days=0)
    await service.record(sent)
    key = Get(RecordedPayment, (("m1", "p1"),))
    ((held,),) = await service.world.store.read("demo", key)
    assert (held.channel, held.payer_real_name, held.payer_account_age_days, held.merchant_seq) == ("qr", False, 0, 1)


def test_the_hash_of_contents_stays_what_is_on_record():
    """Another one would make a conflict of every payment that is sent again."""
    plain = Payment(merchant_id="m1", payment_id="p2", amount_fen=1, occurred_us=1, kind=PaymentKind.RECEIPT)
    full = Payment(
        merchant_id="m1",
        payment_id="p1",
        payer_token="ann",
        amount_fen=2**53 + 1,
        occurred_us=1,
        kind=PaymentKind.REFUND,
        refund_of="p0",
        instrument=Instrument.CREDIT,
        channel="qr",
        code_kind=CodeKind.MERCHANT,
        device_token="d",
        payer_real_name=False,
        payer_account_age_days=0,
        balance_after_fen=-7,
    )
    assert content_hash(plain) == "5fc3c65af86a18d31a82ce0139f0be9a733170f042ba201cfd791865fceb834a"
    assert content_hash(full) == "1cc4a015ac9c41ba633d2df961b65ce506d82dd1deefe84d3451faca58df8f0f"


def test_a_recorded_payment_is_the_payment_in_every_field():
    values = {name: name for name in Payment.__struct_fields__} | {"kind": PaymentKind.REFUND}
    held = recorded(Payment(**values), 3, 4, "hash")
    assert {name: getattr(held, name) for name in values} == values
    assert (held.merchant_seq, held.known_us, held.content_hash) == (3, 4, "hash")
    with pytest.raises(TypeError, match="Missing required argument"):
        Payment(merchant_id="m")
    assert replace(held, known_us=5).known_us == 5
