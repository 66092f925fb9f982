"""The town of size M is one world a seed, keeps its truth apart, and has every life, link and work of its spec."""

from dataclasses import fields, replace
from datetime import date, timedelta

import numpy as np
import pytest
from pyarrow import parquet
from tests.tiny_town import TINY, Files

from fanxing.facts import Fact
from fanxing.merchants import Merchant
from fanxing.payments import Payment
from fanxing.town.default import default_probability
from fanxing.town.medium.calendar import NEW_YEARS, calendar_of
from fanxing.town.medium.shops import street
from fanxing.town.medium.size import FIRST_DAY, MEDIUM
from fanxing.town.medium.trades import RHYTHMS, rhythm
from fanxing.town.medium.write import write_medium
from fanxing.town.world import DAY_US, HOUR_US

pytestmark = pytest.mark.xdist_group("town_files")
FIRST_US = ((FIRST_DAY - date(1970, 1, 1)).days * 24 - 8) * HOUR_US
END_US = FIRST_US + TINY.days * DAY_US
COUNTERS = {"registered_us", "payment_count", "fact_count", "last_told_us", "last_known_us", "version"}
PARTS = {"works": "works_kind", "debt": "debt_", "link": "link_"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("tiny") / "town"
    write_medium(8, TINY, out)
    return out


@pytest.fixture(scope="module")
def town(directory):
    return Files(directory)


def day_of(us):
    return (us - FIRST_US) // DAY_US


def files(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_seed_is_a_world_and_another_seed_another(directory, tmp_path):
    write_medium(8, TINY, tmp_path / "again")
    write_medium(9, TINY, tmp_path / "other")
    one, again, other = files(directory), files(tmp_path / "again"), files(tmp_path / "other")
    assert again == one
    assert other.keys() == one.keys()
    assert not [name for name in one if other[name] == one[name]]


def test_size_m_is_as_large_as_the_spec_says():
    assert (MEDIUM.merchants, MEDIUM.days, MEDIUM.twins, MEDIUM.chains) == (2000, 730, 40, 8)
    assert MEDIUM.residents + MEDIUM.villagers + MEDIUM.tourists == 60_000


def test_feeds_have_the_engines_fields_and_none_else(directory):
    columns = {path.stem: set(parquet.read_schema(path).names) for path in (directory / "feeds").iterdir()}
    assert columns.keys() == {"merchants", "payments", "facts"}
    assert columns["merchants"] == {field.name for field in fields(Merchant)} - COUNTERS
    assert columns["payments"] == {*Payment.__struct_fields__} | {"known_us"}
    parts = {name for name in columns["facts"] if any(name.startswith(start) for start in PARTS.values())}
    assert columns["facts"] - parts == {field.name for field in fields(Fact)} - {"fact_seq"} - PARTS.keys()


def seen(town, kind):
    """(merchant, day) of each receipt of each account of a kind."""
    visits = {token: [] for token, row in town.accounts.items() if row["kind"] == kind}
    receipts = town.payments["kind"] == "RECEIPT"
    days = day_of(town.payments["occurred_us"])
    for token, merchant, day in zip(
        town.payments["payer_token"][receipts], town.payments["merchant_id"][receipts], days[receipts], strict=True
    ):
        if token in visits:
            visits[token].append((merchant, day))
    return {token: found for token, found in visits.items() if found}


def test_villagers_use_one_shop_and_tourists_stay_some_days(town):
    villagers, tourists, residents = (seen(town, kind) for kind in ("villager", "tourist", "resident"))
    places = {merchant_id: row["place"] for merchant_id, row in town.merchants.items()}
    sold = {name: min(pair) for pair in town.linked("sold") for name in pair}
    assert len(villagers) > 50
    for token, visits in villagers.items():
        assert {places[merchant] for merchant, _ in visits} == {town.accounts[token]["place"]}
        assert len({town.true[merchant]["twin_of"] or sold.get(merchant, merchant) for merchant, _ in visits}) == 1
    assert len(tourists) > 300
    for visits in tourists.values():
        days = [day for _, day in visits]
        assert max(days) - min(days) <= 4
    shops = [len({merchant for merchant, _ in visits}) for visits in residents.values()]
    assert np.median(shops) > 3


def test_regulars_come_back(town):
    honest = [name for name, row in town.true.items() if not row["cheat"] and not row["life"]]
    often = 0
    for merchant_id in honest[:10]:
        _, visits = np.unique(town.of(merchant_id, kind="RECEIPT")["payer_token"], return_counts=True)
        often += (visits >= 5).sum()
    assert often > 100


def test_shops_close_keep_their_season_and_move(town):
    lives = {life: [name for name, row in town.true.items() if row["life"] == life] for life in ("closed", "seasonal")}
    assert all(lives.values())
    for merchant_id in lives["closed"]:
        receipts = town.of(merchant_id, kind="RECEIPT")
        assert day_of(receipts["occurred_us"]).max() < (town.true[merchant_id]["closed_on"] - FIRST_DAY).days
    for merchant_id in lives["seasonal"]:
        days = np.unique(day_of(town.of(merchant_id, kind="RECEIPT")["occurred_us"]))
        assert not len(days) or np.diff(days, prepend=-1, append=TINY.days).max() > 30
    for merchant_id in [name for name, row in town.true.items() if row["life"] == "moved"]:
        receipts = town.of(merchant_id, kind="RECEIPT")
        after = day_of(receipts["occurred_us"]) >= (town.true[merchant_id]["moved_on"] - FIRST_DAY).days
        homes = np.array([town.accounts[token]["place"] if token else "" for token in receipts["payer_token"]])
        here = homes == town.merchants[merchant_id]["place"]
        assert min(after.sum(), (~after).sum()) < 30 or here[after].mean() > 2 * here[~after].mean()


def test_a_hand_has_five_shops_openly_or_by_nominees(town):
    chains = town.linked("one_hand")
    assert [len(chain) for chain in chains] == [5] * TINY.chains
    signs = []
    for chain in chains:
        assert len({town.true[name]["hand"] for name in chain}) == 1
        tokens = ("controller_token", "payout_account_token", "phone_token", "device_token", "licence_token")
        signs.append(frozenset(t for t in tokens if len({town.merchants[name][t] for name in chain}) == 1))
    assert sorted(map(sorted, signs)) == [
        ["controller_token"], ["controller_token"], ["payout_account_token"], ["phone_token"]
    ]  # fmt: skip


def test_sold_shops_and_relatives_are_two_hands(town):
    for relation in ("sold", "relatives"):
        pairs = town.linked(relation)
        assert len(pairs) == 2
        for one, other in pairs:
            assert town.merchants[one]["device_token"] == town.merchants[other]["device_token"]
            assert town.true[one]["hand"] != town.true[other]["hand"]
            payers = [set(town.of(name, kind="RECEIPT")["payer_token"]) - {""} for name in (one, other)]
            shared = len(payers[0] & payers[1]) / min(map(len, payers))
            assert shared > 0.25 or relation == "relatives"


def test_personal_codes_take_trade(town):
    personal = {name: row["personal_code_share"] for name, row in town.true.items() if row["personal_code_share"]}
    assert personal
    for merchant_id, share in personal.items():
        receipts = town.of(merchant_id, kind="RECEIPT", fake=False)
        assert abs((receipts["code_kind"] == "PERSONAL").mean() - share) < 0.1


def test_twins_are_alike_until_works_cost_what_the_truth_says(town):
    twins = {name: row["twin_of"] for name, row in town.true.items() if row["twin_of"]}
    assert len(twins) == TINY.twins
    names = ("payer_token", "amount_fen", "occurred_us", "kind", "device_token", "instrument", "known_us")
    lost = []
    for disturbed, plain in twins.items():
        works, one, other = town.works[disturbed], town.of(plain), town.of(disturbed)
        first = (works["actual_from"] - FIRST_DAY).days if works["actual_from"] and works["effect"] else TINY.days
        before = [day_of(each["known_us"]) < first for each in (one, other)]
        for name in names:
            assert (one[name][before[0]] == other[name][before[1]]).all()
        if first < TINY.days:
            days = [day_of(each["occurred_us"][each["kind"] == "RECEIPT"]) for each in (one, other)]
            last = min((works["actual_to"] - FIRST_DAY).days, TINY.days - 6)
            came = [((each >= first) & (each <= last)).sum() for each in days]
            share = works["effect"] * town.merchants[disturbed]["frontage"]
            assert abs(came[0] - came[1] - share * came[0]) <= 4 * np.sqrt(share * came[0])
            lost.append(came[0] - came[1])
    assert sum(lost) > 50
    effects = [row["effect"] for row in town.works.values()]
    assert 0 < sum(effect == 0 for effect in effects) < len(effects)


def test_works_are_announced_and_then_late_or_cancelled(town):
    works = {row["fact_id"]: row for row in town.facts if row["kind"] == "WORKS"}
    assert {row["fate"] for row in town.works.values()} == {"held", "late", "cancelled"}
    assert {row["merchant_id"] for row in works.values()} == town.works.keys()
    for merchant_id, truth in town.works.items():
        told = sorted((row for row in works.values() if row["merchant_id"] == merchant_id), key=lambda r: r["known_us"])
        assert (told[0]["valid_from"], told[0]["valid_to"]) == (truth["planned_from"], truth["planned_to"])
        assert day_of(told[0]["known_us"]) == (truth["announced_on"] - FIRST_DAY).days
        for later in told[1:]:
            assert later["supersedes"] == told[0]["fact_id"]
            assert later["none_found"] == (truth["fate"] == "cancelled") == (later["works_kind"] is None)
            if truth["fate"] == "late":
                assert later["valid_from"] == truth["actual_from"] > truth["planned_from"]


def test_debts_are_told_in_part_and_nothing_after_the_end(town):
    told = {row["merchant_id"] for row in town.facts if row["kind"] == "DEBT" and not row["none_found"]}
    asked = {row["merchant_id"] for row in town.facts if row["kind"] == "CREDIT_REPORT"}
    owing = {name for name, row in town.true.items() if row["debt_service_fen"]}
    untold = {name for name, row in town.true.items() if row["untold_debt_fen"]}
    assert told <= asked < town.true.keys()
    assert told <= owing
    assert untold
    assert all(row["known_us"] < END_US for row in town.facts)
    links = [row for row in town.facts if row["kind"] == "LINK"]
    assert {row["link_relation"] for row in links} <= {"same_controller", "family"}


def test_farms_have_spent_relief_loans():
    shops = street(1, MEDIUM)
    relieved = [shop for shop in shops if any(debt.source == "relief-office" for debt in shop.debts)]
    assert 10 < len(relieved) < len([shop for shop in shops if shop.trade == "farm"])
    assert {shop.trade for shop in relieved} == {"farm"}
    assert all(shop.is_village(MEDIUM) for shop in relieved)


def test_default_follows_cash_flow(town):
    open_honest = [row for row in town.true.values() if not row["cheat"] and not row["closed_on"]]
    owing = [row["default_probability"] for row in open_honest if row["debt_service_fen"]]
    free = [row["default_probability"] for row in open_honest if not row["debt_service_fen"]]
    cheats = [row["default_probability"] for row in town.true.values() if row["cheat"]]
    assert 0.005 < np.median(free) < np.median(owing) < np.median(cheats)
    assert all(0 < row["default_probability"] < 1 for row in town.true.values())
    assert all(0.2 <= row["loss_given_default"] <= 1 for row in town.true.values())
    expected = sum(row["default_probability"] for row in town.true.values())
    assert abs(sum(row["defaulted"] for row in town.true.values()) - expected) < 15


def test_more_lent_is_likelier_lost_unless_nothing_depends_on_it():
    loans = np.array([0.0, 1e6, 2e6, 4e6])
    chance = default_probability(np.full(4, -5.0), np.full(4, 1e4), loans, np.full(4, 2e5))
    assert (np.diff(chance) > 0).all()
    assert chance[0] == pytest.approx(1 / (1 + np.exp(5 - 4 * 0.05)))
    assert len(set(default_probability(np.full(4, 3.0), np.full(4, 1e4), loans, np.full(4, np.nan)))) == 1


def test_festival_rain_and_downturn_move_trade():
    calendar = calendar_of(1, MEDIUM)
    for new_year in NEW_YEARS:
        assert calendar.festival[(new_year - FIRST_DAY).days]
    assert calendar.weekday[0] == FIRST_DAY.weekday()
    assert (FIRST_DAY + timedelta(days=int(np.flatnonzero(calendar.holiday)[0]))).strftime("%m%d") == "1001"
    assert 0.2 < calendar.rain.mean() < 0.5
    assert calendar.downturn.min() < 0.9 < calendar.downturn[0]
    for trade in RHYTHMS:
        level = rhythm(trade, calendar)
        assert level[calendar.festival].mean() < level.mean()
    farm = rhythm("farm", calendar)
    assert farm.max() > 5 * farm.min()


def test_an_outage_of_the_feed_moves_no_trade(directory, tmp_path):
    write_medium(8, replace(TINY, outage_day=50), tmp_path / "town")
    one, other = (parquet.read_table(each / "truth" / "merchants.parquet") for each in (directory, tmp_path / "town"))
    assert one == other
