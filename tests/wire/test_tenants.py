"""A bearer token names the institution, and no institution reads or changes what is another's."""

import base64
import hashlib
import json
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
from tests.served import DAY_US, Service, new_id, payment, refused, served, yuan

from fanxing.flows.policies import publish
from fanxing.flows.ports import ChangeSet
from fanxing.flows.settle import settle
from fanxing.institutions import Clock, Institution
from fanxing.store.open import open_store
from fanxing.strategies.policy import pack
from fanxing.v1 import (
    decision_service_pb2,
    decision_service_pb2_grpc,
    lending_pb2,
    lending_service_pb2,
    lending_service_pb2_grpc,
    merchant_service_pb2,
    merchant_service_pb2_grpc,
    payment_service_pb2,
    payment_service_pb2_grpc,
)
from fanxing.wire.rail_simulator import paid
from fanxing.wire.server import build_server
from fanxing.wire.tariff import Tariff
from fanxing.wire.tenant import Tenants

STATUS = grpc.StatusCode
SERVICES = (
    (payment_service_pb2, payment_service_pb2_grpc, "PaymentService"),
    (merchant_service_pb2, merchant_service_pb2_grpc, "MerchantService"),
    (lending_service_pb2, lending_service_pb2_grpc, "LendingService"),
    (decision_service_pb2, decision_service_pb2_grpc, "DecisionService"),
)
RPCS = [
    (service, method.name)
    for module, _, service in SERVICES
    for method in module.DESCRIPTOR.services_by_name[service].methods
]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Bearer(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, token):
        self.header = ("authorization", f"Bearer {token}")

    async def intercept_unary_unary(self, continuation, details, request):
        return await continuation(details._replace(metadata=[*(details.metadata or ()), self.header]), request)


class Banks:
    """Two institutions of one server, each behind its token, and a way in without one."""

    def __init__(self, east, west, stranger):
        self.east, self.west, self.stranger = east, west, stranger


@pytest.fixture(params=["memory", "sqlite"])
async def banks(request, tmp_path, policy_directory):
    async with open_banks(tmp_path, policy_directory, request.param) as opened:
        yield opened


@asynccontextmanager
async def open_banks(tmp_path, policy, kind):
    async with AsyncExitStack() as stack:
        store = await open_store("memory:" if kind == "memory" else f"sqlite:///{tmp_path / 'store.sqlite'}")
        stack.push_async_callback(store.close)
        demo = await stack.enter_async_context(served(tmp_path, policy, store=store))
        by_token = {}
        for name in ("east", "west"):
            institution = Institution(
                institution_id=name, currency="CNY", time_zone="Asia/Shanghai", clock=Clock.SYSTEM
            )
            await store.commit(name, ChangeSet(inserts=(institution,)))
            await publish(institution, store, pack(policy), demo.world.now)
            await demo.world.policies.load(institution, store)
            by_token[sha256(f"{name}-token")] = institution
        server, _ = build_server(demo.world, Tenants(by_token, None), Tariff(), reflect=False)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)

        async def enter(name, *interceptors):
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=interceptors)
            await stack.enter_async_context(channel)
            institution = by_token.get(sha256(f"{name}-token"), demo.institution)
            return Service(demo.world, channel, demo.clock, institution, demo.journal)

        east, west = [await enter(name, Bearer(f"{name}-token")) for name in ("east", "west")]
        yield Banks(east, west, await enter("nobody"))


async def lent(bank):
    """A merchant with a line and a loan of 1,000 yuan; all ids that there are."""
    await bank.register()
    await bank.trade()
    line = await bank.line()
    loan = (await bank.lending.Disburse(bank.draw(line, yuan(1000)))).loan
    request = lending_service_pb2.GetApplicationRequest(application_id=line.application_id)
    return line, loan, (await bank.lending.GetApplication(request)).application


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Bearer nobody"],
        ["Bearer"],
        ["Bearer "],
        ["east-token"],
        ["bearer east-token"],
        ["Basic east-token"],
        ["Bearer  east-token"],
        ["Bearer east-token, Bearer west-token"],
        ["Bearer east-token", "Bearer east-token"],
        ["Bearer east-token", "Bearer west-token"],
        ["Bearer " + sha256("east-token")],
    ],
)
async def test_without_one_good_token_nothing_is_done_and_with_it_the_same_call_is(banks, headers):
    merchant = merchant_service_pb2.Merchant(
        merchant_id="m1",
        name="Noodles",
        category="canteen",
        opened_on={"year": 2025, "month": 1, "day": 1},
        controller_token="c",
        payout_account_token="a",
    )
    request = merchant_service_pb2.RegisterMerchantRequest(request_id=new_id(), merchant=merchant)
    metadata = [("authorization", header) for header in headers]
    said = await refused(banks.stranger.merchants.RegisterMerchant(request, metadata=metadata))
    assert (said.status, said.reason, said.fields) == (STATUS.UNAUTHENTICATED, "TOKEN_UNKNOWN", [])
    asked = merchant_service_pb2.GetMerchantRequest(merchant_id="m1")
    assert (await refused(banks.east.merchants.GetMerchant(asked))).reason == "MERCHANT_NOT_FOUND"
    await banks.east.merchants.RegisterMerchant(request)
    assert (await banks.east.merchants.GetMerchant(asked)).merchant == merchant


