"""A town, played through the real command: twins differ as documented, cheats gain nothing, the books balance."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from fanxing.town.feed import feed
from fanxing.town.world import DAYS, build_town

pytestmark = pytest.mark.xdist_group("town")
DELTA = {"metro": 0.20, "pipes": 0.10}
MARGIN = {"canteen": 0.25, "buns": 0.25, "fruit": 0.20, "services": 0.35}
COMPARED = ("merchant_id", "outcome", "reason", "limit_fen", "principal_fen")


def sessions():
    """Which session each process belongs to."""
    found = {}
    for process in psutil.process_iter():
        try:
            found[process.pid] = os.getsid(process.pid)
        except ProcessLookupError:
            continue
    return found


SHOPS = 80
"""So that a band of genuine payers has more than a handful of shops: its median is a statement about many."""


def play(home):
    """What a run of the command printed, and what it left behind."""
    program = [sys.executable, "-m", "fanxing", "town", "play", "--merchants", str(SHOPS), "--json"]
    running = subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(home)},
        start_new_session=True,
    )
    out, err = running.communicate(timeout=250)
    left = [pid for pid, session in sessions().items() if session == running.pid]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return running.returncode, out, err, left, list(home.iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return play(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def town(run):
    return json.loads(run[1].splitlines()[-1])


def test_it_ends_by_itself_and_leaves_nothing(run):
    code, out, err, left, files = run
    assert code == 0, err
    assert len(out.splitlines()) == 1
    assert (left, files) == ([], [])


def test_people_are_told_everything_and_that_it_is_simulated(run, town):
    told = " ".join(run[2].split())
    assert "The market town is simulated" in told
    assert town["simulated"] is True
    for row in town["decisions"]:
        assert row["reason"] in told
        assert row["sentence"] in told
    for title in ("by first reason", "genuine payers", "Twins", "What cheats got", "Milliseconds a call"):
        assert title in told
    for pair in town["twins"]:
        assert pair["disturbed"] in told
    for call in ("record", "score", "apply", "accept", "disburse"):
        assert town[f"{call}_calls"] > 0
        assert 0 < town[f"{call}_ms_p50"] <= town[f"{call}_ms_p99"]
        assert f"{town[f'{call}_ms_p99']:.1f}" in told
    assert f"{town['yuan_per_loan']:.4f} yuan a loan" in told
    assert "All ledger entries sum to 0 fen" in told


def test_the_books_balance_and_the_rail_paid_what_was_lent(town):
    loans = [shop for shop in town["shops"] if shop["loan_state"]]
    assert {shop["loan_state"] for shop in loans} == {"ACTIVE"}
    assert town["ledger_sum_fen"] == 0
    assert town["rail_payments"] == len(loans) == town["loans"]["ACTIVE"] > 0
    assert town["rail_fen"] == sum(shop["principal_fen"] for shop in loans) == town["disbursed_fen"]
    assert all(shop["principal_fen"] == shop["limit_fen"] for shop in town["shops"])
    assert {shop["merchant_id"] for shop in loans} == {
        shop["merchant_id"] for shop in town["shops"] if shop["outcome"] == "APPROVED"
    }


def test_the_score_beforehand_says_what_the_application_says(town):
    assert town["score_calls"] == town["apply_calls"] == town["merchants"] == len(town["shops"]) == SHOPS
    assert town["scored_otherwise"] == 0


def test_payments_that_came_twice_count_once(town):
    world = build_town(1, SHOPS)
    told = [(payment.merchant_id, payment.payment_id) for day in range(DAYS) for payment in feed(world, day)]
    assert town["payments"] == len(set(told))
    assert town["duplicates"] == len(told) - len(set(told)) > 0


def test_a_loan_costs_its_share_of_processor_and_store(town):
    """0.00017 yuan a second, 60 yuan a gigabyte: far below the 2 yuan of the public account."""
    whole = 0.00017 * town["cpu_seconds"] + 60e-9 * town["stored_bytes"]
    assert town["yuan_per_loan"] == pytest.approx(whole / town["loans"]["ACTIVE"], rel=1e-3)
    assert 0 < town["yuan_per_loan"] < 2


def documented_fen(pair):
    """Limit-and-price 7, 8 and 10, by hand: what the works take off a capacity that the payments allow."""
    values = pair["plain_inputs"]
    gross = 0.5 * MARGIN[pair["category"]] * values["sustainable_receipts_fen"]
    kept = 1.0
    for kind, delta in DELTA.items():
        kept *= 1 - delta * pair["disturbed_inputs"][f"works_{kind}_exposure"]
    net = gross - values["debt_service_monthly_fen"]
    return pair["plain_capacity_fen"] * gross * (1 - kept) / net


def test_twins_differ_by_the_documented_effect_or_the_cap_that_binds_is_named(town):
    assert [pair["works"] for pair in town["twins"]] == [["metro"], ["pipes"]]
    for pair in town["twins"]:
        assert pair["plain_term_months"] == pair["disturbed_term_months"] == 12
        assert pair["plain_fen"] > 0
        if pair["plain_binds"] == pair["disturbed_binds"] == "capacity":
            assert documented_fen(pair) > 0
            assert abs(pair["difference_fen"] - documented_fen(pair)) <= 10_000
            assert abs(pair["documented_fen"] - documented_fen(pair)) <= 1
            assert pair["named_fen"] == (pair["difference_fen"] or None)  # limits go in steps of 100 yuan
        else:
            assert pair["disturbed_binds"] in {"breadth", "turnover", "product", "group", "credit_report_not_asked"}
            assert pair["named_fen"] in {None, pair["difference_fen"]}
    assert any(pair["disturbed_binds"] == "capacity" and pair["difference_fen"] > 0 for pair in town["twins"])


def test_twins_are_alike_but_for_the_works(town):
    for pair in town["twins"]:
        plain, disturbed = pair["plain_inputs"], pair["disturbed_inputs"]
        works = {name for name in disturbed if name.startswith("works_")}
        assert {name for name in disturbed if disturbed[name] != plain.get(name)} < works
        assert not any(plain[name] for name in works)


def test_cheats_gain_less_than_a_hundredth_of_honest_merchants_with_as_many_payers(town):
    cheats = [shop for shop in town["shops"] if shop["kind"] in {"self", "ring"}]
    honest = [shop for shop in town["shops"] if shop["kind"] in {"honest", "twin"}]
    assert (sum(shop["kind"] == "self" for shop in cheats), len(cheats), len(honest)) == (4, 10, SHOPS - 10)
    for cheat in cheats:
        assert cheat["payers"] > 10
        assert cheat["genuine_payers"] == 0
        lent = [shop["limit_fen"] for shop in honest if shop["payers"] >= cheat["payers"] and shop["limit_fen"]]
        assert len(lent) >= 20
        assert cheat["limit_fen"] < 0.01 * min(lent)
    told = {row["merchant_id"]: row for row in town["cheats"]}
    assert told.keys() == {cheat["merchant_id"] for cheat in cheats}
    for row in told.values():
        assert row["peers_median_limit_fen"] > 0
        assert row["share_of_peers"] < 0.01


def test_the_tables_are_made_of_the_shops(town):
    shops = town["shops"]
    for row in town["decisions"]:
        told = [shop for shop in shops if (shop["outcome"], shop["reason"]) == (row["outcome"], row["reason"])]
        assert row["merchants"] == len(told)
    for row in town["limits_by_genuine_payers"]:
        band = [shop for shop in shops if row["payers_from"] <= shop["genuine_payers"] <= row["payers_to"]]
        assert (row["merchants"], row["approved"]) == (len(band), sum(shop["limit_fen"] > 0 for shop in band))
    for table in ("decisions", "limits_by_genuine_payers"):
        assert sum(row["merchants"] for row in town[table]) == len(shops)


def test_more_genuine_payers_more_limit(town):
    """Collect more, borrow more: by bands, the median limit rises and never falls."""
    medians = [row["median_limit_fen"] for row in town["limits_by_genuine_payers"]]
    assert medians == sorted(medians)
    assert medians[0] == 0 < medians[1] < medians[-1]


def test_the_same_seed_decides_the_same(town, tmp_path):
    again = json.loads(play(tmp_path)[1].splitlines()[-1])
    decided = [[{name: shop[name] for name in COMPARED} for shop in each["shops"]] for each in (town, again)]
    assert decided[0] == decided[1]
    for name in ("payments", "duplicates", "ledger_sum_fen", "rail_payments", "rail_fen"):
        assert again[name] == town[name]
