"""A rank is the share of peers below, and half of those equal; nobody is told apart, and nothing is made of a few."""

from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanxing.indicators import known_through
from fanxing.indicators import peers as peers_room
from fanxing.indicators.catalogue import GRAPH_NAMES, catalogue_digest, definition_of, names_with
from fanxing.indicators.peers import ACTIVE, CUTS, NO_PEERS, PEERS_MIN, RANKS, SPREAD, peers_of
from fanxing.indicators.peers_bytes import PeersDamaged, pack_peers, unpack_peers
from fanxing.indicators.questions import question_of
from fanxing.merchants import Merchant

NAME = "receipts_fen_90d"


def shop(number=0, category="buns", place="street"):
    return Merchant(
        merchant_id=f"m{number}", name="shop", category=category, place=place, opened_on=date(2026, 1, 1),
        code_activated_on=None, frontage=0, controller_token="c", licence_token="", payout_account_token="a",
        phone_token="", device_token="", time_zone="",
    )  # fmt: skip


def spread(values, name=NAME, **where):
    """Merchants of one cell with these values of an indicator."""
    rows = []
    for number, value in enumerate(values):
        row = np.full(len(SPREAD), np.nan)
        row[SPREAD.index(ACTIVE)] = 1
        row[SPREAD.index(name)] = np.nan if value is None else value
        rows.append((shop(number, **where), row))
    return rows


def midrank(values, value):
    return Fraction(2 * sum(each < value for each in values) + sum(each == value for each in values), 2 * len(values))


FEW_VALUES = st.lists(st.integers(0, 9), min_size=PEERS_MIN, max_size=260)
MANY_VALUES = st.lists(st.integers(-(10**15), 10**15), min_size=PEERS_MIN, max_size=260)


@given(values=FEW_VALUES | MANY_VALUES, others=st.lists(st.integers(-1, 11) | st.integers(-(10**16), 10**16)))
def test_a_rank_is_the_midrank_among_the_peers_to_half_a_percent(values, others):
    peers = peers_of(spread(values))
    asked = sorted({*values, *others})
    ranks = [peers.rank(NAME, shop(), float(each)) for each in asked]
    assert all(abs(Fraction(rank) - midrank(values, each)) <= Fraction(1, 200) + Fraction(1, 10**12)
               for rank, each in zip(ranks, asked, strict=True))  # fmt: skip
    assert ranks == sorted(ranks)
    assert all(0 < rank < 1 for rank in ranks)


@given(values=FEW_VALUES | MANY_VALUES)
def test_the_cuts_are_the_values_at_whole_percents(values):
    (cuts,) = peers_of(spread(values)).cuts[:, SPREAD.index(NAME)].tolist()
    ordered = sorted(values)
    assert cuts == [ordered[-(-k * len(values) // 100) - 1] for k in range(1, CUTS + 1)]


@pytest.mark.parametrize(
    ("values", "value", "rank"),
    [
        ([5] * 30, 5, 0.5),
        ([5] * 30, 4, 0.005),
        ([5] * 30, 6, 0.995),
        ([0] * 50 + [1] * 50, 0, 0.255),
        ([0] * 50 + [1] * 50, 0.5, 0.505),
        (range(100), 0, 0.01),
        (range(100), 50, 0.51),
        (range(100), 99, 0.995),
        (range(100), None, None),
        (range(100), np.nan, None),
    ],
)
def test_ties_count_half(values, value, rank):
    assert peers_of(spread(values)).rank(NAME, shop(), value) == rank


@pytest.mark.parametrize(
    ("values", "where", "published"),
    [
        (range(30), {}, True),
        (range(29), {}, False),
        ([*range(29), None], {}, False),
        ([*range(30), None], {}, True),
        (range(40), {"place": ""}, False),
    ],
)
def test_of_fewer_than_thirty_or_of_no_place_nothing_is_published(values, where, published):
    peers = peers_of(spread(values, **where))
    assert (peers.rank(NAME, shop(**where), 3.0) is not None) is published
    told = peers.merchants[:, SPREAD.index(NAME)].tolist()
    assert told == ([30] if published else [0] if len(values) == 30 else [])  # not even how few
    assert np.isnan(peers.cuts[peers.merchants == 0]).all()


def test_who_has_taken_nothing_of_late_is_nobodys_peer():
    active, idle = spread(range(29)), spread([1000] * 40)
    for _, row in idle:
        row[SPREAD.index(ACTIVE)] = 0
    assert peers_of([*active, *idle]).cells == {}
    assert peers_of([*active, *idle, *spread([29])]).merchants[0, SPREAD.index(NAME)] == 30


def test_a_rank_is_among_the_same_trade_in_the_same_place():
    rows = [*spread(range(30)), *spread(range(100, 130), place="market"), *spread(range(30), category="fruit")]
    peers = peers_of(rows)
    assert [*peers.cells] == [("buns", "market"), ("buns", "street"), ("fruit", "street")]
    assert [peers.rank(NAME, shop(place=place), 50.0) for place in ("market", "street", "alley")] == [
        0.005,
        0.995,
        None,
    ]
    assert peers.rank(NAME, shop(category="noodles"), 50.0) is None
    assert NO_PEERS.rank(NAME, shop(), 50.0) is None


def test_equal_peers_have_equal_bytes_that_read_back_to_the_same():
    rows = [*spread(range(30)), *spread(range(40), place="集市"), *spread([1, None] * 20, category="fruit")]
    peers, content = pack_peers(peers_of(rows), 7)
    assert pack_peers(peers_of(rows[::-1]), 7)[1] == content != pack_peers(peers_of(rows), 8)[1]
    read = unpack_peers(content, peers.digest)
    assert (read.names, read.cells, read.digest) == (peers.names, peers.cells, peers.digest)
    assert read.merchants.tolist() == peers.merchants.tolist()
    assert read.cuts.tobytes() == peers.cuts.tobytes()
    assert len(content) < 30_000 * len(read.cells)
    nothing, content = pack_peers(peers_of([]), 7)
    assert unpack_peers(content, nothing.digest).cells == {}


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: b""])
def test_damaged_bytes_are_not_believed(damage):
    peers, content = pack_peers(peers_of(spread(range(30))), 7)
    with pytest.raises(PeersDamaged):
        unpack_peers(damage(content), peers.digest)


def test_ranks_are_names_like_any_other():
    assert len({*RANKS}) == len(SPREAD) == 33
    assert {*RANKS} <= {*names_with("")}
    assert [*names_with("receipts_fen_90d_peer")] == ["receipts_fen_90d_peer_rank"]
    for rank, name in RANKS.items():
        assert (definition_of(rank).unit, definition_of(rank).missing) == ("ratio", "missing")
        assert definition_of(rank).meaning.startswith(definition_of(name).meaning)
        assert question_of(rank) is None
        assert name not in GRAPH_NAMES
    assert definition_of("receipts_fen_91d_peer_rank") is None


@pytest.mark.parametrize(
    ("room", "name"),
    [
        (known_through, "IN_USE_DAYS"),
        *((peers_room, name) for name in ("PEERS_MIN", "CUTS", "BEHIND_DAYS_MAX", "STALE_DAYS")),
    ],
)
def test_other_bounds_are_another_catalogue(monkeypatch, room, name):
    digest = catalogue_digest()
    monkeypatch.setattr(room, name, getattr(room, name) + 1)
    assert catalogue_digest.__wrapped__() != digest
