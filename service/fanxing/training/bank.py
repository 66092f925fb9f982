"""The bank of Berka's data set (PKDD'99): accounts, movements and loans, read as merchants, payments and applications.

Credits are receipts, debits are outflows. A movement of day D happens at noon and is known at 23:00, an application of
day D is made at 9:00, Prague time, so it knows nothing of its own day.
"""

import csv
import hashlib
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fanxing.errors import InvalidRequest
from fanxing.indicators.ask import Ask
from fanxing.indicators.exposure import NOTHING_DRAWN
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.measure import measure
from fanxing.merchants import Merchant
from fanxing.money import FEN_MAX, FEN_PER_UNIT
from fanxing.payments import Payment, PaymentKind, RecordedPayment, recorded

CURRENCY, TIME_ZONE = "CZK", "Europe/Prague"
LAST_DAY, MONTHS_MAX = date(2100, 1, 1), 120
TYPES: dict[str, bool | None] = {"credit": True, "withdrawal": False, "withdrawal in cash": False}
"""Whether a movement is a receipt."""
Row = TypeVar("Row")
OUT_OF_FOLD, IDENTITY = "out_of_fold.csv", ("loan_id", "account_id", "day", "amount_fen", "months", "history_sha256")
"""Where a policy keeps what it says out of fold of the loans that it was fitted on, and the columns that name one."""
HISTORY_DAYS = 60
"""Without the file's own column, a loan has history when a payment of the last 60 days is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """A loan as the bank granted it; `bad` and `has_history` are None where the file does not tell."""

    loan_id: str
    account_id: str
    day: date
    amount_fen: int
    months: int
    bad: bool | None
    has_history: bool | None


@dataclass(frozen=True, slots=True)
class Bank:
    """The whole directory. Payments by day of happening, in the order of their ids; loans in order of day and id."""

    merchants: dict[str, Merchant]
    payments: dict[date, list[Payment]]
    loans: tuple[Loan, ...]
    sha256: str


def at(day: date, hour: int) -> int:
    """A local hour of a day in microseconds since 1970 UTC."""
    return int(datetime.combine(day, time(hour), ZoneInfo(TIME_ZONE)).timestamp()) * 1_000_000


def read_bank(directory: Path) -> Bank:
    """Reads account.csv, loan.csv and trans.parquet; InvalidRequest names the file and what is wrong."""
    names = ("account.csv", "loan.csv", "trans.parquet")
    try:
        digest = hashlib.sha256(b"".join(hashlib.sha256((directory / name).read_bytes()).digest() for name in names))
        merchants = _merchants(directory / "account.csv")
        loans = _each(directory / "loan.csv", _loan)
        loans.sort(key=lambda loan: (loan.day, loan.loan_id))
        payments = _payments(directory / "trans.parquet")
        _check(merchants, loans, payments)
    except (OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, pa.ArrowException) as error:
        raise InvalidRequest(f"{directory}: not a directory in Berka's format: {error}", field="directory") from error
    return Bank(merchants, payments, tuple(loans), digest.hexdigest())


def _check(merchants: dict[str, Merchant], loans: list[Loan], payments: dict[date, list[Payment]]) -> None:
    """Refuses what no single row shows: unknown accounts, ids that stand twice, days before the account opened."""
    movements = [(day, each) for day, found in payments.items() for each in found]
    for name, events in (
        ("loan.csv", [(loan.day, loan.account_id, loan.loan_id) for loan in loans]),
        ("trans.parquet", [(day, each.merchant_id, each.payment_id) for day, each in movements]),
    ):
        seen: set[str] = set()
        for day, account, event in events:
            if account not in merchants:
                raise ValueError(f"account.csv lacks account {account} of {name}")
            if not merchants[account].opened_on <= day < LAST_DAY:
                raise ValueError(f"{name}: {event} is of {day}; its account opened {merchants[account].opened_on}")
            if event in seen:
                raise ValueError(f"{name} names {event} twice")
            seen.add(event)


def _each(path: Path, read: Callable[[dict[str, str]], Row]) -> list[Row]:
    """Every row of a CSV file, read; what is wrong names the file and the line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows, found = csv.DictReader(file), []
        for row in rows:
            try:
                found.append(read(_whole(row)))
            except (LookupError, ValueError, ArithmeticError) as error:
                missing = f"no column {error}" if isinstance(error, KeyError) else error
                raise ValueError(f"{path.name}, line {rows.line_num}: {missing}") from error
    if not found:
        raise ValueError(f"{path.name} has no rows")
    return found


def _whole(row: dict[str, str]) -> dict[str, str]:
    """The row, or ValueError where it has more or fewer fields than the header."""
    if None in row or None in row.values():
        raise ValueError("more or fewer fields than the header")
    return row


def _one_of(row: dict[str, str], name: str, values: dict[str, bool | None]) -> bool | None:
    """What a field says, of a closed set; None where the column is not there."""
    if name not in row:
        return None
    if row[name] not in values:
        raise ValueError(f"{name} is {row[name]!r}, not one of {', '.join(filter(None, values))}")
    return values[row[name]]


def _fen(amount: object, name: str) -> int:
    """An amount of the files in fen."""
    fen = round(float(str(amount)) * FEN_PER_UNIT)
    if abs(fen) > FEN_MAX:
        raise ValueError(f"{name} is {amount}")
    return fen


def _positive_fen(amount: object) -> int:
    fen = _fen(amount, "amount")
    if fen <= 0:
        raise ValueError(f"amount is {amount}")
    return fen


