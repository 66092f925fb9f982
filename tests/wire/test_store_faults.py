"""A store that is locked, full or gone, at whatever step: a plain status, and the same call again does it once."""

import itertools
import sqlite3
from contextlib import AsyncExitStack, suppress
from functools import partial

import grpc
import pytest
from tests.served import Refused, new_id, payment, refused, served, yuan

from fanxing.errors import OutcomeUnknown, StoreUnavailable
from fanxing.flows.settle import settle
from fanxing.ledger import Transfer
from fanxing.lending.application import Application
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan
from fanxing.store.fake import FakeStore
from fanxing.store.sqlite import SqliteStore
from fanxing.v1 import (
    decision_service_pb2,
    lending_pb2,
    lending_service_pb2,
    merchant_service_pb2,
    payment_service_pb2,
)
from fanxing.wire.rail_simulator import paid

STATUS = grpc.StatusCode
GONE, LOST, DONE = "gone", "lost", "done"
"""It cannot be reached; it broke before the commit was durable; it broke after."""
REASONS = {StoreUnavailable: "STORE_UNAVAILABLE", OutcomeUnknown: "OUTCOME_UNKNOWN"}


class BreakingStore(FakeStore):
    """Breaks once, at the step (read or commit) that is told."""

    def __init__(self):
        super().__init__()
        self.steps_left, self.how, self.met = None, GONE, None

    def break_at(self, step, how):
        self.steps_left, self.how, self.met = step, how, None

    def _breaks(self, error):
        if self.steps_left is None:
            return False
        self.steps_left -= 1
        if self.steps_left < 0:
            self.steps_left, self.met = None, error
        return self.met is error

    async def read(self, institution_id, *queries):
        if self._breaks(StoreUnavailable):
            raise StoreUnavailable("gone")
        return await super().read(institution_id, *queries)

    async def commit(self, institution_id, changes):
        if self._breaks(StoreUnavailable if self.how is GONE else OutcomeUnknown):
            if self.how is DONE:
                await super().commit(institution_id, changes)
            raise self.met("broke while it committed")
        return await super().commit(institution_id, changes)

    def summary(self):
        """How many records there are of each type, and where money and states stand.

        Without the day's graph: whoever needs it first puts it on record, whatever comes of the call.
        """
        tables = self._tables["demo"]
        counts = {kind.__name__: len(table) for kind, table in tables.items() if table}
        for kind in ("GraphOfDay", "Artefact"):
            counts.pop(kind, None)
        lines = [(line.state, line.reserved_fen, line.drawn_fen) for line in tables.get(CreditLine, {}).values()]
        states = [each.state for kind in (Application, Loan, Transfer) for each in tables.get(kind, {}).values()]
        return counts, lines, states


@pytest.fixture
def account():
    return "account-m1"


@pytest.fixture
async def breaking(tmp_path, policy_directory, account):
    async with served(tmp_path, policy_directory, store=BreakingStore()) as service:
        await service.register(payout_account_token=account)
        await service.trade()
        yield service


def register(service):
    merchant = merchant_service_pb2.Merchant(
        merchant_id="m2",
        name="Buns",
        category="buns",
        opened_on={"year": 2025, "month": 1, "day": 1},
        controller_token="c",
        payout_account_token="a",
    )
    request = merchant_service_pb2.RegisterMerchantRequest(request_id=new_id(), merchant=merchant)
    return lambda: service.merchants.RegisterMerchant(request)


def record_fact(service):
    fact = merchant_service_pb2.Fact(
        merchant_id="m1",
        kind=merchant_service_pb2.FACT_KIND_CREDIT_REPORT,
        valid_from={"year": 2026, "month": 1, "day": 1},
        source="bureau",
    )
    request = merchant_service_pb2.RecordFactRequest(request_id=new_id(), fact=fact)
    return lambda: service.merchants.RecordFact(request)


async def calls(service, name):
    """Makes calls of that name, each with a request id of its own; what it needs is done already."""
    pb, lending = lending_service_pb2, service.lending
    early = {
        "register": lambda: register(service),
        "fact": lambda: record_fact(service),
        "payments": lambda: lambda: service.record(*(payment("m1", f"late-{n}", service.clock.us) for n in range(3))),
        "score": lambda: partial(lending.Score, pb.ScoreRequest(request_id=new_id(), merchant_id="m1")),
        "apply": lambda: partial(lending.Apply, service.application()),
        "peers": lambda: partial(service.merchants.PublishPeers, merchant_service_pb2.PublishPeersRequest()),
    }
    if name in early:
        return early[name]
    application = (await lending.Apply(service.application())).application

    def named(request, **values):
        return request(request_id=new_id(), application_id=application.application_id, **values)

    def acceptance():
        return named(pb.AcceptOfferRequest, offer_digest=application.offer.digest)

    late = {
        "cancel": lambda: partial(lending.CancelApplication, named(pb.CancelApplicationRequest)),
        "review": lambda: partial(lending.RequestReview, named(pb.RequestReviewRequest)),
        "accept": lambda: partial(lending.AcceptOffer, acceptance()),
    }
    if name in late:
        return late[name]
    line = (await lending.AcceptOffer(acceptance())).credit_line
    return lambda: partial(lending.Disburse, service.draw(line, yuan(1000)))


