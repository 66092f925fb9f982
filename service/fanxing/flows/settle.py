"""Settle: a loan whose payout is not known is asked about until the rail says.

Silence is UNKNOWN, never a failure. Only REFUSED or CANCELLED voids. NOT_FOUND proves nothing while a Pay may be in
flight, so the same transfer is sent again; the rail pays an id once. What was paid may come back within days, when the
receiving bank returns it; `returns` asks.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from fanxing import ledger
from fanxing.errors import Contention
from fanxing.flows.find import find
from fanxing.flows.moments import tick
from fanxing.flows.once import attempts, committed
from fanxing.flows.ports import ChangeSet, Get, Increment, RailAnswer, RailState, Range, Snapshot
from fanxing.flows.score import FUNDING
from fanxing.flows.world import World
from fanxing.institutions import Clock, Institution
from fanxing.ledger import Transfer, TransferState
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan, LoanState
from fanxing.merchants import Merchant

log = structlog.get_logger()
BATCH = 256
BOOKING_ATTEMPTS = 100
"""Money has moved: it is booked however busy the merchant is, for some five seconds; then by the next round."""
RETURN_US = 10 * 86_400_000_000
"""For so long after its payout a loan is asked about; a receiving bank that cannot book it sends it back by then."""
_OPEN = (RailState.UNKNOWN, RailState.IN_FLIGHT, RailState.NOT_FOUND)
_MOVED = (RailState.PAID, RailState.RETURNED)


async def settle(institution: Institution, world: World) -> int:
    """Asks about every PENDING loan of an institution and returns how many found their end."""

    async def ask(loan: Loan) -> Loan:
        if loan.loan_id in world.paying:
            return loan
        answer = await world.rail.query(loan.transfer_id)
        if answer.state is RailState.NOT_FOUND:
            return await pay_out(institution, loan, world)
        return await finish(institution, loan, answer, world)

    return await _each(institution, LoanState.PENDING, (), ask, world)


async def returns(institution: Institution, world: World) -> int:
    """Asks about every loan paid out of late, and returns how many have come back.

    An institution with a CALLER clock lives in the past, where nothing comes back any more.
    """

    async def ask(loan: Loan) -> Loan:
        return await finish(institution, loan, await world.rail.query(loan.transfer_id), world)

    return await _each(institution, LoanState.ACTIVE, (world.now() - RETURN_US,), ask, world)


async def _each(
    institution: Institution,
    state: LoanState,
    after: tuple[int | str, ...],
    ask: Callable[[Loan], Awaitable[Loan]],
    world: World,
) -> int:
    """Asks about all loans in a state, the longest in it first, and returns how many left it.

    A loan that cannot be booked is logged and asked about again next time; the others do not wait for it.
    """
    left = 0
    while True:
        query = Range(Loan, ("state", "changed_us", "loan_id"), prefix=(state,), after=after, limit=BATCH)
        loans = Snapshot(await world.store.read(institution.institution_id, query)).many(0, Loan)
        for loan in loans:
            try:
                left += (await ask(loan)).state is not state
            except Exception:
                log.exception("a loan could not be settled", loan_id=loan.loan_id)
        if len(loans) < BATCH:
            return left
        after = (loans[-1].changed_us, loans[-1].loan_id)


async def pay_out(institution: Institution, loan: Loan, world: World) -> Loan:
    """Sends the saved transfer to the rail and books what it says."""
    transfer = Snapshot(await world.store.read(institution.institution_id, Get(Transfer, ((loan.transfer_id,),)))).one(
        0, Transfer
    )
    assert transfer is not None, "a loan and its transfer are saved in one commit"
    world.paying.add(loan.loan_id)
    try:
        return await finish(institution, loan, await world.rail.pay(institution, transfer), world)
    finally:
        world.paying.discard(loan.loan_id)


async def finish(institution: Institution, loan: Loan, answer: RailAnswer, world: World) -> Loan:
    """Books the rail's answer, once, and returns the loan as it is then."""
    if answer.state in _OPEN:
        return loan
    async for _ in attempts(BOOKING_ATTEMPTS):
        answers = Snapshot(
            await world.store.read(
                institution.institution_id,
                Get(Loan, ((loan.loan_id,),)),
                Get(CreditLine, ((loan.line_id,),)),
                Get(Transfer, ((loan.transfer_id,),)),
                Get(Merchant, ((loan.merchant_id,),)),
            )
        )
        held, line, transfer = answers.one(0, Loan), answers.one(1, CreditLine), answers.one(2, Transfer)
        merchant = answers.one(3, Merchant)
        assert held is not None
        assert line is not None
        assert transfer is not None
        assert merchant is not None
        if not _speaks_of(transfer, institution, answer):
            return held
        came_back = held.state is LoanState.ACTIVE and answer.state is RailState.RETURNED
        if held.state is not LoanState.PENDING and not came_back:
            if not _agrees(held, answer):
                log.error(
                    "rail contradicts itself", transfer_id=held.transfer_id, booked=held.state, says=answer.state.value
                )
            return held
        # The rail answers whenever it will: to a caller that lives in the past, right after the newest record.
        now_us = merchant.last_told_us if institution.clock is Clock.CALLER else world.now()
        ticked = tick(institution, merchant, now_us)
        booked = _booked(held, line, transfer, answer, ticked.last_known_us)
        if await committed(institution, world.store, replace(booked, updates=(*booked.updates, ticked))):
            return await find(institution, Loan, loan.loan_id, world)
    raise Contention("other calls changed the same merchant or line; retry with the same request_id")


