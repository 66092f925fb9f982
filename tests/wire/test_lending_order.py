"""Apply, accept and disburse happen in order and once, and money moves as the rail says."""

import asyncio

import grpc
import pytest
from tests.served import DAY_US, new_id, refused, served, yuan

from fanxing.flows.settle import settle
from fanxing.v1 import decision_pb2, decision_service_pb2, lending_pb2, lending_service_pb2
from fanxing.wire.rail_simulator import paid

STATUS = grpc.StatusCode


async def applied(service, **changes):
    await service.register()
    await service.trade()
    answer = await service.lending.Apply(service.application(**changes))
    assert answer.application.state == lending_pb2.APPLICATION_STATE_APPROVED, answer.decision
    return answer.application


def acceptance(service, application, **changes):
    values = {"request_id": new_id(), "offer_digest": application.offer.digest} | service.at() | changes
    return lending_service_pb2.AcceptOfferRequest(application_id=application.application_id, **values)


async def fen_sum(service):
    return await service.world.store.ledger_sum_fen("demo")


async def test_a_loan_is_paid_once_however_often_it_is_asked_for(service):
    application = await applied(service)
    line = (await service.lending.AcceptOffer(acceptance(service, application))).credit_line
    draw = service.draw(line, yuan(1000))
    answers = await asyncio.gather(*(service.lending.Disburse(draw) for _ in range(16)), return_exceptions=True)
    loans = {answer.loan.loan_id for answer in answers if not isinstance(answer, Exception)}
    again = await service.lending.Disburse(draw)
    assert loans <= {again.loan.loan_id}
    assert again.loan.state == lending_pb2.LOAN_STATE_ACTIVE
    assert paid(service.journal) == (1, 100_000)
    assert await fen_sum(service) == 0


async def test_the_decision_is_on_record_with_its_grounds(service):
    application = await applied(service)
    request = decision_service_pb2.GetDecisionRequest(decision_id=application.decision_id)
    decision = (await service.decisions.GetDecision(request)).decision
    assert decision.outcome == decision_pb2.OUTCOME_APPROVED
    assert [cap.name for cap in decision.caps if cap.binds]
    assert decision.scores[0].probability <= decision.scores[0].probability_upper
    assert decision.policy_digest == service.world.policies.active(service.institution).digest
    assert decision.limit == application.offer.limit


async def test_the_same_row_gives_the_same_verdict_without_the_merchant(service):
    application = await applied(service)
    request = decision_service_pb2.GetDecisionRequest(decision_id=application.decision_id)
    decision = (await service.decisions.GetDecision(request)).decision
    inputs = {each.name: each.value for each in decision.inputs if each.HasField("value")}
    again = (
        await service.decisions.Evaluate(decision_service_pb2.EvaluateRequest(indicators=inputs, category="canteen"))
    ).decision
    assert (again.outcome, again.limit, again.annual_rate) == (decision.outcome, decision.limit, decision.annual_rate)
    assert list(again.caps) == list(decision.caps)
    assert list(again.scores) == list(decision.scores)


async def test_accepting_twice_opens_one_line(service):
    application = await applied(service)
    first = acceptance(service, application)
    line = (await service.lending.AcceptOffer(first)).credit_line
    assert (await service.lending.AcceptOffer(first)).credit_line == line
    said = await refused(service.lending.AcceptOffer(acceptance(service, application)))
    assert (said.status, said.reason, said.metadata) == (
        STATUS.FAILED_PRECONDITION, "APPLICATION_STATE", {"state": "ACCEPTED"})  # fmt: skip


async def test_another_offers_digest_is_refused(service):
    application = await applied(service)
    said = await refused(service.lending.AcceptOffer(acceptance(service, application, offer_digest="0" * 64)))
    assert (said.reason, said.fields) == ("OFFER_DIGEST_MISMATCH", ["offer_digest"])


async def test_an_offer_that_ran_out_is_refused_and_shown_as_expired(service):
    application = await applied(service)
    service.clock.us += 400 * DAY_US
    said = await refused(service.lending.AcceptOffer(acceptance(service, application)))
    assert (said.status, said.reason) == (STATUS.FAILED_PRECONDITION, "OFFER_EXPIRED")
    request = lending_service_pb2.GetApplicationRequest(application_id=application.application_id)
    shown = (await service.lending.GetApplication(request)).application
    assert shown.state == lending_pb2.APPLICATION_STATE_EXPIRED


