"""Disburse: a loan is drawn on a line and paid out once, in two phases.

First commit: the line is reserved, the loan and its transfer are PENDING, the transfer's id is saved. Then the rail is
called, outside any unit of work. Second commit: `settle` posts or voids. Whatever breaks between leaves a PENDING loan
that `settle` finishes; a repeat of the call does the same.
"""

import uuid
from dataclasses import dataclass
from datetime import date

from fanxing import ledger
from fanxing.errors import AmountOutOfRange, RailNotSimulated
from fanxing.flows.find import find
from fanxing.flows.moments import local_day, moment, tick
from fanxing.flows.once import once
from fanxing.flows.ports import ChangeSet, Get, Increment, Quota, Snapshot
from fanxing.flows.score import FUNDING
from fanxing.flows.settle import pay_out
from fanxing.flows.world import World
from fanxing.institutions import Clock, Institution
from fanxing.ledger import Transfer, TransferState
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan, LoanState
from fanxing.lending.schedule import schedule
from fanxing.merchants import Merchant


@dataclass(frozen=True, slots=True, kw_only=True)
class Disburse:
    """The plain command."""

    request_id: str
    line_id: str
    amount_fen: int
    effective_us: int | None


async def disburse(institution: Institution, command: Disburse, world: World) -> Loan:
    """Draws on a line, once, and pays out, once."""
    if institution.clock is Clock.CALLER and not world.rail.simulated:
        raise RailNotSimulated("an institution with a CALLER clock pays through the simulated rail only")
    if command.amount_fen <= 0:
        raise AmountOutOfRange("the amount must be positive", field="amount")

    async def unit(loan_id: str) -> ChangeSet:
        line = await find(institution, CreditLine, command.line_id, world)
        held = await find(institution, Merchant, line.merchant_id, world)
        merchant = tick(institution, held, moment(institution, command.effective_us, world.now))
        at_us = merchant.last_known_us
        reserved = line.reserve(command.amount_fen)
        today = local_day(merchant.last_told_us, merchant.time_zone or institution.time_zone)
        loan = _drawn(line, command.amount_fen, loan_id, at_us, today)
        quota = Snapshot(await world.store.read(institution.institution_id, Get(Quota, ((FUNDING,),)))).one(0, Quota)
        headroom_fen = command.amount_fen if quota else 0
        transfer = _transfer(loan, merchant, headroom_fen)
        return ChangeSet(
            inserts=(loan, transfer, *ledger.pending(transfer, at_us)),
            updates=(reserved, merchant),
            increments=(Increment(FUNDING, headroom_fen),) if quota else (),
        )

    loan_id = await once(institution, world.store, "Disburse", command, unit)
    loan = await find(institution, Loan, loan_id, world)
    return await pay_out(institution, loan, world) if loan.state is LoanState.PENDING else loan


def _drawn(line: CreditLine, amount_fen: int, loan_id: str, at_us: int, today: date) -> Loan:
    due = schedule(amount_fen, line.annual_rate, line.term_months, line.repayment_method, today)
    return Loan(
        loan_id=loan_id,
        line_id=line.line_id,
        merchant_id=line.merchant_id,
        state=LoanState.PENDING,
        principal_fen=amount_fen,
        annual_rate=line.annual_rate,
        schedule=due,
        transfer_id=str(uuid.uuid5(uuid.UUID(loan_id), "transfer")),
        rail_detail="",
        created_us=at_us,
        changed_us=at_us,
    )


def _transfer(loan: Loan, merchant: Merchant, headroom_fen: int) -> Transfer:
    return Transfer(
        transfer_id=loan.transfer_id,
        loan_id=loan.loan_id,
        payout_account_token=merchant.payout_account_token,
        amount_fen=loan.principal_fen,
        state=TransferState.PENDING,
        headroom_fen=headroom_fen,
        created_us=loan.created_us,
    )
