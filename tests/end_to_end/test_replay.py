"""A bank's history is replayed through the service: once is once, and nothing is scored on what came later."""

import asyncio
import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.berka_fixture import LOANS, write_bank
from typer.testing import CliRunner

from fanxing.cli import app
from fanxing.commands import replaying
from fanxing.errors import InvalidRequest
from fanxing.flows.ports import KEYS, Range
from fanxing.flows.score import asked, measure_dossier, read_dossier, row_digest, verdict_of
from fanxing.flows.world import World
from fanxing.indicators.catalogue import STANDARD
from fanxing.indicators.peers import NO_PEERS
from fanxing.lending.application import Application
from fanxing.replay import _auc, _id
from fanxing.store.open import open_store
from fanxing.strategies.decision import Decision
from fanxing.strategies.policy import load_policy
from fanxing.training import berka
from fanxing.training.bank import OUT_OF_FOLD, Bank, read_bank, rows_of
from fanxing.training.fit import Task, fit


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


async def test_every_stored_decision_is_computed_again_from_what_was_known_then(bank, tmp_path):
    url = f"sqlite:///{tmp_path / 'bank.sqlite'}"
    await asyncio.to_thread(replayed, bank / "data", bank / "policy", "--store", url)
    store, policy = await open_store(url), load_policy(bank / "policy")
    (institution,) = await store.institutions()
    world = World(store=store, rail=None, now=lambda: 0, cpu_time=lambda: 0)
    decisions, applications = await store.read(
        institution.institution_id, *(Range(record, KEYS[record]) for record in (Decision, Application))
    )
    asked_by = {each.application_id: each for each in applications}
    for decision in decisions:
        application = asked_by[decision.decision_id]
        ask = asked(policy, application.requested_fen, application.requested_term_months)
        dossier = await read_dossier(institution, decision.merchant_id, world)
        known_us, zone = decision.known_us, institution.time_zone
        row = measure_dossier(policy.reads, dossier, ask, decision.as_of_us, known_us, None, NO_PEERS, zone, ())
        assert row_digest(row) == decision.row_digest
        assert dossier.history.known(known_us).through_seq == decision.merchant_seq
        assert verdict_of(policy, row, dossier.merchant.category) == decision.verdict
    assert len(decisions) == LOANS
    await store.close()


def test_a_bank_that_tells_no_outcomes_is_scored_too(bank, tmp_path):
    write_bank(tmp_path / "blind", outcomes=False)
    found = replayed(tmp_path / "blind", bank / "policy", "--scores", tmp_path / "blind.csv")
    assert found["auc"] is None
    assert {row["outcome"] for row in rows(tmp_path / "blind.csv")} == {""}


@pytest.mark.parametrize("place", [5, 15, 25])
def test_movements_of_the_day_and_later_change_no_score(bank, place):
    whole = read_bank(bank / "data")
    day = whole.loans[place].day
    kept = {each: found for each, found in whole.payments.items() if each < day}
    assert sum(map(len, kept.values())) < sum(map(len, whole.payments.values()))
    cut = Bank(whole.merchants, kept, whole.loans, whole.sha256)
    assert rows_of(cut, STANDARD)[place].tobytes() == rows_of(whole, STANDARD)[place].tobytes()


def test_training_writes_the_same_model_again(bank, tmp_path):
    berka.train(bank / "data", tmp_path / "again")
    for name in ("pd.fxf", "pd.toml"):
        assert (tmp_path / "again/models" / name).read_bytes() == (bank / "policy/models" / name).read_bytes()


