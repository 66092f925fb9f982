"""One racer on one race. `python -m tests.bench.measure RACE PEER FOLDER`, a process of its own, ends with JSON."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tests.bench.ensembles import Size
from tests.bench.peers import PEERS, Call, Peer, panel_of

WITHIN = 1e-5
"""Of the true answer: peers sum as float32, contributions too."""
BATCH_S_MAX = 5.0
JUNK = np.ones(1 << 19)
"""4 MB, read before each cold call: what other work leaves of the near caches."""


@dataclass(frozen=True)
class Race:
    """What is raced on, and how: rows of a batch (none where 0), seconds of calls; contributions instead of scores."""

    size: Size
    batch: int = 10_000
    seconds: float = 1.0
    explained: bool = False


RACES = {
    "S": Race(Size(trees=100, depth=6, features=50)),
    "M": Race(Size(trees=500, depth=8, features=200)),
    "P10": Race(Size(trees=300, depth=6, features=100, models=10, wide=100_000), batch=0, seconds=2.0),
    "explain": Race(Size(trees=100, depth=6, features=50), batch=0, explained=True),
    "tiny": Race(Size(trees=5, depth=3, features=6), batch=100, seconds=0.01),
    "tiny-panel": Race(Size(trees=5, depth=7, features=4, models=2, wide=20), batch=0, seconds=0.01),
    "tiny-explain": Race(Size(trees=5, depth=3, features=6), batch=0, seconds=0.01, explained=True),
}


def calls_us(call: Call, items: Sequence[object], seconds: float, *, cold: bool = False) -> np.ndarray:
    """Microseconds of each call, every one with other values: the branch predictor learns a repeated row."""
    for item in items[:50]:
        call(item)
    taken: list[int] = []
    now, end = time.perf_counter_ns, time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < min(50, len(items)):
        item = items[len(taken) % len(items)]
        if cold:
            JUNK.sum()
        start = now()
        call(item)
        taken.append(now() - start)
    return np.array(taken) / 1e3


def batch_of(call: Call, rows: object) -> tuple[float, np.ndarray]:
    """CPU seconds of a batch, the least of three since others may share the core, and its answers."""
    taken: list[float] = []
    while len(taken) < 3 and sum(taken) < BATCH_S_MAX:
        start = time.process_time()
        answers = call(rows)
        taken.append(time.process_time() - start)
    return min(taken), np.asarray(answers).ravel()


def row_and_cold(call: Call, items: Sequence[object], seconds: float) -> dict[str, float]:
    hot = calls_us(call, items, seconds)
    cold = calls_us(call, items, seconds / 2, cold=True)
    return {"row_us": np.median(hot), "p99_us": np.percentile(hot, 99), "cold_us": np.median(cold)}


def of_one(race: Race, peer: Peer, folder: Path, rows: np.ndarray) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Of one model: the measures, its answers, the true ones."""
    engine, load_s = loaded(lambda: peer.load(str(folder / f"0.{peer.source}")))
    call, prepare = (engine.explain, engine.prepare_explained) if race.explained else (engine.row, engine.prepare)
    assert call is not None, "cannot explain"
    items = [prepare(np.ascontiguousarray(rows[place : place + 1])) for place in range(len(rows))]
    answers = np.array([np.array(call(item))[0] for item in items])
    measures = {"load_s": load_s} | row_and_cold(call, items, race.seconds)
    if race.explained:  # alike what XGBoost adds up, and to the margin
        return measures, np.c_[answers, answers.sum(axis=1)], np.load(folder / "contributions.npy")
    truth = scores(folder)[:, 0]
    if race.batch and engine.batch is not None:
        many = prepare(np.ascontiguousarray(np.resize(rows, (race.batch, rows.shape[1]))))
        seconds, together = batch_of(engine.batch, many)
        measures["batch_ns"] = seconds / race.batch / race.size.trees * 1e9
        answers, truth = np.append(answers, together), np.append(truth, np.resize(truth, len(together)))
    return measures, answers, truth


def of_panel(race: Race, peer: Peer, folder: Path, rows: np.ndarray) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    columns = np.load(folder / "columns.npy")
    engine, load_s = loaded(lambda: panel_of(peer, folder, columns, race.size.wide))
    items = [engine.prepare(row) for row in rows]
    answers = np.array([np.array(engine.row(item)) for item in items])
    measures = {"load_s": load_s} | row_and_cold(engine.row, items, race.seconds)
    return measures, answers, scores(folder)


def loaded(load: Callable[[], Any]) -> tuple[Any, float]:
    """What is loaded, and the CPU seconds that it took."""
    start = time.process_time()
    return load(), time.process_time() - start


def scores(folder: Path) -> np.ndarray:
    """The true probabilities, (rows, models)."""
    return np.asarray(1 / (1 + np.exp(-np.load(folder / "margins.npy"))))


def measured(race_name: str, peer_name: str, folder: Path) -> dict[str, Any]:
    """Times, and how far the answers are off."""
    race, peer = RACES[race_name], PEERS[peer_name]
    for module in peer.needs:
        __import__(module)  # not part of loading a model
    rows = np.load(folder / "rows.npy")
    times, answers, truth = (of_panel if race.size.wide else of_one)(race, peer, folder, rows)
    error = float(np.abs(answers - truth).max())
    named = {"race": race_name, "peer": peer_name, "error": error, "right": error <= WITHIN}
    return named | {name: float(value) for name, value in times.items()}


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sys.stdout.write(json.dumps(measured(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
