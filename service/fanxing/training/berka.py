"""Fits the policy of Berka's bank: a PD model on every loan whose outcome is told, beside strategies of its own."""

import csv
import shutil
from pathlib import Path

import numpy as np

from fanxing.errors import InvalidRequest
from fanxing.indicators.catalogue import STANDARD
from fanxing.training.bank import IDENTITY, OUT_OF_FOLD, identities, read_bank, rows_of, with_history
from fanxing.training.fit import Fitted, Task, fit, publish_model

POLICY = Path(__file__).parents[1] / "policies" / "berka"
_COLUMNS = tuple(
    name
    for name in STANDARD
    if name.startswith(("receipts_", "outflow_", "net_flow", "balance_", "active_", "longest_", "requested_", "days_"))
)


def train(directory: Path, out: Path) -> Fitted:
    """Fits on every loan whose outcome is told, and writes a policy directory with the probabilities out of fold."""
    bank = read_bank(directory)
    rows, told = rows_of(bank, _COLUMNS), np.array([loan.bad is not None for loan in bank.loans])
    if not told.any():
        raise InvalidRequest(f"{directory}: loan.csv tells no outcome to train on (status or bad)", field="directory")
    task = Task(
        columns=_COLUMNS,
        rows=rows[told],
        outcomes=np.array([int(bool(loan.bad)) for loan in bank.loans])[told],
        monotone={},
        fitted_on="Berka's bank: every loan whose outcome is told",
        data_sha256=bank.sha256,
        seed=1999,
        judged=with_history(bank)[told],
        groups=np.array([loan.account_id for loan in bank.loans])[told],
    )
    fitted = fit(task)
    shutil.copytree(POLICY, out, dirs_exist_ok=True)
    publish_model(task, fitted, out, "pd")
    probabilities = 1 / (1 + np.exp(-fitted.margins_out_of_fold))
    with (out / OUT_OF_FOLD).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*IDENTITY, "pd"))
        names = [name for name, is_told in zip(identities(bank), told, strict=True) if is_told]
        writer.writerows((*name, pd) for name, pd in zip(names, probabilities.tolist(), strict=True))
    return fitted