def _speaks_of(transfer: Transfer, institution: Institution, answer: RailAnswer) -> bool:
    """Whether money that moved is the money that was asked for. What is not is for a person; nothing is booked."""
    told = (answer.currency, answer.amount_fen)
    if answer.state not in _MOVED or told == (institution.currency, transfer.amount_fen):
        return True
    log.error(
        "rail speaks of another amount", transfer_id=transfer.transfer_id, asked_fen=transfer.amount_fen, says=told
    )
    return False


def _agrees(held: Loan, answer: RailAnswer) -> bool:
    """Whether a later answer fits what an earlier one ended the loan with. What does not fit is for a person."""
    if answer.state is RailState.PAID:
        return held.state is not LoanState.VOIDED
    return held.state is (LoanState.RETURNED if answer.state is RailState.RETURNED else LoanState.VOIDED)


def _booked(loan: Loan, line: CreditLine, transfer: Transfer, answer: RailAnswer, at_us: int) -> ChangeSet:
    amount = transfer.amount_fen
    give_back = (Increment(FUNDING, -transfer.headroom_fen),) if transfer.headroom_fen else ()
    if loan.state is LoanState.ACTIVE:
        assert answer.state is RailState.RETURNED
        return ChangeSet(
            inserts=ledger.returned(transfer, at_us),
            updates=(
                loan.step(LoanState.RETURNED, at_us, answer.detail),
                line.give_back(amount),
                replace(transfer, state=TransferState.RETURNED, version=transfer.version + 1),
            ),
            increments=give_back,
        )
    if answer.state is RailState.PAID:
        return ChangeSet(
            inserts=ledger.posted(transfer, at_us),
            updates=(
                loan.step(LoanState.ACTIVE, at_us),
                line.draw(amount),
                replace(transfer, state=TransferState.POSTED, version=transfer.version + 1),
            ),
        )
    if answer.state is RailState.RETURNED:
        returned = loan.step(LoanState.ACTIVE, at_us).step(LoanState.RETURNED, at_us, answer.detail)
        return ChangeSet(
            inserts=(*ledger.posted(transfer, at_us), *ledger.returned(transfer, at_us)),
            updates=(
                replace(returned, version=loan.version + 1),
                line.release(amount),
                replace(transfer, state=TransferState.RETURNED, version=transfer.version + 1),
            ),
            increments=give_back,
        )
    assert answer.state in {RailState.REFUSED, RailState.CANCELLED}
    return ChangeSet(
        inserts=ledger.voided(transfer, at_us),
        updates=(
            loan.step(LoanState.VOIDED, at_us, answer.detail),
            line.release(amount),
            replace(transfer, state=TransferState.VOIDED, version=transfer.version + 1),
        ),
        increments=give_back,
    )
