"""kill -9 at random moments of a replay changes nothing of its end: no payment, decision, loan or yuan more or less.

FANXING_TEST_KILLS and FANXING_TEST_BANK (a directory in Berka's format) make it as deep as one likes.
"""

import json
import logging
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fanxing.launch import start, stop
from fanxing.store.schema import TABLES
from fanxing.training import berka
from fanxing.training.bank import CURRENCY, TIME_ZONE
from fanxing.wire.rail_simulator import paid

KILLS = int(os.environ.get("FANXING_TEST_KILLS", "8"))
COSTS = {"decisions": {"cpu_micros"}, "active_policies": {"since_us"}}
"""Columns that tell what a run cost or when the service started, not what came of it."""
PROGRESS = ("merchants", "payments", "requests")
pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(60 + 30 * KILLS)]


@pytest.fixture
def data(bank, tmp_path):
    """The bank and its policy: the made-up one, or the given one with a policy fitted on it."""
    given = os.environ.get("FANXING_TEST_BANK")
    if given is None:
        return bank / "data", bank / "policy"
    berka.train(Path(given), tmp_path / "policy")
    return Path(given), tmp_path / "policy"


class World:
    """A service with a store and a rail journal of its own, on one port for all its lives."""

    def __init__(self, home, policy):
        home.mkdir()
        self.home, self.port = home, _free_port()
        self.options = ["serve", "--listen", f"127.0.0.1:{self.port}", "--store", f"sqlite:///{home / 'bank.sqlite'}"]
        self.options += ["--rail-journal", str(home / "rail.jsonl"), "--policy", str(policy)]
        self.options += ["--currency", CURRENCY, "--time-zone", TIME_ZONE, "--clock", "CALLER"]

    def start(self):
        return start(*self.options, log=self.home / "service.log")

    def replay(self, directory, policy):
        words = [sys.executable, "-m", "fanxing", "replay", "berka", str(directory), "--policy", str(policy), "--json"]
        words += ["--target", f"127.0.0.1:{self.port}", "--decisions", str(self.home / "decisions.jsonl")]
        with (self.home / "replay.log").open("w") as log:
            return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)

    def rows(self):
        """How far the replay has come. Read-only: whoever closes a store last tidies it, and that is not our part."""
        connection = sqlite3.connect(f"file:{self.home / 'bank.sqlite'}?mode=ro", uri=True)
        counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in PROGRESS]
        connection.close()
        return sum(counts)

    def wait_for_progress(self, replaying, since=0):
        """Until the client has found the service and something more is on record."""
        while replaying.poll() is None and self.rows() <= since:
            time.sleep(0.01)

    def end_state(self):
        """Every row of every table, what the rail paid, and the decisions as they were answered."""
        connection = sqlite3.connect(self.home / "bank.sqlite")
        rows = {}
        for table in TABLES.values():
            names = [name for name in table.names if name not in COSTS.get(table.name, ())]
            rows[table.name] = sorted(connection.execute(f"SELECT {', '.join(names)} FROM {table.name}"), key=repr)
        connection.close()
        return rows, paid(self.home / "rail.jsonl"), (self.home / "decisions.jsonl").read_text()


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def told(process):
    answer = process.stdout.read()
    assert process.wait() == 0
    return json.loads(answer.splitlines()[-1])


def test_kill_9_at_random_moments_changes_nothing_of_the_end(data, tmp_path):
    calm, hard = World(tmp_path / "calm", data[1]), World(tmp_path / "hard", data[1])
    service = calm.start()
    replaying = calm.replay(*data)
    calm.wait_for_progress(replaying)
    began = time.monotonic()
    undisturbed = told(replaying)
    pause_s = 0.7 * (time.monotonic() - began) / KILLS
    stop(service)

    service, kills, chance = hard.start(), 0, random.Random(7)
    replaying, came = hard.replay(*data), 0
    while kills < KILLS:
        hard.wait_for_progress(replaying, came)
        time.sleep(chance.uniform(0, 2 * pause_s))
        if replaying.poll() is not None:
            break
        kills, came = kills + 1, hard.rows()
        service.process.kill()
        service.process.wait()
        service = hard.start()
    disturbed = told(replaying)
    stop(service)

    logging.getLogger(__name__).info("%s kills, %s payments were sent again", kills, disturbed["duplicates"])
    assert kills >= 0.6 * KILLS
    for count in ("payments", "applications", "approved", "declined", "referred", "disbursed", "principal_fen", "auc"):
        assert disturbed[count] == undisturbed[count]
    assert hard.end_state() == calm.end_state()
    assert calm.end_state()[1] == (undisturbed["disbursed"], undisturbed["principal_fen"])