def _merchants(path: Path) -> dict[str, Merchant]:
    merchants: dict[str, Merchant] = {}
    for merchant in _each(path, _merchant):
        if merchant.merchant_id in merchants:
            raise ValueError(f"{path.name} names account {merchant.merchant_id} twice")
        merchants[merchant.merchant_id] = merchant
    return merchants


def _merchant(row: dict[str, str]) -> Merchant:
    if len(row["date"]) != len("yymmdd"):
        raise ValueError(f"date is {row['date']}, not yymmdd")
    opened = datetime.strptime(row["date"], "%y%m%d").replace(tzinfo=ZoneInfo(TIME_ZONE)).date()
    account = row["account_id"]
    return Merchant(
        merchant_id=account,
        name=f"account {account}",
        category="account",
        opened_on=opened,
        code_activated_on=None,
        place=row["district_id"],
        frontage=0.0,
        controller_token=f"owner-{account}",
        licence_token="",
        payout_account_token=f"account-{account}",
        phone_token="",
        device_token="",
        time_zone="",
    )


def _loan(row: dict[str, str]) -> Loan:
    bad = _one_of(row, "bad", {"0": False, "1": True, "": None})
    if "bad" not in row:
        bad = _one_of(row, "status", {"A": False, "B": True, "C": False, "D": True, "": None})
    months = int(row["duration"])
    if not 1 <= months <= MONTHS_MAX:
        raise ValueError(f"duration is {months} months")
    return Loan(
        loan_id=row["loan_id"],
        account_id=row["account_id"],
        day=date.fromisoformat(row["date"]),
        amount_fen=_positive_fen(row["amount"]),
        months=months,
        bad=bad,
        has_history=_one_of(row, "has_pre_loan_history", {"True": True, "False": False, "": None}),
    )


def _payments(path: Path) -> dict[date, list[Payment]]:
    columns = ["trans_id", "account_id", "date", "type", "amount", "balance", "bank", "account"]
    table = parquet.read_table(path, columns=columns)
    for name in columns[:6]:
        if table[name].null_count:
            raise ValueError(f"{path.name}: {name} is missing in a row")
    by_day: dict[date, list[Payment]] = defaultdict(list)
    for row in sorted(table.to_pylist(), key=lambda row: (row["date"], row["trans_id"])):
        try:
            day = row["date"].date()
            by_day[day].append(_payment(row, day))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{path.name}, trans_id {row['trans_id']}: {error}") from error
    return dict(by_day)


def _payment(row: dict[str, object], day: date) -> Payment:
    bank, account = row["bank"], str(row["account"] or "")
    receipt = _one_of({"type": str(row["type"])}, "type", TYPES)
    known = receipt and isinstance(bank, str) and bank.strip() and account.replace(".0", "") not in {"", "0", "nan"}
    return Payment(
        merchant_id=str(row["account_id"]),
        payment_id=str(row["trans_id"]),
        payer_token=f"{bank}-{account.removesuffix('.0')}" if known else "",
        amount_fen=_positive_fen(row["amount"]),
        occurred_us=at(day, 12),
        kind=PaymentKind.RECEIPT if receipt else PaymentKind.OUTFLOW,
        channel="bank",
        balance_after_fen=_fen(row["balance"], "balance"),
    )


def identities(bank: Bank) -> list[tuple[str, ...]]:
    """What makes each loan this one, and not another bank's with the same id: terms, account, every movement before.

    Its outcome does not, nor does what came later.
    """
    digests = {key: hashlib.sha256(repr(merchant).encode()) for key, merchant in bank.merchants.items()}
    found = []
    loans = deque(bank.loans)
    for day in sorted({*bank.payments, *(loan.day for loan in loans)}):
        while loans and loans[0].day == day:
            loan = loans.popleft()
            named = (loan.loan_id, loan.account_id, loan.day, loan.amount_fen, loan.months)
            found.append((*map(str, named), digests[loan.account_id].hexdigest()))
        for payment in bank.payments.get(day, ()):
            digests[payment.merchant_id].update(repr(payment).encode())
    return found


def rows_of(bank: Bank, names: tuple[str, ...]) -> np.ndarray:
    """These indicators of each loan, as the service measures them at the application: by what was known then."""
    wanted = {loan.account_id for loan in bank.loans}
    logs: dict[str, list[RecordedPayment]] = defaultdict(list)
    for day in sorted(bank.payments):
        for payment in bank.payments[day]:
            if payment.merchant_id in wanted:
                log = logs[payment.merchant_id]
                log.append(recorded(payment, len(log) + 1, at(day, 23), ""))
    histories = {account: fold(EMPTY, log) for account, log in logs.items()}
    rows = []
    for loan in bank.loans:
        moment, history = at(loan.day, 9), histories.get(loan.account_id, EMPTY)
        ask = Ask(requested_fen=loan.amount_fen, term_months=loan.months)
        merchant = bank.merchants[loan.account_id]
        rows.append(measure(names, merchant, history.known(moment), (), None, NOTHING_DRAWN, ask, moment, TIME_ZONE))
    return np.array(rows)


def with_history(bank: Bank) -> np.ndarray:
    """Which loans have history: by the file's column, else by a payment known within 60 days."""
    recent = rows_of(bank, ("days_since_last_payment",))[:, 0] <= HISTORY_DAYS
    told = [loan.has_history for loan in bank.loans]
    return np.array([seen if said is None else said for said, seen in zip(told, recent, strict=True)], dtype=bool)
