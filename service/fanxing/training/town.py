"""The town's PD model: fitted on simulated towns of other seeds, by their truth. It says nothing of real merchants."""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

import numpy as np

from fanxing.facts import Fact
from fanxing.flows.graphs import graph_window
from fanxing.indicators.ask import Ask
from fanxing.indicators.exposure import NOTHING_DRAWN
from fanxing.indicators.graph import PayerGraph, build_graph
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.measure import measure
from fanxing.payments import RecordedPayment, net_receipts, recorded
from fanxing.town.feed import news
from fanxing.town.world import DAYS, FIRST_DAY, HOUR_US, TIME_ZONE, Town, build_town, day_us
from fanxing.training.fit import Fitted, Task, digest_of, fit, publish_model

POLICY = Path(__file__).parents[1] / "policies" / "town"
SEEDS = (101, 102, 103, 104, 105, 106)
DECIDED_US = day_us(DAYS) + 9 * HOUR_US
"""Every merchant applies on the morning after the last day."""
COLUMNS = (
    "evidence_b",
    "sustainable_receipts_fen",
    "receipts_fen_90d",
    "receipts_trend_90d",
    "receipts_deviation_fen_90d",
    "payers_distinct_90d",
    "payer_repeat_rate_90d",
    "payer_top_share_90d",
    "net_flow_fen_90d",
    "active_days_90d",
    "longest_gap_days_90d",
    "refund_share_90d",
    "receipts_fen_by_credit_90d_share",
    "receipts_fen_own_90d_share",
    "shared_device_share_90d",
    "debt_service_monthly_fen",
    "debt_outside_fen",
)
MONOTONE = {
    "evidence_b": -1,
    "sustainable_receipts_fen": -1,
    "receipts_fen_90d": -1,
    "payers_distinct_90d": -1,
    "receipts_trend_90d": -1,
    "active_days_90d": -1,
    "debt_service_monthly_fen": 1,
    "debt_outside_fen": 1,
    "receipts_fen_own_90d_share": 1,
    "shared_device_share_90d": 1,
}
"""More genuine payers and more trade never raise the PD; more debt never lowers it."""


def train(out: Path) -> Fitted:
    """Fits on six towns and writes a policy directory: the town's constants and strategies with the fitted model."""
    rows, outcomes = [], []
    for seed in SEEDS:
        town = build_town(seed)
        chance = np.random.default_rng(seed + 1000)
        rows += list(rows_of(town))
        outcomes += [int(chance.random() < shop.default_probability) for shop in town.shops]
    matrix = np.array(rows)
    task = Task(
        columns=COLUMNS,
        rows=matrix,
        outcomes=np.array(outcomes),
        monotone=MONOTONE,
        fitted_on=f"simulated towns of seeds {', '.join(map(str, SEEDS))}",
        data_sha256=digest_of(matrix, np.array(outcomes)),
        seed=2018,
        rounds=100,
    )
    fitted = fit(task)
    if out.resolve() != POLICY.resolve():
        shutil.copytree(POLICY, out, dirs_exist_ok=True)
    publish_model(task, fitted, out, "pd")
    return fitted


def rows_of(town: Town) -> Iterator[np.ndarray]:
    """COLUMNS of each shop on the morning after the last day, as the service would measure it."""
    logs = logs_of(town)
    facts: dict[str, list[Fact]] = defaultdict(list)
    for fact in town.facts:
        facts[fact.merchant_id].append(fact)
    graph = graph_of(town, logs, FIRST_DAY + timedelta(days=DAYS))
    ask = Ask(requested_fen=None, term_months=12)
    for shop in town.shops:
        merchant, log = shop.merchant, logs[shop.merchant.merchant_id]
        told = tuple(facts[merchant.merchant_id])
        yield measure(COLUMNS, merchant, fold(EMPTY, log), told, graph, NOTHING_DRAWN, ask, DECIDED_US, TIME_ZONE)


def logs_of(town: Town) -> dict[str, list[RecordedPayment]]:
    """Each merchant's payments as the service would record them."""
    logs: dict[str, list[RecordedPayment]] = defaultdict(list)
    for day in range(len(town.payments)):
        known_us = day_us(day + 1) - HOUR_US
        for payment in news(town, day):
            log = logs[payment.merchant_id]
            log.append(recorded(payment, len(log) + 1, known_us, ""))
    return logs


def graph_of(town: Town, logs: dict[str, list[RecordedPayment]], day: date) -> PayerGraph:
    """The payer graph that the service would read on a day."""
    sightings = net_receipts(chain.from_iterable(logs.values()), graph_window(day, TIME_ZONE))
    return build_graph(sightings, [shop.merchant for shop in town.shops], day, "town")
