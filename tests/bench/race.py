"""`python -m tests.bench.race`: our trees against every peer that is installed, on one core, answers checked.

Ratios come first: they hold where times do not. Each racer runs each race in a process of its own, several rounds; the
least of its times counts. Exit code 1 where ours failed, or anyone was wrong.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from tests.bench import report
from tests.bench.ensembles import write
from tests.bench.measure import RACES
from tests.bench.peers import PEERS, installed

from fanxing_core import import_model

ROOT = Path(__file__).parents[2]
ROWS, ROWS_WIDE = 2000, 64
LIMIT_S = 180
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def prepare(folder: Path, race: str) -> None:
    """Writes all that the racers of a race read."""
    size = RACES[race].size
    folder.mkdir(parents=True)
    write(folder, size, ROWS_WIDE if size.wide else ROWS)
    for model in range(size.models):
        import_model(folder / f"{model}.xgb.json", folder / f"{model}.fxf")
        import_model(folder / f"{model}.lgb.txt", folder / f"{model}.lgb.fxf")
    if RACES[race].explained:
        judge = PEERS["xgboost"].load(str(folder / "0.xgb.json"))
        assert judge.explain is not None
        contributions = judge.explain(judge.prepare_explained(np.load(folder / "rows.npy")))
        np.save(folder / "contributions.npy", np.c_[contributions, np.load(folder / "margins.npy")])


def run(race: str, peer: str, folder: Path) -> dict[str, Any]:
    """What one racer measured, or why it failed."""
    command = [sys.executable, "-m", "tests.bench.measure", race, peer, str(folder)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"race": race, "peer": peer, "failed": f"gave up after {LIMIT_S} s"}
    if done.returncode:
        said = done.stderr.strip().splitlines() if done.returncode > 0 else []
        return {"race": race, "peer": peer, "failed": said[-1] if said else f"ended with {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The least of each time, and the worst of the errors."""
    if "failed" in old or "failed" in new:
        return old if "failed" in old else new
    least = {name: min(value, new[name]) for name, value in old.items() if isinstance(value, float)}
    worst = {"error": max(old["error"], new["error"]), "right": old["right"] and new["right"]}
    return old | least | worst


def raced(races: list[str], peers: list[str], rounds: int, log: Console) -> list[dict[str, Any]]:
    """All results, in the order of the races."""
    log.print(f"not installed: {', '.join(sorted(PEERS.keys() - installed())) or 'none'}")
    results = {}
    with tempfile.TemporaryDirectory(prefix="fanxing-bench-") as work:
        for race in races:
            prepare(Path(work) / race, race)
            able = [each for each in peers if not RACES[race].explained or each in report.EXPLAINING]
            for peer in able * rounds:
                found = run(race, peer, Path(work) / race)
                log.print(
                    f"{race}: {peer}: {found.get('failed') or round(found['row_us'], 2)}", style="dim", soft_wrap=True
                )
                results[race, peer] = merged(results.get((race, peer), found), found)
    return list(results.values())


def main(
    *,
    races: Annotated[str, typer.Option(help=f"Of {', '.join(RACES)}.")] = "S,M,P10,explain",
    peers: Annotated[str, typer.Option(help="Beginnings of names; none: all that are installed.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Of a noisy machine the least of several counts.")] = 2,
    chart: Annotated[Path, typer.Option(help="Where the picture goes.")] = ROOT / "var" / "bench" / "forest.png",
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of tables.")] = False,
) -> None:
    """Races our trees against the peers: one row hot and cold, a batch, a panel, an explanation."""
    names = [name for name in installed() if name == report.OURS or name.startswith(tuple(peers.split(",")))]
    wanted = races.split(",")
    if unknown := set(wanted) - set(RACES):
        raise typer.BadParameter(f"no such race: {', '.join(sorted(unknown))}")
    results = raced(wanted, names, rounds, Console(stderr=True))
    if as_json:
        print(json.dumps({"ratios": report.ratios(results), "results": results}))  # noqa: T201
    else:
        report.show(results, Console())
    report.draw(results, chart)
    bad = [each for each in results if not each.get("right", each["peer"] != report.OURS)]
    raise typer.Exit(1 if bad else 0)


if __name__ == "__main__":
    typer.run(main)
