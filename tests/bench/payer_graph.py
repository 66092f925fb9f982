"""How long a day's payer graph takes on an institution of 2,000 merchants, from the log to the bytes and back.

`python -m tests.bench.payer_graph [--payers 60000] [--merchants 2000] [--sightings 1000000]`. Everything is made up and
seeded. The sums over the log are measured in SQLite over a few merchants, since writing ten million payments takes
longer than all else; their time a merchant is printed, and what it comes to for all.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from fanxing.flows.graphs import graph_window
from fanxing.flows.moments import day_start_us
from fanxing.flows.ports import ChangeSet, NetReceipts
from fanxing.indicators.graph import build_graph, evidence
from fanxing.indicators.graph_bytes import pack_graph, unpack_graph
from fanxing.merchants import Merchant
from fanxing.payments import PaymentKind, RecordedPayment, Sighting
from fanxing.store.sqlite import SqliteStore

DAY, ZONE, DAY_US = date(2026, 9, 1), "Asia/Shanghai", 86_400_000_000
LOGGED = 16
"""Merchants whose logs are written."""
RECEIPTS, PAYERS_A_LOG = 10_000, 500
"""What one of them took in 24 months (14 a day), and from how many."""


def shop(number):
    """A merchant that has traded long enough; a few share an owner or a till."""
    return Merchant(
        merchant_id=f"merchant-{number}",
        name="",
        category="buns",
        opened_on=DAY - timedelta(days=30 + number % 700),
        code_activated_on=None,
        place="",
        frontage=1.0,
        controller_token=f"owner-{number - number % 7 if number % 7 == 1 else number}",
        licence_token="",
        payout_account_token="",
        phone_token="",
        device_token=f"till-{number // 50}" if number % 50 < 2 else "",
        time_zone="",
    )


def sightings_of(merchants, payers, wanted, chance):
    """Distinct (payer, merchant) pairs: merchants are of very unequal size, and payers stay near where they live."""
    size = chance.lognormal(0, 1, merchants)
    shops = chance.choice(merchants, 2 * wanted, p=size / size.sum())
    home = (shops * (payers / merchants) + chance.normal(0, payers / 20, 2 * wanted)).astype("i8") % payers
    pairs = np.unique(home << 32 | shops)
    pairs = chance.permutation(pairs)[:wanted]
    return [
        Sighting(payer_token=f"payer-{pair >> 32}", merchant_id=f"merchant-{pair & 0xFFFFFFFF}", net_fen=1_500)
        for pair in pairs.tolist()
    ]


def log_of(number, chance):
    """Two years of one merchant; one receipt in fifty is sent back."""
    start_us = day_start_us(DAY, ZONE)
    payers = chance.integers(0, PAYERS_A_LOG, RECEIPTS).tolist()
    ages = np.sort(chance.integers(0, 730 * DAY_US, RECEIPTS))[::-1].tolist()
    seq = 0
    for place, (payer, age) in enumerate(zip(payers, ages, strict=True)):
        kinds = (PaymentKind.RECEIPT, PaymentKind.REFUND) if place % 50 == 0 else (PaymentKind.RECEIPT,)
        for kind in kinds:
            seq += 1
            yield RecordedPayment(
                merchant_id=f"merchant-{number}",
                payment_id=f"{kind}-{place}",
                payer_token=f"payer-{payer}",
                amount_fen=1_500,
                occurred_us=start_us - age,
                kind=kind,
                refund_of=f"RECEIPT-{place}" if kind is PaymentKind.REFUND else "",
                merchant_seq=seq,
                known_us=start_us - age,
                content_hash="0" * 64,
            )


async def sums(chance):
    """Milliseconds of processor that `NetReceipts` takes a merchant, in SQLite."""
    with tempfile.TemporaryDirectory() as home:
        store = await SqliteStore.open(Path(home) / "bench.sqlite")
        for number in range(LOGGED):
            await store.commit("bench", ChangeSet(inserts=tuple(log_of(number, chance))))
        started = time.process_time()
        for number in range(LOGGED):
            await store.read("bench", NetReceipts(f"merchant-{number}", graph_window(DAY, ZONE)))
        took = time.process_time() - started
        await store.close()
    return 1000 * took / LOGGED


def timed(work):
    """What it gave, and the seconds of processor it took."""
    started = time.process_time()
    answer = work()
    return answer, round(time.process_time() - started, 3)


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, usual in (("merchants", 2_000), ("payers", 60_000), ("sightings", 1_000_000)):
        asked.add_argument(f"--{name}", type=int, default=usual)
    size = asked.parse_args()
    chance = np.random.default_rng(5)
    merchants = [shop(number) for number in range(size.merchants)]
    seen = sightings_of(size.merchants, size.payers, size.sightings, chance)
    graph, build_s = timed(lambda: build_graph(seen, merchants, DAY, "bench"))
    (graph, content), pack_s = timed(lambda: pack_graph(graph, DAY))
    again, unpack_s = timed(lambda: unpack_graph(content, graph.digest, DAY, "bench"))
    tokens = sorted({each.payer_token for each in seen if each.merchant_id == "merchant-3"})
    vouching, vouch_s = timed(lambda: again.vouching_for(tokens, again.own(merchants[3])))
    found, flow_s = timed(lambda: evidence(vouching, [False] * len(vouching)))
    sum_ms = asyncio.run(sums(chance))
    figures = {
        "merchants": size.merchants,
        "payers": len({each.payer_token for each in seen}),
        "sightings": len(seen),
        "clusters": len(set(graph.clusters.tolist())),
        "build_s": build_s,
        "pack_s": pack_s,
        "unpack_s": unpack_s,
        "bytes": len(content),
        "payers_of_one": len(tokens),
        "vouching_ms": round(1000 * vouch_s, 2),
        "evidence_ms": round(1000 * flow_s, 2),
        "evidence_b": found,
        "sum_ms_a_merchant": round(sum_ms, 2),
        "sums_s_of_all": round(sum_ms * size.merchants / 1000, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