@pytest.mark.parametrize(
    "name", ["register", "fact", "payments", "score", "apply", "accept", "disburse", "cancel", "review", "peers"]
)
async def test_wherever_the_store_breaks_the_same_call_again_does_it_once(breaking, name):
    service, store = breaking, breaking.world.store
    make = await calls(service, name)
    before, untouched, paid_before = dict(store._tables), store.summary(), paid(service.journal)[0]
    await make()()
    expected, pays = store.summary(), paid(service.journal)[0] - paid_before
    met = set()
    for how, step in itertools.product((GONE, LOST, DONE), range(12)):
        store._tables = dict(before)
        service.world.histories._histories.clear()
        for held in (service.world.graphs._settled, service.world.peers._published):
            held.forget(lambda _: True)
        paid_before = paid(service.journal)[0]
        call = make()
        store.break_at(step, how)
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            said = Refused(error)
            assert (said.status, said.reason) == (STATUS.UNAVAILABLE, REASONS[store.met])
            assert name == "disburse" or store.summary() in (untouched, expected), "never half of it"
        else:
            assert store.met is None, "a call that met the fault says so"
        store.steps_left = None
        await call()
        assert (store.summary(), paid(service.journal)[0] - paid_before) == (expected, pays)
        assert await store.ledger_sum_fen("demo") == 0
        met.add(store.met)
    assert met == {None, StoreUnavailable, OutcomeUnknown}


@pytest.mark.parametrize("account", ["sim-late-1"])
@pytest.mark.parametrize("how", [GONE, LOST, DONE])
async def test_wherever_the_store_breaks_under_settlement_the_next_round_ends_it_once(breaking, how):
    service, store = breaking, breaking.world.store
    held = await service.line()
    for step in range(12):
        draw = service.draw(held, yuan(100))
        assert (await service.lending.Disburse(draw)).loan.state == lending_pb2.LOAN_STATE_PENDING
        store.break_at(step, how)
        with suppress(StoreUnavailable, OutcomeUnknown):
            await settle(service.institution, service.world)
        store.steps_left = None
        await settle(service.institution, service.world)
        request = lending_service_pb2.GetCreditLineRequest(line_id=held.line_id)
        line = (await service.lending.GetCreditLine(request)).credit_line
        assert (line.reserved, line.drawn.units) == (yuan(0), 100 * (step + 1))
        assert paid(service.journal) == (step + 1, 10_000 * (step + 1))
        assert await store.ledger_sum_fen("demo") == 0
    assert store.met is None, "the last step was past the end"


@pytest.mark.parametrize("how", [GONE, LOST, DONE])
async def test_a_caller_who_never_asks_again_is_settled_for(breaking, how):
    service, store = breaking, breaking.world.store
    line = await service.line()
    for step in range(12):
        store.break_at(step, how)
        with suppress(grpc.aio.AioRpcError):
            await service.lending.Disburse(service.draw(line, yuan(100)))
        store.steps_left = None
        await settle(service.institution, service.world)
        request = lending_service_pb2.GetCreditLineRequest(line_id=line.line_id)
        held = (await service.lending.GetCreditLine(request)).credit_line
        loans = (await service.lending.ListLoans(lending_service_pb2.ListLoansRequest())).loans
        assert {loan.state for loan in loans} <= {lending_pb2.LOAN_STATE_ACTIVE}
        assert (held.reserved, held.drawn.units) == (yuan(0), 100 * len(loans))
        assert paid(service.journal) == (len(loans), 10_000 * len(loans))
    assert store.met is None, "the last step was past the end"


async def test_a_stream_that_breaks_in_the_middle_is_sent_again_whole(breaking):
    service, store = breaking, breaking.world.store

    async def batches():
        for batch in range(3):
            payments = [payment("m1", f"s{batch}-{n}", service.clock.us) for n in range(10)]
            yield payment_service_pb2.RecordPaymentsRequest(payments=payments)

    store.break_at(3, DONE)
    said = await refused(service.payments.RecordPayments(batches()))
    assert (said.status, said.reason, said.fields) == (STATUS.UNAVAILABLE, "OUTCOME_UNKNOWN", [])
    again = await service.payments.RecordPayments(batches())
    assert (again.accepted, again.duplicates, again.conflict_count, again.refused_count) == (10, 20, 0, 0)
    request = merchant_service_pb2.GetMerchantRequest(merchant_id="m1")
    assert (await service.merchants.GetMerchant(request)).payment_count == 1830


