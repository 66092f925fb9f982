"""Applications, offers, lines and loans as messages."""

from fanxing.lending.application import Application, ApplicationState
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan
from fanxing.lending.offer import Instalment, Offer, RepaymentMethod
from fanxing.v1 import lending_pb2 as pb
from fanxing.wire import convert

_METHODS = {
    RepaymentMethod.EQUAL_INSTALMENT: pb.REPAYMENT_METHOD_EQUAL_INSTALMENT,
    RepaymentMethod.INTEREST_FIRST: pb.REPAYMENT_METHOD_INTEREST_FIRST,
}


def application_message(application: Application, currency: str) -> pb.Application:
    """An application as a message."""
    message = pb.Application(
        application_id=application.application_id,
        merchant_id=application.merchant_id,
        state=pb.ApplicationState.Value(f"APPLICATION_STATE_{application.state}"),
        purpose=application.purpose,
        requested_term_months=application.requested_term_months,
        decision_id=application.decision_id,
        line_id=application.line_id,
        created_at=convert.timestamp(application.created_us),
        changed_at=convert.timestamp(application.changed_us),
    )
    if application.requested_fen is not None:
        message.requested_amount.CopyFrom(convert.money(application.requested_fen, currency))
    if application.session_started_us is not None:
        message.session_started_at.CopyFrom(convert.timestamp(application.session_started_us))
    if application.offer is not None and application.state is not ApplicationState.REFERRED:
        message.offer.CopyFrom(_offer_message(application.offer, currency))
    return message


def _offer_message(offer: Offer, currency: str) -> pb.Offer:
    sheet = offer.cost_sheet
    return pb.Offer(
        limit=convert.money(offer.limit_fen, currency),
        annual_rate=convert.decimal(offer.annual_rate),
        term_months=offer.term_months,
        repayment_method=_METHODS[offer.repayment_method],
        schedule=_schedule_messages(offer.schedule, currency),
        cost_sheet=pb.CostSheet(
            interest=convert.money(sheet.interest_fen, currency),
            fees=convert.money(sheet.fees_fen, currency),
            total=convert.money(sheet.interest_fen + sheet.fees_fen, currency),
            all_in_annual_rate=convert.decimal(sheet.all_in_annual_rate),
            all_in_annual_rate_cap=convert.decimal(sheet.all_in_annual_rate_cap),
        ),
        expires_at=convert.timestamp(offer.expires_us),
        digest=offer.digest,
    )


def _schedule_messages(schedule: tuple[Instalment, ...], currency: str) -> list[pb.Instalment]:
    return [
        pb.Instalment(
            number=instalment.number,
            due_on=convert.date_message(instalment.due_on),
            principal=convert.money(instalment.principal_fen, currency),
            interest=convert.money(instalment.interest_fen, currency),
        )
        for instalment in schedule
    ]


def line_message(line: CreditLine, currency: str) -> pb.CreditLine:
    """A credit line as a message."""
    return pb.CreditLine(
        line_id=line.line_id,
        merchant_id=line.merchant_id,
        application_id=line.application_id,
        state=pb.LineState.Value(f"LINE_STATE_{line.state}"),
        limit=convert.money(line.limit_fen, currency),
        reserved=convert.money(line.reserved_fen, currency),
        drawn=convert.money(line.drawn_fen, currency),
        available=convert.money(line.available_fen, currency),
        annual_rate=convert.decimal(line.annual_rate),
        term_months=line.term_months,
        repayment_method=_METHODS[line.repayment_method],
        opened_at=convert.timestamp(line.created_us),
    )


def loan_message(loan: Loan, currency: str) -> pb.Loan:
    """A loan as a message."""
    return pb.Loan(
        loan_id=loan.loan_id,
        line_id=loan.line_id,
        merchant_id=loan.merchant_id,
        state=pb.LoanState.Value(f"LOAN_STATE_{loan.state}"),
        principal=convert.money(loan.principal_fen, currency),
        annual_rate=convert.decimal(loan.annual_rate),
        schedule=_schedule_messages(loan.schedule, currency),
        transfer_id=loan.transfer_id,
        created_at=convert.timestamp(loan.created_us),
        changed_at=convert.timestamp(loan.changed_us),
        rail_detail=loan.rail_detail,
    )