@pytest.mark.parametrize(("service", "rpc"), RPCS)
async def test_every_call_asks_for_the_token_before_it_looks_at_the_request(tmp_path, policy_directory, service, rpc):
    async with open_banks(tmp_path, policy_directory, "memory") as banks:
        stubs = {
            "PaymentService": banks.stranger.payments,
            "MerchantService": banks.stranger.merchants,
            "LendingService": banks.stranger.lending,
            "DecisionService": banks.stranger.decisions,
        }
        module = next(module for module, _, name in SERVICES if name == service)
        method = module.DESCRIPTOR.services_by_name[service].methods_by_name[rpc]
        empty = getattr(module, method.input_type.name)()
        call = getattr(stubs[service], rpc)
        said = await refused(call(iter([empty])) if method.client_streaming else call(empty))
        assert (said.status, said.reason) == (STATUS.UNAUTHENTICATED, "TOKEN_UNKNOWN")


async def test_what_is_anothers_is_not_found(banks):
    line, loan, application = await lent(banks.east)
    west, pb = banks.west, lending_service_pb2
    for call, reason, field in (
        (
            west.merchants.GetMerchant(merchant_service_pb2.GetMerchantRequest(merchant_id="m1")),
            "MERCHANT",
            "merchant_id",
        ),
        (
            west.merchants.GetIndicators(merchant_service_pb2.GetIndicatorsRequest(merchant_id="m1")),
            "MERCHANT",
            "merchant_id",
        ),
        (
            west.decisions.GetDecision(decision_service_pb2.GetDecisionRequest(decision_id=application.decision_id)),
            "DECISION",
            "decision_id",
        ),
        (
            west.lending.GetApplication(pb.GetApplicationRequest(application_id=application.application_id)),
            "APPLICATION",
            "application_id",
        ),
        (west.lending.GetCreditLine(pb.GetCreditLineRequest(line_id=line.line_id)), "LINE", "line_id"),
        (west.lending.GetLoan(pb.GetLoanRequest(loan_id=loan.loan_id)), "LOAN", "loan_id"),
    ):
        said = await refused(call)
        assert (said.status, said.reason, said.fields) == (STATUS.NOT_FOUND, f"{reason}_NOT_FOUND", [field])
    assert not (await west.lending.ListApplications(pb.ListApplicationsRequest())).applications
    assert not (await west.lending.ListCreditLines(pb.ListCreditLinesRequest(merchant_id="m1"))).credit_lines
    assert not (await west.lending.ListLoans(pb.ListLoansRequest(merchant_id="m1"))).loans


async def test_what_is_anothers_cannot_be_changed(banks):
    line, loan, application = await lent(banks.east)
    west, pb = banks.west, lending_service_pb2
    named = {"request_id": new_id(), "application_id": application.application_id}
    for call, reason, field in (
        (west.lending.Apply(west.application()), "MERCHANT", "merchant_id"),
        (west.lending.Score(pb.ScoreRequest(request_id=new_id(), merchant_id="m1")), "MERCHANT", "merchant_id"),
        (
            west.lending.AcceptOffer(pb.AcceptOfferRequest(offer_digest=application.offer.digest, **named)),
            "APPLICATION",
            "application_id",
        ),
        (west.lending.RequestReview(pb.RequestReviewRequest(**named)), "APPLICATION", "application_id"),
        (west.lending.CancelApplication(pb.CancelApplicationRequest(**named)), "APPLICATION", "application_id"),
        (west.lending.Disburse(west.draw(line, yuan(500))), "LINE", "line_id"),
    ):
        said = await refused(call)
        assert (said.status, said.reason, said.fields) == (STATUS.NOT_FOUND, f"{reason}_NOT_FOUND", [field])
    assert (await west.record(payment("m1", "p1", west.clock.us))).accepted == 0
    east = banks.east
    assert (await east.lending.GetCreditLine(pb.GetCreditLineRequest(line_id=line.line_id))).credit_line.drawn == yuan(
        1000
    )
    assert (await east.lending.GetLoan(pb.GetLoanRequest(loan_id=loan.loan_id))).loan == loan
    assert paid(east.journal) == (1, 100_000)


