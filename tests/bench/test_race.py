"""The benchmark itself: small races, every answer right, everything reported. Times are not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bench import report
from tests.bench.measure import measured
from tests.bench.peers import installed
from tests.bench.race import merged, prepare

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["tiny", "tiny-panel", "tiny-explain"])
def laid_out(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / request.param
    prepare(folder, request.param)
    return request.param, folder


@pytest.mark.parametrize("peer", installed())
def test_every_racer_answers_rightly(laid_out, peer):
    race, folder = laid_out
    if race == "tiny-explain" and peer not in report.EXPLAINING:
        pytest.skip("does not explain")
    assert measured(race, peer, folder)["right"]


def test_the_command_races_and_draws(tmp_path):
    chart = tmp_path / "new" / "chart.png"
    command = [sys.executable, "-m", "tests.bench.race", "--races", "tiny", "--rounds", "1", "--peers", "treelite"]
    command += ["--json", "--chart", str(chart)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert set(report["ratios"]["tiny"]) == {"row_us", "cold_us", "batch_ns"}
    assert set(report["ratios"]["tiny"]["row_us"]) == {"treelite gtil"}
    assert chart.read_bytes().startswith(b"\x89PNG")


def result(peer, *, right=True, **measures):
    return {"race": "S", "peer": peer, "error": 0.0, "right": right} | measures


def test_who_answers_wrongly_is_not_compared():
    results = [result("fanxing", row_us=1.0), result("slow", row_us=3.0), result("hasty", right=False, row_us=0.1)]
    assert report.ratios(results) == {"S": {"row_us": {"slow": 3.0}}}


def test_of_rounds_the_least_time_and_the_worst_error_count():
    first, second = result("a", row_us=1.0, error=1e-9), result("a", right=False, row_us=2.0, error=1e-3)
    assert merged(first, second) == result("a", right=False, row_us=1.0, error=1e-3)
