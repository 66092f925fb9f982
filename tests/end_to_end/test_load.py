"""The load run lends against a service of its own, ends in time, and fails loudly when anything fails."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Looked for and not imported: importing it here would make every socket of the test run gevent's.
pytestmark = pytest.mark.skipif(find_spec("locust") is None, reason="locust is not installed")
ROOT = Path(__file__).parents[2]


def loaded(*arguments):
    command = [sys.executable, "-m", "loadtest", "--json", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_a_short_load_lends_and_nothing_fails():
    done = loaded("--seconds", "3", "--users", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["failures"] == []
    assert set(report["applications"]) == {"APPROVED"}
    assert report["loans"]["ACTIVE"] == report["rpcs"]["Disburse"]["calls"] > 0
    assert report["seconds"] < 30


def test_it_ends_at_the_number_of_shops():
    done = loaded("--seconds", "60", "--users", "2", "--loans", "3")
    assert json.loads(done.stdout)["rpcs"]["RegisterMerchant"]["calls"] == 3, done.stderr


def test_a_service_that_is_not_there_fails_the_run(unused_tcp_port):
    done = loaded("--target", f"127.0.0.1:{unused_tcp_port}", "--seconds", "0.5", "--users", "2")
    assert done.returncode == 1
    assert "UNAVAILABLE" in json.loads(done.stdout)["failures"][0]["reason"]
