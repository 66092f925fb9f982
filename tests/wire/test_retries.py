"""A refused call says what is wrong, changes nothing, and may be sent again: as it was, or mended under its own id."""

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from tests.meeting import Meeting
from tests.served import DAY_US, new_id, payment, refused, served, yuan

from fanxing.institutions import Clock
from fanxing.store.fake import FakeStore
from fanxing.store.sqlite import SqliteStore
from fanxing.v1 import lending_pb2, lending_service_pb2, merchant_service_pb2
from fanxing.v1.error_reason_pb2 import ErrorReason
from fanxing.wire import convert
from fanxing.wire.rail_simulator import paid

STATUS = grpc.StatusCode
BAD, MISSING, STATE, TAKEN = (
    STATUS.INVALID_ARGUMENT,
    STATUS.NOT_FOUND,
    STATUS.FAILED_PRECONDITION,
    STATUS.ALREADY_EXISTS,
)
RPCS = ("register", "fact", "score", "apply", "accept", "disburse", "cancel", "review")
FAR = convert.timestamp(4_000_000_000_000_000)


@pytest.fixture
async def ready(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory) as service:
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
        yield service


@pytest.fixture
async def called(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory, clock=Clock.CALLER) as service:
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
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
    return merchant_service_pb2.RegisterMerchantRequest(request_id=new_id(), merchant=merchant, **service.at())


def fact(service):
    debt = {"balance": yuan(9), "monthly_service": yuan(1), "matures_on": {"year": 2028, "month": 1, "day": 1}}
    told = merchant_service_pb2.Fact(
        merchant_id="m1",
        kind=merchant_service_pb2.FACT_KIND_DEBT,
        valid_from={"year": 2026, "month": 1, "day": 1},
        source="bureau",
        debt=debt,
    )
    return merchant_service_pb2.RecordFactRequest(request_id=new_id(), fact=told, **service.at())


async def good(service, name):
    """A call and a request that will be granted; what it needs is done already."""
    pb, lending = lending_service_pb2, service.lending
    at_once = {
        "register": (service.merchants.RegisterMerchant, register(service)),
        "fact": (service.merchants.RecordFact, fact(service)),
        "score": (lending.Score, pb.ScoreRequest(request_id=new_id(), merchant_id="m1", **service.at())),
        "apply": (lending.Apply, service.application()),
    }
    if name in at_once:
        return at_once[name]
    application = (await lending.Apply(service.application())).application
    named = {"request_id": new_id(), "application_id": application.application_id} | service.at()
    acceptance = pb.AcceptOfferRequest(offer_digest=application.offer.digest, **named)
    on_the_application = {
        "cancel": (lending.CancelApplication, pb.CancelApplicationRequest(**named)),
        "review": (lending.RequestReview, pb.RequestReviewRequest(**named)),
        "accept": (lending.AcceptOffer, acceptance),
    }
    if name in on_the_application:
        return on_the_application[name]
    return lending.Disburse, service.draw((await lending.AcceptOffer(acceptance)).credit_line, yuan(100))


def put(request, path, value):
    """Sets a field, also within messages, to a value of its kind."""
    *outer, last = path.split(".")
    for name in outer:
        request = getattr(request, name)
    if hasattr(value, "DESCRIPTOR"):
        getattr(request, last).CopyFrom(value)
    else:
        setattr(request, last, value)


