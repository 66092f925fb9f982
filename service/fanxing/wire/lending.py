"""LendingService on the wire."""

from __future__ import annotations

from typing import Any

import grpc

from fanxing.flows.accept import AcceptOffer, accept, as_shown
from fanxing.flows.apply import Apply, apply
from fanxing.flows.disburse import Disburse, disburse
from fanxing.flows.find import find, list_page
from fanxing.flows.review import ChangeApplication, cancel_application, request_review
from fanxing.flows.score import Score, score
from fanxing.flows.world import World
from fanxing.institutions import Clock, Institution
from fanxing.lending.application import Application, Consent
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan
from fanxing.v1 import lending_pb2, lending_service_pb2_grpc
from fanxing.v1 import lending_service_pb2 as pb
from fanxing.wire import convert, pages
from fanxing.wire.decisions import decision_message, requested_fen
from fanxing.wire.lending_messages import application_message, line_message, loan_message
from fanxing.wire.merchants import moment_of
from fanxing.wire.tariff import Tariff
from fanxing.wire.tenant import INSTITUTION


class LendingServicer(lending_service_pb2_grpc.LendingServiceServicer):
    """Converts, calls the flow, converts back."""

    def __init__(self, world: World, tariff: Tariff) -> None:
        self._world = world
        self._tariff = tariff

    async def Apply(self, request: pb.ApplyRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.ApplyResponse:
        institution = INSTITUTION.get()
        command = Apply(
            request_id=request.request_id,
            merchant_id=request.merchant_id,
            purpose=request.purpose,
            requested_fen=requested_fen(request, institution.currency),
            requested_term_months=request.requested_term_months,
            consents=tuple(
                Consent(
                    scope=consent.scope,
                    text_sha256=consent.text_sha256,
                    expires_us=convert.micros_of_end(consent.expires_at, f"consents[{place}].expires_at"),
                )
                for place, consent in enumerate(request.consents)
            ),
            session_started_us=moment_of(request, "session_started_at"),
            effective_us=moment_of(request, "effective_time"),
        )
        application, decision = await apply(institution, command, self._world)
        return pb.ApplyResponse(
            application=self._shown(institution, application),
            decision=decision_message(decision, institution.currency, self._tariff),
        )

    async def Score(self, request: pb.ScoreRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.ScoreResponse:
        institution = INSTITUTION.get()
        command = Score(
            request_id=request.request_id,
            merchant_id=request.merchant_id,
            requested_fen=requested_fen(request, institution.currency),
            requested_term_months=request.requested_term_months,
            effective_us=moment_of(request, "effective_time"),
        )
        decision = await score(institution, command, self._world)
        return pb.ScoreResponse(decision=decision_message(decision, institution.currency, self._tariff))

    async def AcceptOffer(
        self, request: pb.AcceptOfferRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.AcceptOfferResponse:
        institution = INSTITUTION.get()
        command = AcceptOffer(
            request_id=request.request_id,
            application_id=request.application_id,
            offer_digest=request.offer_digest,
            effective_us=moment_of(request, "effective_time"),
        )
        line = await accept(institution, command, self._world)
        return pb.AcceptOfferResponse(credit_line=line_message(line, institution.currency))

    async def Disburse(
        self, request: pb.DisburseRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.DisburseResponse:
        institution = INSTITUTION.get()
        command = Disburse(
            request_id=request.request_id,
            line_id=request.line_id,
            amount_fen=convert.fen(request.amount, institution.currency, "amount"),
            effective_us=moment_of(request, "effective_time"),
        )
        loan = await disburse(institution, command, self._world)
        return pb.DisburseResponse(loan=loan_message(loan, institution.currency))

    async def RequestReview(
        self, request: pb.RequestReviewRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RequestReviewResponse:
        institution = INSTITUTION.get()
        application = await request_review(institution, _change(request), self._world)
        return pb.RequestReviewResponse(application=self._shown(institution, application))

    async def CancelApplication(
        self, request: pb.CancelApplicationRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.CancelApplicationResponse:
        institution = INSTITUTION.get()
        application = await cancel_application(institution, _change(request), self._world)
        return pb.CancelApplicationResponse(application=self._shown(institution, application))

    async def GetApplication(
        self, request: pb.GetApplicationRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetApplicationResponse:
        institution = INSTITUTION.get()
        application = await find(institution, Application, request.application_id, self._world)
        return pb.GetApplicationResponse(application=self._shown(institution, application))

    async def ListApplications(
        self, request: pb.ListApplicationsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListApplicationsResponse:
        institution = INSTITUTION.get()
        asked = pages.page("ListApplications", request.merchant_id, request.page_size, request.page_token)
        found, after = await list_page(institution, Application, asked, self._world)
        return pb.ListApplicationsResponse(
            applications=[self._shown(institution, each) for each in found],
            next_page_token=pages.token("ListApplications", request.merchant_id, after),
        )

    async def GetCreditLine(
        self, request: pb.GetCreditLineRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetCreditLineResponse:
        institution = INSTITUTION.get()
        line = await find(institution, CreditLine, request.line_id, self._world)
        return pb.GetCreditLineResponse(credit_line=line_message(line, institution.currency))

    async def ListCreditLines(
        self, request: pb.ListCreditLinesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListCreditLinesResponse:
        institution = INSTITUTION.get()
        asked = pages.page("ListCreditLines", request.merchant_id, request.page_size, request.page_token)
        found, after = await list_page(institution, CreditLine, asked, self._world)
        return pb.ListCreditLinesResponse(
            credit_lines=[line_message(each, institution.currency) for each in found],
            next_page_token=pages.token("ListCreditLines", request.merchant_id, after),
        )

    async def GetLoan(
        self, request: pb.GetLoanRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetLoanResponse:
        institution = INSTITUTION.get()
        loan = await find(institution, Loan, request.loan_id, self._world)
        return pb.GetLoanResponse(loan=loan_message(loan, institution.currency))

    async def ListLoans(
        self, request: pb.ListLoansRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListLoansResponse:
        institution = INSTITUTION.get()
        asked = pages.page("ListLoans", request.merchant_id, request.page_size, request.page_token)
        found, after = await list_page(institution, Loan, asked, self._world)
        return pb.ListLoansResponse(
            loans=[loan_message(each, institution.currency) for each in found],
            next_page_token=pages.token("ListLoans", request.merchant_id, after),
        )

    def _shown(self, institution: Institution, application: Application) -> lending_pb2.Application:
        """An application as a reader sees it now; a CALLER institution's clock stands still between its calls."""
        if institution.clock is Clock.SYSTEM:
            application = as_shown(application, self._world.now())
        return application_message(application, institution.currency)


def _change(request: pb.RequestReviewRequest | pb.CancelApplicationRequest) -> ChangeApplication:
    return ChangeApplication(
        request_id=request.request_id,
        application_id=request.application_id,
        effective_us=moment_of(request, "effective_time"),
    )
