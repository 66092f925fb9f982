"""Fits a PD model: matrix and outcomes -> LightGBM -> our artefact and its card.

The card's calibration is fitted on margins that come out of fold, so that it speaks of loans the model had not seen:
bins of equal count, pooled until the share of bad loans rises with the margin, each with its Wilson upper 80 % bound.
The margins of all repeats go in, since one model serves and the mean of several spreads less than one does.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from fanxing.errors import InvalidRequest
from fanxing.models.importing import import_trained
from fanxing.models.model import Bin

FOLDS, REPEATS = 5, 5
BINS = 12
Z80 = 0.8416212335729143
"""One-sided 80 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be fitted: rows float64 (n, columns), outcomes 0 or 1, and where they come from."""

    columns: tuple[str, ...]
    rows: np.ndarray
    outcomes: np.ndarray
    monotone: Mapping[str, int]
    fitted_on: str
    data_sha256: str
    seed: int
    rounds: int = 150
    judged: np.ndarray | None = None
    """Which rows the AUC is judged on; all when None."""
    groups: np.ndarray | None = None
    """Rows of one group, such as the loans of one account, stay in one fold; every row its own group when None."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model: LightGBM's booster, probabilities and margins out of fold, AUC (mean over folds), the bins."""

    booster: lightgbm.Booster
    margins_out_of_fold: np.ndarray
    auc: float
    calibration: tuple[Bin, ...]


def fit(task: Task) -> Fitted:
    """Fits the final model on all rows, and 5 x 5 fold models for everything that is said about it.

    InvalidRequest when either outcome is too rare to stand in every fold.
    """
    if min(np.bincount(task.outcomes, minlength=2)) < FOLDS:
        raise InvalidRequest(f"at least {FOLDS} loans of each outcome are needed to fit on")
    margins = np.zeros((REPEATS, len(task.rows)))
    aucs = []
    for repeat in range(REPEATS):
        kind = StratifiedKFold if task.groups is None else StratifiedGroupKFold
        folds = kind(FOLDS, shuffle=True, random_state=task.seed + repeat)
        for known, unseen in folds.split(task.rows, task.outcomes, task.groups):
            booster = _train(task, known, task.seed + repeat)
            margins[repeat, unseen] = booster.predict(task.rows[unseen], raw_score=True)
            aucs.append(_auc(task, unseen, margins[repeat]))
    mean = margins.mean(axis=0)
    auc = float(np.nanmean(aucs))
    return Fitted(_train(task, np.arange(len(task.rows)), task.seed), mean, auc, calibrate(margins, task.outcomes))


def _auc(task: Task, unseen: np.ndarray, margins: np.ndarray) -> float:
    judged = unseen if task.judged is None else unseen[task.judged[unseen]]
    if len(np.unique(task.outcomes[judged])) < 2:
        return np.nan
    return float(roc_auc_score(task.outcomes[judged], margins[judged]))


def _train(task: Task, chosen: np.ndarray, seed: int) -> lightgbm.Booster:
    settings = {
        "objective": "binary",
        "learning_rate": 0.03,
        "num_leaves": 7,
        "min_data_in_leaf": 8,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "feature_fraction": 0.3,
        "monotone_constraints": [task.monotone.get(column, 0) for column in task.columns],
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }
    data = lightgbm.Dataset(task.rows[chosen], task.outcomes[chosen], free_raw_data=False)
    return lightgbm.train(settings, data, task.rounds)


def calibrate(margins: np.ndarray, outcomes: np.ndarray) -> tuple[Bin, ...]:
    """Pieces of the margin with the PD seen there, rising (pool adjacent violators).

    `margins`: float64 (repeats, loans), `outcomes`: 0 or 1 (loans). A loan counts once however often it is repeated.
    The PD is the posterior mean under Jeffreys' prior: where no loan went bad yet, the next one still may.
    """
    repeats = len(margins)
    margins, outcomes = margins.ravel(), np.tile(outcomes, repeats)
    order = np.argsort(margins, kind="stable")
    pools: list[tuple[float, int, int]] = []
    for part in np.array_split(order, min(BINS, len(order))):
        pools.append((float(margins[part[0]]), int(outcomes[part].sum()), len(part)))
        while len(pools) > 1 and pools[-2][1] * pools[-1][2] >= pools[-1][1] * pools[-2][2]:
            _, bad, count = pools.pop()
            start, bad_before, count_before = pools.pop()
            pools.append((start, bad_before + bad, count_before + count))
    pd, upper, bins = 0.0, 0.0, []
    for start, bad, count in pools:
        pd = max(pd, (bad / repeats + 0.5) / (count / repeats + 1))
        upper = max(upper, pd, wilson_upper(bad / repeats, count / repeats))
        bins.append(Bin(margin_from=start, pd=pd, pd_upper=upper))
    return tuple(bins)


def wilson_upper(bad: float, count: float) -> float:
    """Upper end of Wilson's one-sided 80 % interval for a share."""
    share, z = bad / count, Z80
    centre = share + z * z / (2 * count)
    spread = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return float(min(1.0, (centre + spread) / (1 + z * z / count)))


def publish_model(task: Task, fitted: Fitted, directory: Path, name: str) -> None:
    """Writes models/NAME.fxf and NAME.toml into a policy directory."""
    models = directory / "models"
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch) / "model.txt"
        fitted.booster.save_model(text)
        golden = task.rows[:: max(1, len(task.rows) // 8)][:8]
        import_trained(text, models / f"{name}.fxf", golden, np.asarray(fitted.booster.predict(golden, raw_score=True)))
    (models / f"{name}.toml").write_text(_card(task, fitted), encoding="utf-8")


def _card(task: Task, fitted: Fitted) -> str:
    """The card as TOML; JSON's strings, numbers and arrays are TOML's too."""
    monotone = ", ".join(f"{name} = {sign}" for name, sign in sorted(task.monotone.items()) if name in task.columns)
    bins = "".join(
        f"\n[[calibration]]\nmargin_from = {piece.margin_from!r}\npd = {piece.pd!r}\npd_upper = {piece.pd_upper!r}\n"
        for piece in fitted.calibration
    )
    return (
        f"columns = {json.dumps(list(task.columns))}\n"
        f"monotone = {{ {monotone} }}\n"
        f"fitted_on = {json.dumps(task.fitted_on)}\n"
        f"data_sha256 = {json.dumps(task.data_sha256)}\n"
        f"auc_out_of_fold = {fitted.auc!r}\n"
        f"rows = {len(task.rows)}\n"
        f"positives = {int(task.outcomes.sum())}\n"
        f"seed = {task.seed}\n{bins}"
    )


def digest_of(*arrays: np.ndarray) -> str:
    """SHA-256 (hex) of what was fitted on."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
