"""The town of size M has every cheat, each by its own way, and no single sign gives it away."""

import re
from datetime import date

import numpy as np
import pytest
from tests.tiny_town import TINY, Files

from fanxing.town.medium.roles import CHEATS
from fanxing.town.medium.size import FIRST_DAY
from fanxing.town.medium.write import write_medium
from fanxing.town.world import DAY_US, HOUR_US

pytestmark = pytest.mark.xdist_group("town_files")
FIRST_US = ((FIRST_DAY - date(1970, 1, 1)).days * 24 - 8) * HOUR_US
END_US = FIRST_US + TINY.days * DAY_US


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    out = tmp_path_factory.mktemp("cheats") / "town"
    write_medium(8, TINY, out)
    return Files(out)


def day_of(us):
    return (us - FIRST_US) // DAY_US


def test_no_word_tells_the_truth(town):
    words = re.compile("ring|wash|self|twin|bust|cash|fake|bought|relative|cheat|genuine|fraud|default|resident|touris")
    told = [row[name] for row in town.merchants.values() for name in row if isinstance(row[name], str)]
    told += [row[name] for row in town.facts for name in row if isinstance(row[name], str)]
    for name in ("payment_id", "payer_token", "device_token", "channel", "refund_of"):
        told += list(set(town.payments[name]))
    assert not [text for text in set(told) if words.search(text)]


def test_tokens_and_ids_of_cheats_look_like_everyones(town):
    def shapes(chosen):
        names = ("payment_id", "payer_token", "device_token", "kind", "channel", "code_kind", "instrument")
        return {(name, re.sub(r"\d+", "9", text)) for name in names for text in set(town.payments[name][chosen])}

    fake = town.payments["fake"]
    assert 0.01 < fake.mean() < 0.4
    assert shapes(fake) <= shapes(~fake)
    cheats = np.array([bool(town.true[name]["cheat"]) for name in sorted(town.true)])
    ranks = np.flatnonzero(cheats) / len(cheats)
    assert 0.35 < ranks.mean() < 0.65
    tokens = {kind: [int(token.split("-")[1]) for token, row in town.accounts.items() if row["kind"] == kind]
              for kind in ("bought", "resident")}  # fmt: skip
    assert 0.4 < np.mean(tokens["bought"]) / len(town.accounts) < 0.6
    assert 0.45 < np.mean(tokens["resident"]) / len(town.accounts) < 0.55


def test_every_cheat_is_there_and_begins_with_some_trade_of_its_own(town):
    assert {row["cheat"] for row in town.true.values()} == {"", *CHEATS}
    for merchant_id, row in town.true.items():
        own = town.of(merchant_id)
        assert own["fake"].any() == bool(row["cheat"])
        if row["cheat"]:
            since = (row["cheat_since"] - FIRST_DAY).days
            assert day_of(own["occurred_us"][own["fake"]]).min() >= since - 1
            assert (own["kind"][~own["fake"]] == "RECEIPT").any()
            assert row["apparent_fen_90d"] > row["genuine_fen_90d"] > 0


def test_self_payers_pay_from_the_family_and_often_from_their_own_device(town):
    for merchant_id in town.cheats("self_payment"):
        fakes, merchant = town.of(merchant_id, fake=True, kind="RECEIPT"), town.merchants[merchant_id]
        payers = set(fakes["payer_token"]) - {""}
        assert merchant["controller_token"] in payers or len(payers) >= 7
        assert len(payers) <= 24
        assert 0.05 < (fakes["device_token"] == merchant["device_token"]).mean() < 0.65


def test_buyers_use_accounts_of_one_market(town):
    payers = []
    for merchant_id in town.cheats("bought_accounts"):
        used = set(town.of(merchant_id, fake=True, kind="RECEIPT")["payer_token"]) - {""}
        assert {town.accounts[token]["kind"] for token in used} == {"bought"}
        payers.append(used)
    assert payers[0] & payers[1]


def test_a_ring_pays_at_each_others(town):
    (ring,) = town.linked("ring")
    assert ring == set(town.cheats("ring"))
    owners = {town.merchants[name]["controller_token"] for name in ring}
    for merchant_id in ring:
        payers = set(town.of(merchant_id, fake=True, kind="RECEIPT")["payer_token"])
        assert town.merchants[merchant_id]["controller_token"] not in payers
        assert len(payers & owners) >= 3


def test_what_goes_round_a_loop_is_the_same_sum(town):
    loop = town.cheats("wash_loop")
    owner = {town.merchants[name]["controller_token"]: name for name in loop}
    paid = 0
    for merchant_id in loop:
        out = town.of(merchant_id, fake=True, kind="OUTFLOW")
        for payer, fen, at in zip(out["payer_token"], out["amount_fen"], out["occurred_us"], strict=True):
            taken = town.of(owner[payer], fake=True, kind="RECEIPT")
            own = taken["payer_token"] == town.merchants[merchant_id]["controller_token"]
            same = own & (taken["amount_fen"] == fen) & (np.abs(taken["occurred_us"] - at) <= HOUR_US * 2)
            paid += same.any()
    assert paid > 0.8 * sum(len(town.of(name, fake=True, kind="OUTFLOW")["amount_fen"]) for name in loop) > 20


def test_cash_goes_out_to_who_paid_by_credit(town):
    for merchant_id in town.cheats("cash_out"):
        taken, paid = (town.of(merchant_id, fake=True, kind=kind) for kind in ("RECEIPT", "OUTFLOW"))
        assert set(taken["instrument"]) == {"CREDIT"}
        known = np.isin(paid["payer_token"], taken["payer_token"])[paid["payer_token"] != ""]
        assert known.mean() > 0.85  # some are unknown to the code, but not to the bank
        assert 0.4 < (paid["payer_token"] != "").mean() < 0.8
        assert 0.96 < paid["amount_fen"].sum() / taken["amount_fen"].sum() < 1


def test_who_busts_out_swells_at_the_end_and_defaults(town):
    for merchant_id in town.cheats("bust_out"):
        row = town.true[merchant_id]
        assert 50 <= TINY.days - (row["cheat_since"] - FIRST_DAY).days <= 100
        assert row["apparent_fen_90d"] > 1.5 * row["genuine_fen_90d"]
        assert row["default_probability"] > 0.9


def test_no_sign_stands_at_cheats_alone(town):
    """What a single honest column would give away: named outflows, amounts, young accounts, tills that pay."""
    fake, kind = town.payments["fake"], town.payments["kind"]
    named = town.payments["payer_token"] != ""
    out = kind == "OUTFLOW"
    assert (out & named & ~fake).sum() > (out & named & fake).sum()
    receipts = kind == "RECEIPT"
    for chosen in (fake, ~fake):
        assert set(town.payments["amount_fen"][receipts & chosen] % 10) == {0}
    young = receipts & (town.payments["payer_account_age_days"] < 60)
    assert (young & ~fake).sum() > 100
    till = np.array([town.merchants[name]["device_token"] for name in town.payments["merchant_id"]])
    own = receipts & (till == town.payments["device_token"])
    assert (own & ~fake).sum() > 10
    opened = [row["opened_on"] for row in town.merchants.values()]
    assert max(map(opened.count, opened)) <= 4