@pytest.mark.parametrize("name", ["account.csv", "loan.csv", "trans.parquet"])
def test_a_broken_directory_is_named(tmp_path, name):
    write_bank(tmp_path)
    (tmp_path / name).write_text("nothing\n1\n")
    done = CliRunner().invoke(app, ["train", "berka", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "not a directory in Berka's format: " in done.stderr
    assert name in done.stderr


def test_a_movement_of_an_account_that_is_not_there_is_named(tmp_path):
    write_bank(tmp_path)
    lines = (tmp_path / "account.csv").read_text().splitlines(keepends=True)
    (tmp_path / "account.csv").write_text("".join(line for line in lines if not line.startswith("101,")))
    with pytest.raises(InvalidRequest, match=r"account\.csv lacks account 101"):
        read_bank(tmp_path)


def test_a_loan_named_twice_is_named(tmp_path):
    write_bank(tmp_path)
    lines = (tmp_path / "loan.csv").read_text().splitlines(keepends=True)
    (tmp_path / "loan.csv").write_text("".join([*lines, lines[-1]]))
    with pytest.raises(InvalidRequest, match=r"loan\.csv names 939 twice"):
        read_bank(tmp_path)


def test_the_auc_is_the_share_of_pairs_in_order():
    outcome, score = np.array([True, False, True, False, False]), np.array([0.9, 0.1, 0.4, 0.4, 0.7])
    assert _auc(outcome, score) == (3 + 1 + 0.5) / 6


def test_request_ids_differ_by_step_and_loan():
    assert len({_id(step, loan) for step in ("apply", "accept", "disburse") for loan in ("1", "2")}) == 6


def edited(directory, name, before, after):
    write_bank(directory)
    text = (directory / name).read_text()
    assert before in text
    (directory / name).write_text(text.replace(before, after, 1))
    return directory


def movements(directory, **changes):
    write_bank(directory)
    rows = parquet.read_table(directory / "trans.parquet").to_pylist()
    rows[7] |= changes
    parquet.write_table(pa.Table.from_pylist(rows), directory / "trans.parquet")
    return directory


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("loan.csv", ",12000,", ",nan,", "loan.csv, line"),
        ("loan.csv", ",12000,", ",inf,", "loan.csv, line"),
        ("loan.csv", ",12000,", ",-5,", "amount is -5"),
        ("loan.csv", ",12000,12,", ",12000,13.5,", "loan.csv, line"),
        ("loan.csv", ",12000,12,", ",12000,0,", "duration is 0 months"),
        ("loan.csv", ",12000,12,", ",12000,12,,,,", "more or fewer fields"),
        ("loan.csv", "1996-12-31", "1996-13-31", "loan.csv, line 2"),
        ("loan.csv", "1996-12-31", "1995-12-31", "its account opened 1996-01-01"),
        ("loan.csv", "1996-12-31", "9999-12-31", "900 is of 9999-12-31"),
        ("loan.csv", "loan_id", "number", "no column 'loan_id'"),
        ("loan.csv", ",A,0", ",A,perhaps", "bad is 'perhaps', not one of 0, 1"),
        ("account.csv", "\n101,", "\n100,", "names account 100 twice"),
        ("account.csv", ",960101", ",1996", "account.csv, line 2"),
    ],
)
def test_a_crooked_row_is_named_by_file_and_line(tmp_path, name, before, after, said):
    with pytest.raises(InvalidRequest) as caught:
        read_bank(edited(tmp_path, name, before, after))
    assert name in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount": 0.0}, "amount is 0.0"),
        ({"amount": float("inf")}, "infinity"),
        ({"balance": None}, "balance is missing"),
        ({"type": "transfer"}, "type is 'transfer'"),
        ({"date": None}, "trans.parquet: date is missing"),
        ({"trans_id": 3}, "names 3 twice"),
    ],
)
def test_a_crooked_movement_is_named(tmp_path, changes, said):
    with pytest.raises(InvalidRequest) as caught:
        read_bank(movements(tmp_path, **changes))
    assert said in caught.value.message


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path):
    write_bank(tmp_path)
    (tmp_path / "loan.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "loan.csv").read_bytes())
    assert len(read_bank(tmp_path).loans) == LOANS


def test_a_bank_of_one_outcome_is_not_fitted(tmp_path):
    write_bank(tmp_path / "bank")
    text = (tmp_path / "bank/loan.csv").read_text()
    (tmp_path / "bank/loan.csv").write_text(text.replace(",B,1", ",A,0"))
    done = CliRunner().invoke(app, ["train", "berka", str(tmp_path / "bank"), "--out", str(tmp_path / "out")])
    assert (done.exit_code, "5 loans of each outcome" in done.stderr) == (2, True)
    assert not (tmp_path / "out").exists()


def test_out_of_fold_is_only_what_is_said_of_these_loans_by_the_policy_that_decided(bank, tmp_path):
    write_bank(tmp_path / "other", seed=6)
    found = replayed(bank / "data", bank / "policy")
    assert found["auc_of"] == "out_of_fold"
    assert replayed(tmp_path / "other", bank / "policy")["auc_of"] == "served"
    shutil.copy(bank / "data/loan.csv", tmp_path / "other")
    found = replayed(tmp_path / "other", bank / "policy", "--scores", tmp_path / "other.csv")
    assert found["auc_of"] == "served", "of the loans that it ranks, those with history"
    unseen = [row["loan_id"] for row in rows(tmp_path / "other.csv") if row["pd"] != row["pd_served"]]
    assert unseen == ["900", "910", "920", "930"], "the same loans but for the accounts' movements: these have none"
    shutil.copytree(bank / "policy", tmp_path / "bare")
    (tmp_path / "bare" / OUT_OF_FOLD).unlink()
    assert replayed(bank / "data", tmp_path / "bare")["auc_of"] == "served"


def test_a_policy_that_another_core_wrote_is_not_taken_from_the_cache(monkeypatch):
    before = replaying._code_sha256()
    monkeypatch.setattr(replaying, "CORE_DIGEST", "another")
    assert replaying._code_sha256() != before


def test_the_loans_of_one_account_stay_in_one_fold(bank):
    whole = read_bank(bank / "data")
    rows = rows_of(whole, STANDARD)
    chance = np.random.default_rng(3)
    outcomes = chance.integers(2, size=len(rows))
    twice = Task(
        columns=STANDARD,
        rows=np.tile(rows, (2, 1)),
        outcomes=np.tile(outcomes, 2),
        monotone={},
        fitted_on="random outcomes",
        data_sha256="",
        seed=1,
        groups=np.tile(np.arange(len(rows)), 2),
    )
    assert fit(twice).auc < 0.75 < fit(replace(twice, groups=None)).auc


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "berka", "{bank}", "--policy", "{policy}", "--target", "127.0.0.1:1"],
        ["replay", "berka", "{bank}", "--policy", "/nowhere"],
        ["replay", "berka", "{bank}", "--policy", "{policy}", "--store", "mysql://x"],
        ["replay", "berka", "/nowhere"],
        ["train", "berka", "{bank}", "--out", "{bank}/loan.csv"],
    ],
)
def test_what_keeps_a_replay_from_beginning_is_told_in_a_sentence(bank, words, monkeypatch):
    monkeypatch.setattr("fanxing.commands.replaying.READY_S", 2)
    filled = [word.format(bank=bank / "data", policy=bank / "policy") for word in words]
    done = CliRunner().invoke(app, filled)
    assert done.exit_code == 2, done.output
    assert done.stderr.splitlines()[-1].startswith("fanxing: ") or "fanxing: " in done.stderr
