"""Holds a lender's answers against a town's truth: who cheats, who is one hand, who would default, who was lent what.

A flag catches a cheat where it is higher than the flags of all but 1 % of honest merchants, so that one flag given to
everybody catches nobody.
"""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fanxing.errors import InvalidRequest
from fanxing.town.default import default_probability
from fanxing.town.folders import TRUTH

FALSE_POSITIVES = 0.01
BINS = 5
NUMBERS = ("flagged", "pd", "limit_fen")
ANSWERS = (*NUMBERS, "controller")
Found = dict[str, Any]
Columns = Mapping[str, np.ndarray]


def score(town: Path, answers: Path) -> Found:
    """Everything that the answers' columns allow, ready for JSON. InvalidRequest names the file at fault and why."""
    truth = _truth(town)
    given = _answers(answers, truth["merchant_id"])
    found: Found = {"simulated": True, "merchants": len(truth["merchant_id"]), "answered": sorted(given)}
    if "flagged" in given:
        found["fraud"] = fraud(given["flagged"], truth["cheat"])
    if "controller" in given:
        found["identity"] = identity(given["controller"], truth["hand"])
    if "pd" in given:
        found["default"] = calibration(given["pd"], truth["default_probability"], truth["defaulted"])
    if "limit_fen" in given:
        found["limits"] = limits(given["limit_fen"], truth)
    return found


def _truth(town: Path) -> Columns:
    path = town / TRUTH / "merchants.parquet"
    cash_flow = ["log_odds", "debt_service_fen", "left_fen", "loss_given_default"]
    return _columns(path, ["merchant_id", "cheat", "hand", "default_probability", "defaulted", *cash_flow], "town")


def _columns(path: Path, names: list[str] | None, field: str) -> Columns:
    """Columns by name, nulls of numbers as NaN."""
    try:
        table = parquet.read_table(path, columns=names)
        return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InvalidRequest(f"{path}: {error}", field=field) from error


def _answers(path: Path, merchant_ids: np.ndarray) -> Columns:
    """The answers in the truth's order; InvalidRequest where they are not one for each merchant, or no numbers."""
    table = _columns(path, None, "answers")
    known = [name for name in ANSWERS if name in table]
    if "merchant_id" not in table or not known:
        raise InvalidRequest(f"{path}: needs merchant_id and at least one of {', '.join(ANSWERS)}", field="answers")
    ids = table["merchant_id"].tolist()
    places = {name: place for place, name in enumerate(ids)}
    if len(places) < len(ids):
        twice = next(name for place, name in enumerate(ids) if places[name] != place)
        raise InvalidRequest(f"{path}: answers twice for {twice}", field="merchant_id")
    for which, names in (
        ("no answer for", set(merchant_ids) - set(ids)),
        ("no merchant", set(ids) - set(merchant_ids)),
    ):
        if names:
            raise InvalidRequest(f"{path}: {which} {min(map(str, names))} ({len(names)} such)", field="merchant_id")
    order = [places[name] for name in merchant_ids]
    numbers = {name: _numbers(path, name, table[name])[order] for name in known if name in NUMBERS}
    return numbers | {name: table[name][order] for name in known if name not in NUMBERS}


