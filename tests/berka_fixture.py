"""A small made-up bank in Berka's format. No row of it is of any real bank."""

import csv
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from pyarrow import parquet

ACCOUNTS, LOANS = 60, 40
FIRST = date(1996, 1, 1)


def write_bank(directory, *, outcomes=True, seed=5):
    """account.csv, loan.csv and trans.parquet: two years of a few movements a month, loans in the second year."""
    rng = np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    _table(directory / "account.csv", [
        {"account_id": 100 + n, "district_id": n % 7, "frequency": "monthly", "date": "960101"} for n in range(ACCOUNTS)
    ])  # fmt: skip
    weak = rng.random(ACCOUNTS) < 0.3
    loans = []
    for number in range(LOANS):
        day, months = FIRST + timedelta(days=365 + 9 * number), int(rng.choice([12, 24, 36]))
        loan = {
            "loan_id": 900 + number,
            "account_id": 100 + number,
            "date": day.isoformat(),
            "amount": months * 1000,
            "duration": months,
        }
        bad = bool(weak[number]) != (rng.random() < 0.05)
        loans.append(loan | ({"status": "AB"[bad], "bad": int(bad)} if outcomes else {}))
    _table(directory / "loan.csv", loans)
    parquet.write_table(pa.Table.from_pylist(list(_movements(rng, weak))), directory / "trans.parquet")
    return directory


def _table(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _movements(rng, weak):
    """Every tenth account has no movement at all."""
    number = 0
    for account in range(ACCOUNTS):
        balance = 20_000.0
        for month in range(24) if account % 10 else ():
            for day, kind in ((1, "credit"), (8, "credit"), (15, "withdrawal"), (22, "withdrawal in cash")):
                amount = round(float(rng.uniform(3000, 9000)) * (0.3 if weak[account] and kind == "credit" else 1), 1)
                balance = round(balance + (amount if kind == "credit" else -amount), 1)
                number += 1
                yield {
                    "trans_id": number,
                    "account_id": 100 + account,
                    "date": np.datetime64(FIRST + timedelta(days=30 * month + day), "us"),
                    "type": kind,
                    "amount": amount,
                    "balance": balance,
                    "bank": "AB" if day == 1 else None,
                    "account": str(5000 + account % 9) if day == 1 else None,
                }
