"""Many calls for one merchant or controller at once: all are done, and money that has moved is booked."""

import asyncio
from collections import Counter

import grpc
import pytest
from tests.served import new_id, payment, served, yuan

from fanxing.lending.loan import Loan
from fanxing.store.open import open_store
from fanxing.v1 import lending_pb2, lending_service_pb2


class Busy:
    """A store before whose next `times` commits that update a loan a payment of m1 is recorded."""

    def __init__(self, store):
        self._store, self.times, self.record = store, 0, None

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, institution_id, changes):
        if self.times and any(isinstance(update, Loan) for update in changes.updates):
            self.times -= 1
            await self.record(self.times)
        return await self._store.commit(institution_id, changes)


@pytest.fixture
async def service(address, tmp_path, policy_directory):
    store = await open_store(**address)
    async with served(tmp_path, policy_directory, store=Busy(store)) as running:
        yield running
    await store.close()


async def test_money_that_has_moved_is_booked_though_payments_keep_coming(service):
    await service.register()
    await service.trade(days=90, payers=60, per_day=4)
    line, store = await service.line(), service.world.store
    store.record = lambda left: service.record(payment("m1", f"meanwhile-{left}", service.clock.us))
    store.times = 20
    loan = (await service.lending.Disburse(service.draw(line, yuan(100)))).loan
    assert (loan.state, store.times) == (lending_pb2.LOAN_STATE_ACTIVE, 0)


async def test_shops_of_one_controller_apply_at_once_and_none_is_sent_away(service):
    shops = [f"shop-{number}" for number in range(10)]
    for shop in shops:
        await service.register(shop, controller_token="owner")
    answers = await asyncio.gather(
        *(service.lending.Apply(service.application(shop)) for shop in shops),
        *(
            service.lending.Score(lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id=shop))
            for shop in shops
        ),
        return_exceptions=True,
    )
    failed = Counter(answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError))
    assert not failed
