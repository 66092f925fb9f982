"""The bank of Berka's data set (PKDD'99): accounts, movements and loans, read as merchants, payments and applications.

Credits are receipts, debits are outflows. A movement of day D happens at noon and is known at 23:00, an application of
day D is made at 9:00, Prague time, so it knows nothing of its own day.
"""

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fanxing.errors import InvalidRequest
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import INDEX
from fanxing.indicators.exposure import NOTHING_DRAWN
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.measure import measure
from fanxing.merchants import Merchant
from fanxing.payments import Payment, PaymentKind, RecordedPayment

CURRENCY, TIME_ZONE = "CZK", "Europe/Prague"
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
        merchants = {row["account_id"]: _merchant(row) for row in _rows(directory / "account.csv")}
        loans = sorted((_loan(row) for row in _rows(directory / "loan.csv")), key=lambda loan: (loan.day, loan.loan_id))
        payments = _payments(directory / "trans.parquet")
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise InvalidRequest(f"{directory}: not a directory in Berka's format: {error!r}", field="directory") from error
    _refuse_strangers(merchants, loans, payments, directory)
    return Bank(merchants, payments, tuple(loans), digest.hexdigest())


def _refuse_strangers(
    merchants: dict[str, Merchant], loans: list[Loan], payments: dict[date, list[Payment]], directory: Path
) -> None:
    """Refuses a loan or a movement of an account that the bank does not have, and two loans of one id."""
    strangers = {loan.account_id for loan in loans} | {each.merchant_id for day in payments.values() for each in day}
    strangers -= merchants.keys()
    if strangers:
        raise InvalidRequest(f"{directory}: account.csv lacks account {min(strangers)}", field="directory")
    if len({loan.loan_id for loan in loans}) < len(loans):
        raise InvalidRequest(f"{directory}: loan.csv names a loan twice", field="directory")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _merchant(row: dict[str, str]) -> Merchant:
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
    bad = row.get("bad")
    if bad is None and "status" in row:
        bad = "1" if row["status"] in {"B", "D"} else "0"
    history = row.get("has_pre_loan_history")
    return Loan(
        loan_id=row["loan_id"],
        account_id=row["account_id"],
        day=date.fromisoformat(row["date"]),
        amount_fen=round(float(row["amount"]) * 100),
        months=int(row["duration"]),
        bad=None if bad in {None, ""} else bad == "1",
        has_history=None if history in {None, ""} else history == "True",
    )


def _payments(path: Path) -> dict[date, list[Payment]]:
    columns = ["trans_id", "account_id", "date", "type", "amount", "balance", "bank", "account"]
    table = parquet.read_table(path, columns=columns)
    by_day: dict[date, list[Payment]] = defaultdict(list)
    for row in sorted(table.to_pylist(), key=lambda row: (row["date"], row["trans_id"])):
        day = row["date"].date()
        by_day[day].append(_payment(row, day))
    return dict(by_day)


def _payment(row: dict[str, object], day: date) -> Payment:
    bank, account = row["bank"], str(row["account"] or "")
    amount, balance = (float(str(row[name])) for name in ("amount", "balance"))
    receipt = row["type"] == "credit"
    known = receipt and isinstance(bank, str) and bank.strip() and account.replace(".0", "") not in {"", "0", "nan"}
    return Payment(
        merchant_id=str(row["account_id"]),
        payment_id=str(row["trans_id"]),
        payer_token=f"{bank}-{account.removesuffix('.0')}" if known else "",
        amount_fen=round(amount * 100),
        occurred_us=at(day, 12),
        kind=PaymentKind.RECEIPT if receipt else PaymentKind.OUTFLOW,
        channel="bank",
        balance_after_fen=round(balance * 100),
    )


def rows_of(bank: Bank) -> np.ndarray:
    """The row of each loan, as the service measures it at the application: only what was known that morning."""
    wanted = {loan.account_id for loan in bank.loans}
    logs: dict[str, list[RecordedPayment]] = defaultdict(list)
    for day in sorted(bank.payments):
        for payment in bank.payments[day]:
            if payment.merchant_id in wanted:
                log = logs[payment.merchant_id]
                sent = {name: getattr(payment, name) for name in Payment.__dataclass_fields__}
                log.append(RecordedPayment(**sent, merchant_seq=len(log) + 1, known_us=at(day, 23), content_hash=""))
    histories = {account: fold(EMPTY, log) for account, log in logs.items()}
    rows = []
    for loan in bank.loans:
        moment, history = at(loan.day, 9), histories.get(loan.account_id, EMPTY)
        ask = Ask(requested_fen=loan.amount_fen, term_months=loan.months)
        merchant = bank.merchants[loan.account_id]
        rows.append(measure(merchant, history.known(moment), (), None, NOTHING_DRAWN, ask, moment, TIME_ZONE))
    return np.array(rows)


def with_history(bank: Bank, rows: np.ndarray) -> np.ndarray:
    """Which loans have history: by the file's column, else by a payment known within 60 days."""
    recent = rows[:, INDEX["days_since_last_payment"]] <= HISTORY_DAYS
    told = [loan.has_history for loan in bank.loans]
    return np.array([seen if said is None else said for said, seen in zip(told, recent, strict=True)], dtype=bool)
