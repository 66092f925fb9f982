"""Benchmarks that no test runs are at least whole: each is read, with all that it stands on."""

import importlib

import pytest

pytest.importorskip("duckdb", reason="the extra `bench` is not installed")
pytest.importorskip("polars", reason="the extra `bench` is not installed")


@pytest.mark.parametrize(
    "name", ["indicators_against_sql", "indicators_race", "ingest", "payer_graph", "state_bytes", "export_points"]
)
def test_a_benchmark_can_be_begun(name):
    assert importlib.import_module(f"tests.bench.{name}").__doc__
