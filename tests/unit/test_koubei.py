"""Koubei's daily counts become as many payments of unknown payers, and nothing is made up in silence."""

import json
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from fanxing.cli import app
from fanxing.errors import InvalidRequest
from fanxing.town.folders import PAYMENTS
from fanxing.training.koubei import UNKNOWN, payments_of, read_koubei

FLOW = [
    (7, datetime(2015, 12, 10, tzinfo=UTC), 3),
    (7, datetime(2015, 12, 13, tzinfo=UTC), 2),
    (9, datetime(2015, 12, 11, tzinfo=UTC), 1),
]


@pytest.fixture
def directory(tmp_path):
    write(tmp_path, FLOW)
    return tmp_path


def write(directory, flow, shops=(9, 7)):
    columns = {
        name: list(column)
        for name, column in zip(("shop_id", "date", "pay_count"), zip(*flow, strict=True), strict=True)
    }
    parquet.write_table(pa.table(columns), directory / "daily_flow.parquet")
    info = {"shop_id": list(shops), "location_id": [1] * len(shops), "per_pay": list(range(4, 4 + len(shops)))}
    info |= {"cate_1": ["美食", "超市便利店"][: len(shops)]}
    parquet.write_table(pa.table(info), directory / "shop_info.parquet")


def test_counts_are_by_shop_and_day_and_one_day_is_unknown(directory):
    koubei = read_koubei(directory)
    assert koubei.first_day == date(2015, 12, 10)
    assert koubei.shop_ids.tolist() == [7, 9]
    assert koubei.counts.tolist() == [[3, 0, UNKNOWN, 2], [0, 1, UNKNOWN, 0]]
    assert koubei.spending.tolist() == [5, 4]
    assert [each.category for each in koubei.merchants] == ["market", "food"]
    assert [each.opened_on for each in koubei.merchants] == [date(2015, 12, 10), date(2015, 12, 11)]


def test_a_payment_stands_for_each_that_was_counted(directory):
    koubei = read_koubei(directory)
    table = payments_of(koubei, 0, 100)
    assert table.schema == PAYMENTS
    rows = table.to_pylist()
    assert len({row["payment_id"] for row in rows}) == len(rows) == 5
    days = [row["occurred_us"] / 1e6 for row in rows]
    noon = datetime.fromisoformat("2015-12-10T12:00:00+08:00").timestamp()
    assert np.allclose(days, [noon] * 3 + [noon + 3 * 86400] * 2)
    for row in rows:
        assert row["amount_fen"] == 500
        assert row["known_us"] - row["occurred_us"] == 11 * 3_600_000_000
        assert row["payer_token"] == row["device_token"] == row["instrument"] == ""
        assert row["payer_real_name"] is row["payer_account_age_days"] is row["balance_after_fen"] is None


def test_the_command_says_what_is_no_data(directory, tmp_path):
    out = tmp_path / "out"
    run = ["town", "koubei", str(directory), "--out", str(out)]
    assert CliRunner().invoke(app, run).exit_code == 2
    done = CliRunner().invoke(app, [*run, "--stand-in-fen", "100", "--shops", "1"])
    assert done.exit_code == 0, done.output
    assert "stand-ins" in done.stdout
    assert len(parquet.read_table(out / "feeds" / "payments.parquet")) == 5
    assert len(parquet.read_table(out / "feeds" / "merchants.parquet")) == 1
    told = json.loads((out / "origin.json").read_text())
    assert told["stand_ins"].keys() == {"amount_fen", "time of day", "known_us"}
    assert told["unknown_days"] == ["2015-12-12"]
    assert not (out / "truth").exists()


def test_what_is_not_koubeis_is_named(directory, tmp_path):
    with pytest.raises(InvalidRequest, match="daily_flow"):
        read_koubei(tmp_path / "nowhere")
    write(directory, FLOW, shops=(7,))
    with pytest.raises(InvalidRequest, match="lacks shop 9"):
        read_koubei(directory)
    write(directory, [(7, datetime(2016, 1, 1, tzinfo=UTC), -1)])
    with pytest.raises(InvalidRequest, match="negative"):
        read_koubei(directory)