NOBODY, NOTHING = "nobody", "00000000-0000-4000-8000-000000000000"
NEVER = Timestamp(seconds=2**60)
WRONG = [
    ("register", "merchant.time_zone", "Mars/Olympus", BAD, "INVALID_REQUEST"),
    ("register", "merchant.opened_on", Date(year=2999, month=1, day=1), BAD, "INVALID_REQUEST"),
    ("fact", "fact.merchant_id", NOBODY, MISSING, "MERCHANT_NOT_FOUND"),
    ("fact", "fact.debt.balance", yuan(9, "USD"), BAD, "CURRENCY_MISMATCH"),
    ("fact", "fact.debt.balance", yuan(-9), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("fact", "fact.debt.monthly_service", yuan(10**14), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("fact", "fact.supersedes", NOTHING, BAD, "INVALID_REQUEST"),
    ("score", "merchant_id", NOBODY, MISSING, "MERCHANT_NOT_FOUND"),
    ("score", "requested_amount", yuan(9, "USD"), BAD, "CURRENCY_MISMATCH"),
    ("score", "requested_amount", yuan(0), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("score", "requested_term_months", 7, BAD, "PRODUCT_UNAVAILABLE"),
    ("apply", "merchant_id", NOBODY, MISSING, "MERCHANT_NOT_FOUND"),
    ("apply", "requested_amount", yuan(9, "USD"), BAD, "CURRENCY_MISMATCH"),
    ("apply", "requested_amount", yuan(-9), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("apply", "requested_amount", yuan(10**14), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("apply", "requested_amount", Money(currency_code="CNY", nanos=1), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("apply", "requested_term_months", 7, BAD, "PRODUCT_UNAVAILABLE"),
    ("apply", "purpose", "gambling", BAD, "PRODUCT_UNAVAILABLE"),
    ("apply", "session_started_at", FAR, BAD, "TIME_IN_FUTURE"),
    ("apply", "session_started_at", NEVER, BAD, "INVALID_REQUEST"),
    ("accept", "application_id", NOTHING, MISSING, "APPLICATION_NOT_FOUND"),
    ("accept", "offer_digest", "0" * 64, STATE, "OFFER_DIGEST_MISMATCH"),
    ("disburse", "line_id", NOTHING, MISSING, "LINE_NOT_FOUND"),
    ("disburse", "amount", yuan(100, "USD"), BAD, "CURRENCY_MISMATCH"),
    ("disburse", "amount", yuan(-100), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("disburse", "amount", yuan(0), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("disburse", "amount", yuan(10**14), BAD, "AMOUNT_OUT_OF_RANGE"),
    ("disburse", "amount", yuan(10**6), STATE, "LIMIT_EXCEEDED"),
    ("cancel", "application_id", NOTHING, MISSING, "APPLICATION_NOT_FOUND"),
    ("review", "application_id", NOTHING, MISSING, "APPLICATION_NOT_FOUND"),
    *((name, "effective_time", FAR, BAD, "EFFECTIVE_TIME_FORBIDDEN") for name in RPCS),
]


async def refused_without_a_trace(service, call, request, expected):
    """Twice the same call gets the same refusal, and nothing is written."""
    before = dict(service.world.store._tables["demo"])
    for _ in range(2):
        said = await refused(call(request))
        assert (said.status, said.reason, said.fields) == expected
    assert service.world.store._tables["demo"] == before


async def granted_once(service, call, request):
    """The same call twice has one answer, and the second writes nothing."""
    first = await call(request)
    after = dict(service.world.store._tables["demo"])
    assert await call(request) == first
    assert service.world.store._tables["demo"] == after


@pytest.mark.parametrize(("name", "field", "value", "status", "reason"), WRONG)
async def test_what_is_wrong_is_named_and_mended_under_the_same_request_id(ready, name, field, value, status, reason):
    call, request = await good(ready, name)
    wrong = type(request).FromString(request.SerializeToString())
    put(wrong, field, value)
    await refused_without_a_trace(ready, call, wrong, (status, reason, [field]))
    await granted_once(ready, call, request)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("amount", yuan(20, "USD"), "CURRENCY_MISMATCH"),
        ("amount", yuan(10**14), "AMOUNT_OUT_OF_RANGE"),
        ("occurred_at", FAR, "TIME_IN_FUTURE"),
        ("occurred_at", NEVER, "INVALID_REQUEST"),
        ("merchant_id", NOBODY, "MERCHANT_NOT_FOUND"),
        ("refund_of", "r1", "REFUND_REFERENCE_INVALID"),
    ],
)
async def test_a_refused_payment_is_mended_under_the_same_payment_id(ready, field, value, reason):
    right = payment("m1", "p1", ready.clock.us)
    wrong = type(right).FromString(right.SerializeToString())
    put(wrong, field, value)
    before = dict(ready.world.store._tables["demo"])
    for _ in range(2):
        (said,) = (await ready.record(wrong)).refused
        assert (ErrorReason.Name(said.reason), said.field) == (f"ERROR_REASON_{reason}", field)
    assert ready.world.store._tables["demo"] == before
    assert (await ready.record(right)).accepted == 1
    assert (await ready.record(right)).duplicates == 1


OTHERWISE = {
    "register": ("merchant.name", "Bread"),
    "fact": ("fact.source", "court"),
    "score": ("requested_amount", yuan(5)),
    "apply": ("requested_amount", yuan(5)),
    "accept": ("offer_digest", "0" * 64),
    "disburse": ("amount", yuan(101)),
    "cancel": ("application_id", NOTHING),
    "review": ("application_id", NOTHING),
}


@pytest.mark.parametrize("name", RPCS)
async def test_a_request_id_is_good_for_one_request_of_each_kind(ready, name):
    call, request = await good(ready, name)
    await granted_once(ready, call, request)
    other = type(request).FromString(request.SerializeToString())
    put(other, *OTHERWISE[name])
    await refused_without_a_trace(ready, call, other, (TAKEN, "REQUEST_ID_REUSED", ["request_id"]))
    await granted_once(ready, call, request)


@pytest.mark.parametrize("name", RPCS)
async def test_a_caller_says_when_and_never_goes_back(called, name):
    call, request = await good(called, name)
    missing = type(request).FromString(request.SerializeToString())
    missing.ClearField("effective_time")
    await refused_without_a_trace(called, call, missing, (BAD, "EFFECTIVE_TIME_REQUIRED", ["effective_time"]))
    if name != "register":
        early = type(request).FromString(request.SerializeToString())
        early.effective_time.CopyFrom(convert.timestamp(called.clock.us - 30 * DAY_US))
        await refused_without_a_trace(called, call, early, (STATE, "EFFECTIVE_TIME_BACKWARDS", ["effective_time"]))
    await granted_once(called, call, request)


@pytest.mark.parametrize("field", ["as_of", "known_at"])
async def test_indicators_of_the_future_and_of_nobody_are_refused(ready, field):
    request = merchant_service_pb2.GetIndicatorsRequest(merchant_id="m1")
    put(request, field, FAR)
    call = ready.merchants.GetIndicators
    await refused_without_a_trace(ready, call, request, (BAD, "TIME_IN_FUTURE", [field]))
    nobody = merchant_service_pb2.GetIndicatorsRequest(merchant_id=NOBODY)
    await refused_without_a_trace(ready, call, nobody, (MISSING, "MERCHANT_NOT_FOUND", ["merchant_id"]))


@pytest.mark.parametrize(
    ("first", "then"),
    [("cancel", "cancel"), ("cancel", "accept"), ("review", "accept"), ("accept", "cancel"), ("accept", "accept")],
)
async def test_steps_out_of_order_are_refused_and_the_first_stands(ready, first, then):
    call, request = await good(ready, first)
    named = {"request_id": new_id(), "application_id": request.application_id}
    found = lending_service_pb2.GetApplicationRequest(application_id=request.application_id)
    offer = (await ready.lending.GetApplication(found)).application.offer
    await call(request)
    pb = lending_service_pb2
    later, again = {
        "cancel": (ready.lending.CancelApplication, pb.CancelApplicationRequest(**named)),
        "accept": (ready.lending.AcceptOffer, pb.AcceptOfferRequest(offer_digest=offer.digest, **named)),
    }[then]
    await refused_without_a_trace(ready, later, again, (STATE, "APPLICATION_STATE", ["application_id"]))
    await granted_once(ready, call, request)


async def test_an_expired_offer_stays_refused(ready):
    call, request = await good(ready, "accept")
    ready.clock.us += 8 * DAY_US
    await refused_without_a_trace(ready, call, request, (STATE, "OFFER_EXPIRED", ["application_id"]))


async def test_of_two_offers_for_one_trade_only_one_is_lent(ready):
    _, second = await good(ready, "accept")
    call, first = await good(ready, "accept")
    await granted_once(ready, call, first)
    await refused_without_a_trace(ready, call, second, (STATE, "OFFER_EXPIRED", ["application_id"]))
    lines = await ready.lending.ListCreditLines(lending_service_pb2.ListCreditLinesRequest(merchant_id="m1"))
    assert [line.application_id for line in lines.credit_lines] == [first.application_id]


async def test_a_caller_institution_pays_by_a_simulated_rail_only(called):
    call, request = await good(called, "disburse")
    called.world.rail.simulated = False
    await refused_without_a_trace(called, call, request, (STATE, "RAIL_NOT_SIMULATED", []))
    called.world.rail.simulated = True
    await granted_once(called, call, request)


@pytest.fixture
async def on_disk(tmp_path, policy_directory):
    async with AsyncExitStack() as stack:
        store = await SqliteStore.open(tmp_path / "store.sqlite")
        stack.push_async_callback(store.close)
        service = await stack.enter_async_context(served(tmp_path, policy_directory, store=store))
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
        yield service


async def test_draws_that_race_for_a_line_on_disk_never_pass_it(on_disk):
    line = await on_disk.line()
    draws = [on_disk.draw(line, line.limit) for _ in range(2)]
    await asyncio.gather(*map(on_disk.lending.Disburse, draws * 8), return_exceptions=True)
    outcomes = [await outcome(on_disk, draw) for draw in draws]
    assert sorted(outcomes) == ["LIMIT_EXCEEDED", "LOAN_STATE_ACTIVE"]
    asked = lending_service_pb2.GetCreditLineRequest(line_id=line.line_id)
    held = (await on_disk.lending.GetCreditLine(asked)).credit_line
    assert (held.drawn, held.reserved.units, held.available.units) == (line.limit, 0, 0)
    assert paid(on_disk.journal)[0] == 1
    assert await on_disk.world.store.ledger_sum_fen("demo") == 0


@pytest.mark.parametrize("name", ["accept", "disburse"])
async def test_of_two_that_have_read_the_same_one_is_granted(tmp_path, policy_directory, name):
    store, pb = Meeting(FakeStore()), lending_service_pb2
    async with served(tmp_path, policy_directory, store=store) as service:
        await service.register()
        await service.trade(days=90, payers=60, per_day=4)
        if name == "accept":
            (call, one), (_, other) = await good(service, name), await good(service, name)
        else:
            line = await service.line()
            call, one, other = service.lending.Disburse, *(service.draw(line, line.limit) for _ in range(2))
        store.awaited = 2
        answers = await asyncio.gather(call(one), call(other), return_exceptions=True)
        (lost,) = [
            request for request, answer in zip((one, other), answers, strict=True) if isinstance(answer, Exception)
        ]
        said = await refused(call(lost))
        assert (said.status, said.reason) == (STATE, {"accept": "OFFER_EXPIRED", "disburse": "LIMIT_EXCEEDED"}[name])
        (held,) = (await service.lending.ListCreditLines(pb.ListCreditLinesRequest())).credit_lines
        assert held.drawn == (line.limit if name == "disburse" else yuan(0))
        assert paid(service.journal)[0] == (name == "disburse")


async def outcome(service, draw):
    """The loan's state, or the reason for there being none."""
    try:
        loan = (await service.lending.Disburse(draw)).loan
    except grpc.aio.AioRpcError:
        return (await refused(service.lending.Disburse(draw))).reason
    return lending_pb2.LoanState.Name(loan.state)
