"""Benchmarks that no test runs are at least whole: each is read, with all that it stands on."""

import importlib

import numpy as np
import pytest
from rich.console import Console

from fanxing.indicators import questions

pytest.importorskip("duckdb", reason="the extra `bench` is not installed")
pytest.importorskip("polars", reason="the extra `bench` is not installed")


@pytest.mark.parametrize(
    "name", ["indicators_against_sql", "indicators_race", "ingest", "payer_graph", "state_bytes", "export_points"]
)
def test_a_benchmark_can_be_begun(name):
    assert importlib.import_module(f"tests.bench.{name}").__doc__


def test_the_engine_and_its_peers_answer_alike(monkeypatch):
    race = importlib.import_module("tests.bench.indicators_race")
    monkeypatch.setattr(race, "PAYMENTS", 600)
    catalogue = list(questions.questions())
    assert race.race(race.merchant(np.random.default_rng(3)), catalogue[::2003], 0.0, Console(quiet=True)) == 0
