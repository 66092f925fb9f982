"""A day's graph as bytes: what goes in comes out, and what was touched is refused with a sentence."""

import hashlib
from datetime import date, timedelta

import numpy as np
import pytest
from tests.unit.test_graph import DAY, people, seen, shop, vouching

from fanxing.indicators.graph import build_graph
from fanxing.indicators.graph_bytes import MAGIC, GraphDamaged, pack_graph, unpack_graph
from fanxing.indicators.salted import salted


def market(count=12):
    shops = [shop(f"m{number}", f"hand-{number // 2}", "till" if number < 3 else "") for number in range(count)]
    sightings = [each for place, one in enumerate(shops) for each in seen(people(place, 3 * place), one.merchant_id)]
    return sightings, shops


def packed(sightings, shops, institution_id="bank"):
    return pack_graph(build_graph(sightings, shops, DAY, institution_id), DAY)


@pytest.mark.parametrize("count", [0, 1, 12])
def test_what_was_packed_says_the_same_of_everyone(count):
    sightings, shops = market(count)
    graph, content = packed(sightings, shops)
    again = unpack_graph(content, graph.digest, DAY, "bank")
    assert pack_graph(again, DAY)[1] == content
    for one in [*shops, shop("stranger")]:
        assert again.own(one) == graph.own(one)
        for payer in ["nobody", *people(0, 3 * count)]:
            assert vouching(again, payer, one) == vouching(graph, payer, one)


def test_more_clusters_than_sixteen_bits_count_keep_their_numbers():
    shops = [shop(f"m{number:06}") for number in range(1 << 16 | 1)]
    graph, content = packed(seen(["ann"], shops[0].merchant_id) + seen(["ann"], shops[-1].merchant_id), shops)
    again = unpack_graph(content, graph.digest, DAY, "bank")
    assert again.vouching.tolist() == [0, 1 << 16]
    assert again.own(shops[-1]) == {1 << 16}


def test_every_flipped_byte_and_every_cut_is_refused():
    graph, content = packed(*market())
    chance = np.random.default_rng(3)
    for place in {*range(64), *chance.integers(0, len(content), 200).tolist()}:
        touched = bytearray(content)
        touched[place] ^= 1 << int(chance.integers(8))
        with pytest.raises(GraphDamaged, match="have the digest"):
            unpack_graph(bytes(touched), graph.digest, DAY, "bank")
    for length in (0, 7, 28, len(content) - 1):
        with pytest.raises(GraphDamaged, match=f"its {length} bytes"):
            unpack_graph(content[:length], graph.digest, DAY, "bank")


def test_another_days_graph_and_a_later_form_are_refused_by_name():
    graph, content = packed(*market())
    with pytest.raises(GraphDamaged, match="it is the graph of 2026-09-01"):
        unpack_graph(content, graph.digest, DAY + timedelta(days=1), "bank")
    later = b"fxgraph\x02" + content[len(MAGIC) :]
    with pytest.raises(GraphDamaged, match="this code reads"):
        unpack_graph(later, hashlib.sha256(later).hexdigest(), DAY, "bank")


def test_two_institutions_graphs_have_no_name_in_common_and_none_in_clear():
    (one, content), (other, _) = packed(*market()), packed(*market(), institution_id="union")
    for names in ("hands", "payers"):
        assert not {*getattr(one, names).tolist()} & {*getattr(other, names).tolist()}
    assert b"payer-" not in content
    assert salted("bank", [("payer", "ann")]) != salted("bank", [("controller", "ann")])


def test_the_form_is_what_was_stored_yesterday():
    """A change of it needs another version in MAGIC: decisions name their graphs by these digests."""
    graph, _ = pack_graph(build_graph(*market(), date(2026, 9, 1), "bank"), date(2026, 9, 1))
    assert graph.digest == "37c87f6603b854dc3d90f443ce6809e3f333fc81a78e75c72d80518c562ff7d8"
