"""A bank's history is replayed through the service: once is once, and nothing is scored on what came later."""

import csv
import json

import pytest
from tests.berka_fixture import LOANS, write_bank
from typer.testing import CliRunner

from fanxing.cli import app
from fanxing.replay import _id
from fanxing.training import berka


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A made-up bank and a policy fitted on it."""
    home = tmp_path_factory.mktemp("bank")
    write_bank(home / "data")
    berka.train(home / "data", home / "policy")
    return home


def replayed(directory, policy, *options):
    words = ["replay", "berka", str(directory), "--policy", str(policy), "--json", *map(str, options)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return json.loads(done.stdout.splitlines()[-1])


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_second_replay_finds_everything_and_decides_the_same(bank, tmp_path):
    store = f"sqlite:///{tmp_path / 'bank.sqlite'}"
    first = replayed(bank / "data", bank / "policy", "--store", store, "--scores", tmp_path / "1.csv")
    again = replayed(bank / "data", bank / "policy", "--store", store, "--scores", tmp_path / "2.csv")
    assert first["applications"] == LOANS == len(rows(tmp_path / "1.csv"))
    assert first["approved"] == first["disbursed"] == first["rail_payments"] > 0
    assert (first["ledger_sum_fen"], first["rail_fen"]) == (0, first["principal_fen"])
    assert (first["duplicates"], again["duplicates"]) == (0, first["payments"])
    assert rows(tmp_path / "1.csv") == rows(tmp_path / "2.csv")
    for name in ("applications", "disbursed", "principal_fen", "rail_payments", "rail_fen", "ledger_sum_fen", "auc"):
        assert again[name] == first[name]


def test_a_bank_that_tells_no_outcomes_is_scored_too(bank, tmp_path):
    write_bank(tmp_path / "blind", outcomes=False)
    found = replayed(tmp_path / "blind", bank / "policy", "--scores", tmp_path / "blind.csv")
    assert found["auc"] is None
    assert {row["outcome"] for row in rows(tmp_path / "blind.csv")} == {""}


@pytest.mark.parametrize("place", [5, 15, 25])
def test_movements_of_the_day_and_later_change_no_score(bank, place):
    whole = berka.read_bank(bank / "data")
    day = whole.loans[place].day
    kept = {each: found for each, found in whole.payments.items() if each < day}
    assert sum(map(len, kept.values())) < sum(map(len, whole.payments.values()))
    cut = berka.Bank(whole.merchants, kept, whole.loans, whole.sha256)
    assert berka.rows_of(cut)[place].tobytes() == berka.rows_of(whole)[place].tobytes()


def test_training_writes_the_same_model_again(bank, tmp_path):
    berka.train(bank / "data", tmp_path / "again")
    for name in ("pd.fxf", "pd.toml"):
        assert (tmp_path / "again/models" / name).read_bytes() == (bank / "policy/models" / name).read_bytes()


@pytest.mark.parametrize("name", ["account.csv", "loan.csv", "trans.parquet"])
def test_a_broken_directory_is_named(tmp_path, name):
    write_bank(tmp_path)
    (tmp_path / name).write_text("nothing\n1\n")
    done = CliRunner().invoke(app, ["train", "berka", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert "Berka's format" in str(done.exception)


def test_request_ids_differ_by_step_and_loan():
    assert len({_id(step, loan) for step in ("apply", "accept", "disburse") for loan in ("1", "2")}) == 6