async def test_one_merchant_id_in_two_institutions_is_two_merchants(banks):
    await banks.east.register(name="Noodles")
    await banks.west.register(name="Shoes", category="services")
    await banks.east.trade()
    us = banks.east.clock.us
    assert (await banks.west.record(payment("m1", "1-0", us, amount=yuan(77)))).accepted == 1
    asked = merchant_service_pb2.GetMerchantRequest(merchant_id="m1")
    east, west = [await bank.merchants.GetMerchant(asked) for bank in (banks.east, banks.west)]
    assert [east.merchant.name, west.merchant.name] == ["Noodles", "Shoes"]
    assert [east.payment_count, west.payment_count] == [1800, 1]
    names = ["receipts_count_365d", "receipts_fen_365d", "payers_vouched_90d"]
    request = merchant_service_pb2.GetIndicatorsRequest(merchant_id="m1", names=names)
    (count, _, vouched), (other_count, other_fen, other_vouched) = [
        [each.value for each in (await bank.merchants.GetIndicators(request)).indicators]
        for bank in (banks.east, banks.west)
    ]
    assert (count, vouched) == (1800, 120)
    assert (other_count, other_fen, other_vouched) == (1, 7700, 0)


async def test_the_payers_of_one_institution_vouch_for_nobody_in_another(banks):
    await banks.east.trade(days=0)
    request = merchant_service_pb2.GetIndicatorsRequest(merchant_id="m1", names=["payers_vouched_90d"])
    vouched = []
    for bank in (banks.east, banks.west):
        await bank.register()
        us = bank.clock.us - 10 * DAY_US
        await bank.record(*(payment("m1", f"p{n}", us, payer_token=f"payer-{n}") for n in range(100)))
        vouched.append((await bank.merchants.GetIndicators(request)).indicators[0].value)
    assert vouched == [100, 0]


async def test_one_request_id_in_two_institutions_is_two_requests(banks):
    await banks.east.register()
    await banks.west.register()
    request_id = new_id()
    applied = [
        (await bank.lending.Apply(bank.application(request_id=request_id, purpose=purpose))).application
        for bank, purpose in ((banks.east, "seed"), (banks.west, "working_capital"))
    ]
    assert applied[0].application_id != applied[1].application_id
    assert [application.purpose for application in applied] == ["seed", "working_capital"]
    for bank, application in zip((banks.east, banks.west), applied, strict=True):
        listed = (await bank.lending.ListApplications(lending_service_pb2.ListApplicationsRequest())).applications
        assert list(listed) == [application]


async def test_a_page_token_of_another_institution_is_refused(banks):
    for bank in (banks.east, banks.west):
        await bank.register()
        for _ in range(3):
            await bank.lending.Apply(bank.application())
    pages = lending_service_pb2.ListApplicationsRequest(merchant_id="m1", page_size=1)
    pages.page_token = (await banks.east.lending.ListApplications(pages)).next_page_token
    said = await refused(banks.west.lending.ListApplications(pages))
    assert (said.status, said.reason, said.fields) == (STATUS.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", ["page_token"])
    assert len((await banks.east.lending.ListApplications(pages)).applications) == 1


async def test_a_fact_of_another_institution_cannot_be_replaced(banks):
    fact = merchant_service_pb2.Fact(
        merchant_id="m1",
        kind=merchant_service_pb2.FACT_KIND_CREDIT_REPORT,
        valid_from={"year": 2026, "month": 1, "day": 1},
        source="bureau",
    )
    for bank in (banks.east, banks.west):
        await bank.register()
    recorded = (
        await banks.east.merchants.RecordFact(merchant_service_pb2.RecordFactRequest(request_id=new_id(), fact=fact))
    ).fact
    fact.supersedes = recorded.fact_id
    request = merchant_service_pb2.RecordFactRequest(request_id=new_id(), fact=fact)
    said = await refused(banks.west.merchants.RecordFact(request))
    assert (said.status, said.reason, said.fields) == (STATUS.INVALID_ARGUMENT, "INVALID_REQUEST", ["fact.supersedes"])
    assert (await banks.east.merchants.RecordFact(request)).fact.supersedes == recorded.fact_id


async def test_settling_one_institution_leaves_anothers_loans_alone(banks):
    loans = []
    for bank in (banks.east, banks.west):
        await bank.register(payout_account_token="sim-late-1")
        await bank.trade()
        line = await bank.line()
        loans.append((await bank.lending.Disburse(bank.draw(line, yuan(1000)))).loan)
    assert await settle(banks.east.institution, banks.east.world) == 1
    states = [
        (await bank.lending.GetLoan(lending_service_pb2.GetLoanRequest(loan_id=loan.loan_id))).loan.state
        for bank, loan in zip((banks.east, banks.west), loans, strict=True)
    ]
    assert states == [lending_pb2.LOAN_STATE_ACTIVE, lending_pb2.LOAN_STATE_PENDING]


@pytest.mark.parametrize(
    "after", [[2**63, new_id()], [-1, new_id()], [True, new_id()], [1.5, new_id()], [1, "\ud800"], [1, "x"], [1], []]
)
async def test_a_forged_page_token_is_refused_by_its_name(banks, after):
    forged = base64.urlsafe_b64encode(json.dumps(["east", "ListLoans", "", *after]).encode())
    said = await refused(banks.east.lending.ListLoans(lending_service_pb2.ListLoansRequest(page_token=forged)))
    assert (said.status, said.reason, said.fields) == (STATUS.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", ["page_token"])