async def test_a_cancelled_application_cannot_be_accepted(service):
    application = await applied(service)
    change = lending_service_pb2.CancelApplicationRequest(
        request_id=new_id(), application_id=application.application_id
    )
    cancelled = (await service.lending.CancelApplication(change)).application
    assert cancelled.state == lending_pb2.APPLICATION_STATE_CANCELLED
    assert (await refused(service.lending.AcceptOffer(acceptance(service, application)))).reason == "APPLICATION_STATE"


async def test_a_merchant_may_refuse_a_machines_decision(service):
    application = await applied(service)
    change = lending_service_pb2.RequestReviewRequest(request_id=new_id(), application_id=application.application_id)
    reviewed = (await service.lending.RequestReview(change)).application
    assert reviewed.state == lending_pb2.APPLICATION_STATE_REFERRED
    assert not reviewed.HasField("offer")


async def test_more_than_the_line_has_is_refused(service):
    application = await applied(service)
    line = (await service.lending.AcceptOffer(acceptance(service, application))).credit_line
    said = await refused(service.lending.Disburse(service.draw(line, yuan(line.limit.units + 1))))
    assert (said.status, said.reason, said.fields) == (STATUS.FAILED_PRECONDITION, "LIMIT_EXCEEDED", ["amount"])
    assert not service.journal.read_bytes()


async def test_pages_show_everything_once(service):
    await service.register()
    for _ in range(7):
        await service.lending.Apply(service.application())
        service.clock.us += 1
    seen, token = [], ""
    while True:
        request = lending_service_pb2.ListApplicationsRequest(merchant_id="m1", page_size=3, page_token=token)
        page = await service.lending.ListApplications(request)
        seen += [each.application_id for each in page.applications]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    ("account", "at_once", "settled", "count"),
    [
        ("sim-refuse-1", "VOIDED", "VOIDED", 0),
        ("sim-late-1", "PENDING", "ACTIVE", 1),
        ("sim-silent-1", "PENDING", "ACTIVE", 1),
        ("sim-return-1", "RETURNED", "RETURNED", 0),
    ],
)
async def test_the_rail_has_a_bad_day(service, account, at_once, settled, count):
    await service.register(payout_account_token=account)
    await service.trade()
    line = await service.line()
    draw = service.draw(line, yuan(1000))
    loan = (await service.lending.Disburse(draw)).loan
    assert lending_pb2.LoanState.Name(loan.state) == f"LOAN_STATE_{at_once}"
    await settle(service.institution, service.world)
    after = (await service.lending.Disburse(draw)).loan
    assert lending_pb2.LoanState.Name(after.state) == f"LOAN_STATE_{settled}"
    assert paid(service.journal)[0] == count
    assert await fen_sum(service) == 0
    request = lending_service_pb2.GetCreditLineRequest(line_id=line.line_id)
    standing = (await service.lending.GetCreditLine(request)).credit_line
    assert standing.reserved.units == 0
    assert standing.drawn.units == 1000 * count


async def test_a_rail_that_is_gone_leaves_the_loan_pending_and_the_money_reserved(tmp_path, policy_directory):
    class Gone:
        simulated = True

        def __init__(self, rail):
            self.rail, self.up = rail, False

        def __getattr__(self, name):
            return getattr(self.rail, name)

        async def pay(self, institution, transfer):
            from fanxing.flows.ports import RailAnswer, RailState

            return await self.rail.pay(institution, transfer) if self.up else RailAnswer(RailState.UNKNOWN)

    async with served(tmp_path, policy_directory, wrap_rail=Gone) as service:
        await service.register()
        await service.trade()
        line = await service.line()
        draw = service.draw(line, yuan(1000))
        assert (await service.lending.Disburse(draw)).loan.state == lending_pb2.LOAN_STATE_PENDING
        said = await refused(service.lending.Disburse(service.draw(line, line.limit)))
        assert said.reason == "LIMIT_EXCEEDED"
        service.world.rail.up = True
        assert await settle(service.institution, service.world) == 1
        assert (await service.lending.Disburse(draw)).loan.state == lending_pb2.LOAN_STATE_ACTIVE
        assert paid(service.journal) == (1, 100_000)
