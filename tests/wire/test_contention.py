"""Many calls for one merchant or controller at once: all are done, and money that has moved is booked."""

import asyncio
from collections import Counter

import grpc
import pytest
from tests.served import new_id, payment, served, yuan

from fanxing.flows.histories import Histories
from fanxing.flows.ports import Request
from fanxing.lending.loan import Loan
from fanxing.payments import Sighting
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


class Held:
    """A store whose first read of a request's record waits until `go`: it has read, and another call is done first."""

    def __init__(self, store):
        self._store, self.reads, self.go, self.holds = store, asyncio.Event(), asyncio.Event(), True

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def read(self, institution_id, *queries):
        answer = await self._store.read(institution_id, *queries)
        if self.holds and queries[0].record is Request:
            self.holds = False
            self.reads.set()
            await self.go.wait()
        return answer


@pytest.mark.parametrize("call", ["accept", "draw"])
async def test_the_same_request_twice_at_once_is_answered_alike(service, call):
    await service.register()
    await service.trade(days=90, payers=60, per_day=4)
    if call == "accept":
        offered = (await service.lending.Apply(service.application())).application
        request = lending_service_pb2.AcceptOfferRequest(
            request_id=new_id(), application_id=offered.application_id, offer_digest=offered.offer.digest
        )
        send = service.lending.AcceptOffer
    else:
        line = await service.line()
        request, send = service.draw(line, line.limit), service.lending.Disburse
    held = Held(service.world.store)
    object.__setattr__(service.world, "store", held)
    late = asyncio.ensure_future(send(request))
    await held.reads.wait()
    first = await send(request)
    held.go.set()
    assert await late == first


async def test_a_history_that_the_cache_lost_while_it_was_read_is_read_again(service):
    shops = [f"shop-{number}" for number in range(10)]
    for shop in shops:
        await service.register(shop)
        await service.trade(shop, days=10, payers=9, per_day=4, vouched=False)
    object.__setattr__(service.world, "histories", Histories(rows_max=5 * 40))

    async def ask(shop):
        request = lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id=shop)
        return (await service.lending.Score(request)).decision.merchant_seq

    for _ in range(10):
        assert await asyncio.gather(*map(ask, shops)) == [40] * 10


class Meanwhile:
    """A store that does something else whenever the sightings of a graph have been read."""

    def __init__(self, store, act):
        self._store, self._act, self.graphs = store, act, 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def read(self, institution_id, *queries):
        answer = await self._store.read(institution_id, *queries)
        if queries[0].record is Sighting:
            self.graphs += 1
            await self._act(self.graphs)
        return answer


async def test_todays_payments_do_not_keep_todays_graph_from_being_kept(service):
    await service.register()
    await service.trade(days=10, payers=9, per_day=4)
    store = Meanwhile(service.world.store, lambda n: service.record(payment("m1", f"now-{n}", service.clock.us)))
    object.__setattr__(service.world, "store", store)
    for _ in range(5):
        await service.lending.Score(lending_service_pb2.ScoreRequest(request_id=new_id(), merchant_id="m1"))
    assert store.graphs == 1
