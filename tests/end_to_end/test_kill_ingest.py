"""kill -9 while a history is imported: every row ends as in an undisturbed import, nothing lost and nothing twice.

FANXING_TEST_INGEST_KILLS makes it as deep as one likes.
"""

import asyncio
import json
import logging
import os
import random
import sqlite3
import subprocess
import sys
import time

import asyncpg
import pytest
from tests.served import NOON_US

from fanxing.launch import start, stop
from fanxing.store.schema import TABLES
from fanxing.v1 import merchant_service_pb2
from fanxing.wire import convert
from fanxing.wire.client import Client

KILLS = int(os.environ.get("FANXING_TEST_INGEST_KILLS", "3"))
PAYMENTS = 10_000 + 2_500 * KILLS
SHOPS = 25
DISTURBED_MOST = 0.05
"""Seconds between something new on record and the kill, at most."""
LEFT_OUT = {"active_policies"}
"""It tells when the service started."""
pytestmark = [pytest.mark.timeout(120 + 10 * KILLS)]


class World:
    """A service on a store of its own, on one port for all its lives."""

    def __init__(self, home, store, port, policy):
        home.mkdir()
        self.home, self.store, self.port = home, store, port
        self.options = ["serve", "--listen", f"127.0.0.1:{port}", "--policy", str(policy), "--clock", "CALLER"]
        self.options += ["--rail-journal", str(home / "rail.jsonl"), "--store", store["url"]]
        self.options += ["--store-owner", store["owner_url"]] if "owner_url" in store else []

    def start(self):
        return start(*self.options, log=self.home / "service.log")

    def importing(self, file):
        words = [sys.executable, "-m", "fanxing", "import", "payments", str(file), "--json"]
        words += ["--target", f"127.0.0.1:{self.port}", "--effective-time", convert.timestamp(NOON_US).ToJsonString()]
        with (self.home / "import.log").open("w") as log:
            return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)

    def register(self):
        pb = merchant_service_pb2
        with Client(f"127.0.0.1:{self.port}") as client:
            for number in range(SHOPS):
                merchant = pb.Merchant(
                    merchant_id=f"m{number}",
                    name="Noodles",
                    category="canteen",
                    opened_on={"year": 2025, "month": 1, "day": 1},
                    controller_token=f"c{number}",
                    payout_account_token=f"a{number}",
                )
                request_id = f"00000000-0000-4000-8000-{number:012}"
                at = convert.timestamp(NOON_US)
                request = pb.RegisterMerchantRequest(request_id=request_id, merchant=merchant, effective_time=at)
                client.merchants.RegisterMerchant(request)

    def query(self, text):
        if "owner_url" in self.store:
            return asyncio.run(self._fetched(text))
        path = self.store["url"].removeprefix("sqlite:///")
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        rows = connection.execute(text).fetchall()
        connection.close()
        return rows

    async def _fetched(self, text):
        connection = await asyncpg.connect(self.store["url"])
        await connection.execute("SELECT set_config('fanxing.institution', 'demo', false)")
        rows = [tuple(row) for row in await connection.fetch(text)]
        await connection.close()
        return rows

    def recorded(self):
        return self.query("SELECT count(*) FROM payments")[0][0]

    def everything(self):
        return {
            table.name: sorted(self.query(f"SELECT {', '.join(table.names)} FROM {table.name}"), key=repr)
            for table in TABLES.values()
            if table.name not in LEFT_OUT
        }


def told(importing):
    answer = json.loads(importing.stdout.read())
    assert importing.wait() == 0
    return {name: int(answer.get(name, 0)) for name in ("accepted", "duplicates")}


@pytest.fixture
def history(tmp_path):
    chance, path = random.Random(3), tmp_path / "history.csv"
    with path.open("w") as file:
        file.write("merchant_id,payment_id,kind,amount,occurred_at,payer_token\n")
        for number in range(PAYMENTS):
            at = convert.timestamp(NOON_US - 1_000_000 * (PAYMENTS - number)).ToJsonString()
            shop, payer = chance.randrange(SHOPS), chance.randrange(900)
            file.write(f"m{shop},p{number},RECEIPT,{number % 90 + 1}.{number % 10}0,{at},u{payer}\n")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))])
def worlds(request, tmp_path, unused_tcp_port_factory, policy_directory):
    def store(name):
        if request.param == "sqlite":
            return {"url": f"sqlite:///{tmp_path / name / 'store.sqlite'}"}
        made = request.getfixturevalue("database_server").database(f"kill_{name}_{os.getpid()}")
        return {"url": made.url, "owner_url": made.owner_url}

    return [
        World(tmp_path / name, store(name), unused_tcp_port_factory(), policy_directory) for name in ("calm", "hard")
    ]


def test_kill_9_during_an_import_loses_nothing_and_doubles_nothing(worlds, history):
    calm, hard = worlds
    service = calm.start()
    calm.register()
    assert told(calm.importing(history)) == {"accepted": PAYMENTS, "duplicates": 0}
    assert told(calm.importing(history)) == {"accepted": 0, "duplicates": PAYMENTS}
    stop(service)

    service, kills, chance, came = hard.start(), 0, random.Random(7), 0
    hard.register()
    importing = hard.importing(history)
    while kills < KILLS and importing.poll() is None:
        while importing.poll() is None and hard.recorded() <= came:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, DISTURBED_MOST))
        if importing.poll() is not None:
            break
        service.process.kill()
        service.process.wait()
        kills, came = kills + 1, hard.recorded()
        service = hard.start()
    disturbed = told(importing)
    stop(service)

    logging.getLogger(__name__).warning("%s kills, %s payments were sent again", kills, disturbed["duplicates"])
    assert kills == KILLS
    assert disturbed["accepted"] + disturbed["duplicates"] == PAYMENTS
    assert hard.recorded() == PAYMENTS
    assert hard.everything() == calm.everything()
