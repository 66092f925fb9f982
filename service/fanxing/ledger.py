"""Double entry in fen: accounts, entries and the law that every transaction sums to zero.

A payout is two-phase. PENDING: the money is promised (loan receivable in suspense against cash in transit). POSTED:
the rail paid (suspense becomes principal, transit becomes cash paid out). VOIDED: the promise is undone. RETURNED:
the receiving bank sent it back. Entries are never changed or deleted; a mistake is undone by another transaction.
"""

from dataclasses import dataclass
from enum import StrEnum


class TransferState(StrEnum):
    """Where a payout stands."""

    PENDING = "PENDING"
    POSTED = "POSTED"
    VOIDED = "VOIDED"
    RETURNED = "RETURNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One payout at the rail, by a UUID of its own. `headroom_fen`: what it took of the funder's headroom."""

    transfer_id: str
    loan_id: str
    payout_account_token: str
    amount_fen: int
    state: TransferState
    headroom_fen: int
    created_us: int
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a transaction: positive amounts are debits, negative ones credits."""

    transaction_id: str
    line_number: int
    account: str
    amount_fen: int
    booked_us: int


CASH = "cash"
IN_TRANSIT = "payouts_in_transit"


def suspense(loan_id: str) -> str:
    """Account of a loan that is promised and not paid out."""
    return f"loan:{loan_id}:suspense"


def principal(loan_id: str) -> str:
    """Account of a loan's outstanding principal."""
    return f"loan:{loan_id}:principal"


def pending(transfer: Transfer, at_us: int) -> tuple[Entry, ...]:
    """The promise: debit suspense, credit transit."""
    amount, loan_id = transfer.amount_fen, transfer.loan_id
    return _transaction(transfer, "pending", at_us, ((suspense(loan_id), amount), (IN_TRANSIT, -amount)))


def posted(transfer: Transfer, at_us: int) -> tuple[Entry, ...]:
    """The rail paid: suspense becomes principal, transit becomes cash."""
    amount, loan_id = transfer.amount_fen, transfer.loan_id
    lines = ((principal(loan_id), amount), (suspense(loan_id), -amount), (IN_TRANSIT, amount), (CASH, -amount))
    return _transaction(transfer, "posted", at_us, lines)


def voided(transfer: Transfer, at_us: int) -> tuple[Entry, ...]:
    """The promise is undone."""
    amount, loan_id = transfer.amount_fen, transfer.loan_id
    return _transaction(transfer, "voided", at_us, ((IN_TRANSIT, amount), (suspense(loan_id), -amount)))


def returned(transfer: Transfer, at_us: int) -> tuple[Entry, ...]:
    """The receiving bank sent the money back."""
    amount, loan_id = transfer.amount_fen, transfer.loan_id
    return _transaction(transfer, "returned", at_us, ((CASH, amount), (principal(loan_id), -amount)))


def _transaction(transfer: Transfer, step: str, at_us: int, lines: tuple[tuple[str, int], ...]) -> tuple[Entry, ...]:
    entries = tuple(
        Entry(
            transaction_id=f"{transfer.transfer_id}:{step}",
            line_number=number,
            account=account,
            amount_fen=amount,
            booked_us=at_us,
        )
        for number, (account, amount) in enumerate(lines, 1)
    )
    assert sum(entry.amount_fen for entry in entries) == 0, "a transaction sums to zero"
    return entries
