"""Answers are held against the truth, flags that catch everybody catch nobody, and bad answers are named."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from fanxing.cli import app
from fanxing.errors import InvalidRequest
from fanxing.town.feed import feed
from fanxing.town.scoring import calibration, fraud, identity, score
from fanxing.town.small import write_small
from fanxing.town.world import DAYS, HOUR_US, build_town, day_us

pytestmark = pytest.mark.xdist_group("town_score")
SEED, MERCHANTS = 5, 40


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    out = tmp_path_factory.mktemp("small") / "town"
    write_small(SEED, out, MERCHANTS)
    return out


@pytest.fixture(scope="module")
def truth(town):
    return parquet.read_table(town / "truth" / "merchants.parquet").to_pydict()


@pytest.fixture
def answer(tmp_path):
    """Writes answers and gives their path."""

    def write(**columns):
        parquet.write_table(pa.table(columns), tmp_path / "answers.parquet")
        return tmp_path / "answers.parquet"

    return write


def test_the_files_of_size_s_are_the_town_that_is_played(town):
    world = build_town(SEED, MERCHANTS)
    told = [(each, day_us(day + 1) - HOUR_US) for day in range(DAYS) for each in feed(world, day)]
    rows = parquet.read_table(town / "feeds" / "payments.parquet")
    assert len(rows) == len(told)
    assert rows["known_us"].to_pylist() == [known for _, known in told]
    for name in rows.column_names:
        if name != "known_us":
            assert rows[name].to_pylist() == [getattr(each, name) for each, _ in told]
    assert len(parquet.read_table(town / "feeds" / "facts.parquet")) == len(world.facts)
    merchants = parquet.read_table(town / "feeds" / "merchants.parquet").to_pylist()
    assert [row["merchant_id"] for row in merchants] == [shop.merchant.merchant_id for shop in world.shops]


def test_the_truth_of_size_s_is_the_worlds(truth):
    world = build_town(SEED, MERCHANTS)
    assert truth["default_probability"] == [shop.default_probability for shop in world.shops]
    assert truth["genuine_payers"] == [shop.genuine_payers for shop in world.shops]
    names = {"honest": "", "twin": "", "self": "self_payment", "ring": "ring"}
    assert truth["cheat"] == [names[shop.kind] for shop in world.shops]
    assert {twin: plain for twin, plain in zip(truth["merchant_id"], truth["twin_of"], strict=True) if plain} == {
        twin: plain for plain, twin in world.twins
    }


def test_the_truth_itself_scores_best(town, truth, answer):
    flagged = [float(bool(cheat)) for cheat in truth["cheat"]]
    limits = [0 if cheat else 100_000 for cheat in truth["cheat"]]
    found = score(town, answer(
        merchant_id=truth["merchant_id"], flagged=flagged, pd=truth["default_probability"], limit_fen=limits
    ))  # fmt: skip
    assert (found["fraud"]["recall"], found["fraud"]["false_positives"]) == (1.0, 0.0)
    assert found["default"]["calibration_error"] == 0
    assert found["default"]["brier"] == found["default"]["brier_of_truth"]
    assert found["limits"]["to_cheats_share"] == 0
    assert found["limits"]["limit_fen"] == 100_000 * (MERCHANTS - 10)


def test_answers_may_stand_in_any_order(town, truth, answer):
    flags = np.arange(MERCHANTS, dtype=float)
    one = score(town, answer(merchant_id=truth["merchant_id"], flagged=flags))
    assert score(town, answer(merchant_id=truth["merchant_id"][::-1], flagged=flags[::-1])) == one


def test_one_flag_for_everybody_catches_nobody():
    cheat = np.array([""] * 300 + ["ring"] * 10, dtype=object)
    for flag in (0.0, 1.0):
        assert fraud(np.full(310, flag), cheat)["recall"] == 0


def test_recall_is_at_one_percent_of_the_honest():
    """Of 300 honest, three may be flagged: a cheat is caught where at most three honest are as suspicious."""
    cheat = np.array([""] * 300 + ["ring", "ring", "cash_out"], dtype=object)
    flags = np.r_[np.arange(300), 296.5, 295.5, 299.5]
    found = fraud(flags, cheat)
    assert found["false_positives"] == 0.01
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["by_kind"] == {"ring": {"cheats": 2, "recall": 0.5}, "cash_out": {"cheats": 1, "recall": 1.0}}


def test_calibration_tells_given_from_true():
    true = np.linspace(0.01, 0.2, 100)
    found = calibration(true + 0.05, true, np.zeros(100, dtype=bool))
    assert found["calibration_error"] == pytest.approx(0.05)
    assert sum(row["merchants"] for row in found["bins"]) == 100
    given = true + 0.05
    given[:50] = np.nan
    assert calibration(given, true, np.zeros(100, dtype=bool))["merchants"] == 50


def test_pairs_of_one_hand_are_told_or_not():
    hand = np.array(["a", "a", "a", "b", "c", "c"], dtype=object)
    told = np.array(["x", "x", "", "", "y", "y"], dtype=object)
    assert identity(told, hand) == {"pairs": 4, "told": 2, "recall": 0.5, "precision": 1.0}
    one = identity(np.array(["x"] * 6, dtype=object), hand)
    assert (one["recall"], one["told"]) == (1.0, 15)
    alone = np.array([None, None, "", "", "z", "w"], dtype=object)
    assert identity(alone, hand) == {"pairs": 4, "told": 0, "recall": 0.0, "precision": None}
    assert identity(np.array([1.0, 1.0, np.nan, np.nan, 2.0, 2.0]), hand)["told"] == 2


def test_what_cheats_are_lent_is_told(town, truth, answer):
    limits = [300 if cheat == "ring" else 100 for cheat in truth["cheat"]]
    found = score(town, answer(merchant_id=truth["merchant_id"], limit_fen=limits))["limits"]
    assert found["to_cheats_share"] == pytest.approx((6 * 300 + 4 * 100) / (6 * 300 + 34 * 100))
    kinds = {row["kind"]: row for row in found["by_kind"]}
    assert (kinds["ring"]["median_fen"], kinds["self_payment"]["mean_fen"], kinds["honest"]["approved"]) == (
        300,
        100,
        30,
    )


BAD = {
    "no answers": ({}, "at least one of"),
    "twice": (
        {"flagged": lambda ids: [1.0] * (len(ids) + 1), "merchant_id": lambda ids: [*ids, ids[0]]},
        "twice for m0000",
    ),
    "missing": (
        {"flagged": lambda ids: [1.0] * (len(ids) - 1), "merchant_id": lambda ids: ids[1:]},
        "no answer for m0000",
    ),
    "unknown": (
        {"flagged": lambda ids: [1.0] * (len(ids) + 1), "merchant_id": lambda ids: [*ids, "x"]},
        "no merchant x",
    ),
    "pd above 1": ({"pd": lambda ids: [2.0] * len(ids)}, "pd is 2.0"),
    "no pd at all": ({"pd": lambda ids: [None] * len(ids)}, "pd is"),
    "negative limit": ({"limit_fen": lambda ids: [-1] * len(ids)}, "limit_fen is -1"),
    "flag missing": ({"flagged": lambda ids: [None, *([1.0] * (len(ids) - 1))]}, "flagged is nan"),
    "words": ({"flagged": lambda ids: ["no"] * len(ids)}, "flagged is not a number"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_answers_are_named(case, town, truth, answer):
    columns, told = BAD[case]
    ids = truth["merchant_id"]
    made = {"merchant_id": ids} | {name: make(ids) for name, make in columns.items()}
    with pytest.raises(InvalidRequest, match=told) as failed:
        score(town, answer(**made))
    assert failed.value.field


def test_files_that_are_none_are_named(town, truth, answer, tmp_path):
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"no parquet")
    for folder, path in ((town, broken), (town, tmp_path / "nowhere.parquet")):
        with pytest.raises(InvalidRequest, match=path.name):
            score(folder, path)
    with pytest.raises(InvalidRequest, match="truth"):
        score(tmp_path, answer(merchant_id=truth["merchant_id"], flagged=[1.0] * MERCHANTS))


def test_the_command_prints_tables_and_a_line_of_json(town, truth, answer):
    path = answer(
        merchant_id=truth["merchant_id"], flagged=[1.0] * MERCHANTS, pd=[0.1] * MERCHANTS, limit_fen=[7] * MERCHANTS
    )
    done = CliRunner().invoke(app, ["town", "score", "--town", str(town), "--answers", str(path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1]) == score(town, path)
    for title in ("Cheats caught", "Default within 12 months", "Limits, yuan", "simulated"):
        assert title in done.stderr
    failed = CliRunner().invoke(app, ["town", "score", "--town", str(town / "feeds"), "--answers", str(path)])
    assert failed.exit_code == 2
    assert "merchants.parquet" in failed.stderr


def test_a_folder_that_is_there_is_not_written_over(town):
    before = (town / "truth" / "town.json").read_bytes()
    done = CliRunner().invoke(app, ["town", "make", "--out", str(town)])
    assert done.exit_code == 2
    assert "is there already" in done.stderr
    assert (town / "truth" / "town.json").read_bytes() == before