def _numbers(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """A column of answers; a probability lies between 0 and 1 or is not given, and a limit is not negative."""
    try:
        numbers = np.asarray(values, dtype="f8")
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{path}: {name} is not a number: {error}", field=name) from error
    bad = np.isinf(numbers) | (np.isnan(numbers) if name != "pd" else np.isnan(numbers).all())
    if name != "flagged":
        bad |= numbers < 0
    if name == "pd":
        bad |= numbers > 1
    if bad.any():
        raise InvalidRequest(f"{path}: {name} is {numbers[bad][0]} in {bad.sum()} rows", field=name)
    return numbers


def fraud(flagged: np.ndarray, cheat: np.ndarray) -> Found:
    """Recall of cheats at 1 % false positives, in all and by kind. `flagged`: the higher, the likelier a cheat."""
    honest = cheat == ""
    allowed = int(FALSE_POSITIVES * honest.sum())
    threshold = np.sort(flagged[honest])[::-1][allowed]
    caught = flagged > threshold
    kinds = {kind: caught[cheat == kind] for kind in sorted(set(cheat) - {""})}
    return {
        "cheats": int((~honest).sum()),
        "recall": float(caught[~honest].mean()) if not honest.all() else None,
        "false_positives": float(caught[honest].mean()),
        "by_kind": {kind: {"cheats": len(each), "recall": float(each.mean())} for kind, each in kinds.items()},
    }


def identity(controller: np.ndarray, hand: np.ndarray) -> Found:
    """Pairs of merchants of one hand: how many were told, and how many of those told are none.

    `controller`: any name, the same for all merchants said to be of one hand; empty or null for one that stands alone.
    """
    told, true = _pairs(controller), _pairs(hand)
    return {
        "pairs": len(true),
        "told": len(told),
        "recall": len(told & true) / len(true) if true else None,
        "precision": len(told & true) / len(told) if told else None,
    }


def _pairs(names: np.ndarray) -> set[tuple[int, int]]:
    """Places that have the same name."""
    places: dict[object, list[int]] = {}
    for place, name in enumerate(names.tolist()):
        if name not in {None, ""} and name == name:  # noqa: PLR0124  a null of numbers is NaN
            places.setdefault(name, []).append(place)
    return {pair for members in places.values() for pair in combinations(members, 2)}


def calibration(pd: np.ndarray, true: np.ndarray, defaulted: np.ndarray) -> Found:
    """PD given against PD true and defaults drawn: in all, and in five bins of as many merchants by PD given.

    Merchants without a PD (NaN) are left out.
    """
    told = ~np.isnan(pd)
    pd, true, defaulted = pd[told], true[told], defaulted[told]
    order, happened = np.argsort(pd, kind="stable"), defaulted.astype("f8")
    bins = [
        {
            "merchants": len(part),
            "given": float(pd[part].mean()),
            "true": float(true[part].mean()),
            "defaulted": float(happened[part].mean()),
        }
        for part in np.array_split(order, min(BINS, len(order)))
    ]
    error = sum(row["merchants"] * abs(row["given"] - row["true"]) for row in bins) / len(pd)
    return {
        "merchants": len(pd),
        "given": float(pd.mean()),
        "true": float(true.mean()),
        "defaulted": float(happened.mean()),
        "calibration_error": float(error),
        "brier": float(np.mean((pd - happened) ** 2)),
        "brier_of_truth": float(np.mean((true - happened) ** 2)),
        "bins": bins,
    }


def limits(limit_fen: np.ndarray, truth: Columns) -> Found:
    """What honest merchants and cheats were lent, and what of it would be lost at the PD that such limits make.

    At size S the truth has neither cash flow nor loss given default, and no loss is told.
    """
    rows = [_lent(kind, limit_fen[truth["cheat"] == kind]) for kind in sorted(set(truth["cheat"]))]
    cheating, total = limit_fen[truth["cheat"] != ""].sum(), limit_fen.sum()
    pd = default_probability(truth["log_odds"], truth["debt_service_fen"], limit_fen, truth["left_fen"])
    lost = limit_fen * pd * truth["loss_given_default"]
    known = bool(np.isfinite(lost).all() and total)
    return {
        "limit_fen": int(total),
        "to_cheats_share": float(cheating / total) if total else None,
        "expected_loss_share": float(lost.sum() / total) if known else None,
        "by_kind": rows,
    }


def _lent(kind: str, limit_fen: np.ndarray) -> Found:
    return {
        "kind": kind or "honest",
        "merchants": len(limit_fen),
        "approved": int((limit_fen > 0).sum()),
        "median_fen": float(np.median(limit_fen)),
        "mean_fen": float(limit_fen.mean()),
        "largest_fen": float(limit_fen.max()),
    }