async def test_reading_from_a_store_that_is_gone_is_unavailable_and_deciding_a_row_needs_none(breaking):
    service, pb, nothing = breaking, lending_service_pb2, new_id()
    for call, request in (
        (service.merchants.GetMerchant, merchant_service_pb2.GetMerchantRequest(merchant_id="m1")),
        (service.merchants.GetIndicators, merchant_service_pb2.GetIndicatorsRequest(merchant_id="m1")),
        (service.decisions.GetDecision, decision_service_pb2.GetDecisionRequest(decision_id=nothing)),
        (service.lending.GetApplication, pb.GetApplicationRequest(application_id=nothing)),
        (service.lending.GetCreditLine, pb.GetCreditLineRequest(line_id=nothing)),
        (service.lending.GetLoan, pb.GetLoanRequest(loan_id=nothing)),
        (service.lending.ListApplications, pb.ListApplicationsRequest()),
        (service.lending.ListCreditLines, pb.ListCreditLinesRequest()),
        (service.lending.ListLoans, pb.ListLoansRequest()),
    ):
        service.world.store.break_at(0, GONE)
        said = await refused(call(request))
        assert (said.status, said.reason, said.fields) == (STATUS.UNAVAILABLE, "STORE_UNAVAILABLE", [])
    service.world.store.break_at(0, GONE)
    await service.decisions.Evaluate(decision_service_pb2.EvaluateRequest(category="canteen"))
    assert service.world.store.met is None


class Between:
    """A rail that does something to the store once it has paid, before the service books it."""

    simulated = True

    def __init__(self, rail):
        self.rail, self.then = rail, lambda: None

    async def pay(self, institution, transfer):
        answer = await self.rail.pay(institution, transfer)
        self.then()
        return answer

    async def query(self, transfer_id):
        return await self.rail.query(transfer_id)


class SqliteFaults:
    """Locks and fills the file of a SqliteStore. It waits for locks briefly, so that a test need not."""

    def __init__(self, store, path):
        self.store, self.other = store, sqlite3.connect(path, isolation_level=None)
        store._writer.execute("PRAGMA busy_timeout = 20")

    def lock(self):
        self.other.execute("BEGIN IMMEDIATE")

    def unlock(self):
        self.other.execute("ROLLBACK")

    def fill(self):
        (pages,) = self.store._writer.execute("PRAGMA page_count").fetchone()
        self.store._writer.execute("CREATE TABLE IF NOT EXISTS ballast (bytes)")
        self.store._writer.execute(f"PRAGMA max_page_count = {pages + 1}")
        with suppress(sqlite3.OperationalError):
            while True:
                self.store._writer.execute("INSERT INTO ballast VALUES (zeroblob(64))")

    def empty(self):
        self.store._writer.execute("PRAGMA max_page_count = 1000000")


@pytest.fixture
async def on_disk(tmp_path, policy_directory):
    path = tmp_path / "store.sqlite"
    async with AsyncExitStack() as stack:
        store = await SqliteStore.open(path)
        stack.push_async_callback(store.close)
        service = await stack.enter_async_context(served(tmp_path, policy_directory, store=store, wrap_rail=Between))
        await service.register()
        await service.trade()
        service.faults = SqliteFaults(store, path)
        yield service
        service.faults.other.close()


@pytest.mark.parametrize(("harm", "heal"), [("lock", "unlock"), ("fill", "empty")])
async def test_a_locked_or_full_file_refuses_writes_answers_reads_and_heals(on_disk, harm, heal):
    service, faults = on_disk, on_disk.faults
    payments = [payment("m1", f"late-{n}", service.clock.us) for n in range(1000)]
    application = service.application()
    getattr(faults, harm)()
    for call in (service.record(*payments), service.lending.Apply(application)):
        said = await refused(call)
        assert (said.status, said.reason, said.fields) == (STATUS.UNAVAILABLE, "STORE_UNAVAILABLE", [])
    request = merchant_service_pb2.GetMerchantRequest(merchant_id="m1")
    assert (await service.merchants.GetMerchant(request)).payment_count == 1800
    getattr(faults, heal)()
    assert (await service.record(*payments)).accepted == 1000
    applied = (await service.lending.Apply(application)).application
    listed = (await service.lending.ListApplications(lending_service_pb2.ListApplicationsRequest())).applications
    assert list(listed) == [applied]


async def test_a_loan_that_is_paid_and_cannot_be_booked_is_booked_by_the_same_call(on_disk):
    service, faults = on_disk, on_disk.faults
    line = await service.line()
    draw = service.draw(line, yuan(1000))
    service.world.rail.then = faults.lock
    said = await refused(service.lending.Disburse(draw))
    assert (said.status, said.reason) == (STATUS.UNAVAILABLE, "STORE_UNAVAILABLE")
    request = lending_service_pb2.GetCreditLineRequest(line_id=line.line_id)
    held = (await service.lending.GetCreditLine(request)).credit_line
    assert (held.reserved, held.drawn) == (yuan(1000), yuan(0))
    service.world.rail.then = lambda: None
    faults.unlock()
    assert (await service.lending.Disburse(draw)).loan.state == lending_pb2.LOAN_STATE_ACTIVE
    held = (await service.lending.GetCreditLine(request)).credit_line
    assert (held.reserved, held.drawn) == (yuan(0), yuan(1000))
    assert paid(service.journal) == (1, 100_000)
    assert await service.world.store.ledger_sum_fen("demo") == 0
