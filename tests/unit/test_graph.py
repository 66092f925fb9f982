"""The payer graph: who may vouch for a payer, by the definitions of limit-and-price 3 and 4 in plain sets."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanxing.indicators.graph import build_graph
from fanxing.indicators.graph_bytes import pack_graph
from fanxing.indicators.salted import salted
from fanxing.merchants import Merchant
from fanxing.payments import Sighting

DAY = date(2026, 9, 1)


def shop(name, controller="", device="", age_days=400):
    return Merchant(
        merchant_id=name,
        name="",
        category="buns",
        opened_on=DAY - timedelta(days=age_days),
        code_activated_on=None,
        place="",
        frontage=1.0,
        controller_token=controller or f"hand-of-{name}",
        licence_token="",
        payout_account_token="",
        phone_token="",
        device_token=device,
        time_zone="Asia/Shanghai",
    )


def seen(payers, name):
    return [Sighting(payer_token=payer, merchant_id=name, net_fen=300) for payer in payers]


def people(first, last):
    return [f"payer-{number}" for number in range(first, last)]


def built(sightings, shops, day=DAY):
    """The graph with its digest."""
    return pack_graph(build_graph(sightings, shops, day, "bank"), day)[0]


def vouching(graph, payer, one):
    return graph.vouching_for([payer], graph.own(one))[0]


def cluster(graph, name):
    place = np.searchsorted(graph.hands, salted("bank", [("merchant", name)]))
    return int(graph.clusters[place][0])


def joined(graph, one, other):
    return cluster(graph, one) == cluster(graph, other)


def test_one_controller_makes_one_cluster_through_any_chain():
    shops = [shop("a", "hand", "till"), shop("b", "hand"), shop("c", device="till"), shop("d")]
    graph = built([], shops)
    assert joined(graph, "a", "b")
    assert joined(graph, "b", "c")
    assert not joined(graph, "a", "d")


def test_an_unknown_controller_or_device_joins_nobody():
    shops = [shop("a"), shop("b"), shop("c")]
    graph = built([], shops)
    assert len({cluster(graph, one.merchant_id) for one in shops}) == 3


@pytest.mark.parametrize(
    ("shared", "one", "other", "together"),
    [
        (6, 20, 20, True),
        (5, 20, 20, False),
        (30, 100, 100, True),
        (29, 100, 100, False),
        (30, 100, 101, False),
        (5, 5, 16, True),
        (5, 5, 17, False),
        (4, 4, 4, False),
    ],
)
def test_shared_payers_join_from_thirty_per_cent_of_each(shared, one, other, together):
    sightings = seen(people(0, one), "a") + seen(people(one - shared, one - shared + other), "b")
    assert joined(built(sightings, [shop("a"), shop("b")]), "a", "b") is together


def test_a_kiosk_is_not_joined_to_the_hall_that_all_its_payers_go_to():
    sightings = seen(people(0, 20), "kiosk") + seen(people(0, 1000), "hall")
    assert not joined(built(sightings, [shop("kiosk"), shop("hall")]), "kiosk", "hall")


@pytest.mark.parametrize(("age_days", "vouches"), [(89, False), (90, True)])
def test_a_merchant_vouches_from_ninety_days(age_days, vouches):
    graph = built(seen(["ann"], "young"), [shop("young", age_days=age_days), shop("other")])
    assert bool(vouching(graph, "ann", shop("other"))) is vouches


def test_a_young_merchant_does_not_vouch_through_an_old_one_of_its_cluster():
    shops = [shop("young", "hand", age_days=10), shop("old", "hand"), shop("other")]
    graph = built(seen(["ann"], "young") + seen(["bo"], "old"), shops)
    assert vouching(graph, "ann", shop("other")) == ()
    assert len(vouching(graph, "bo", shop("other"))) == 1


def test_a_cluster_never_vouches_for_its_own_payers():
    shops = [shop("a", "hand"), shop("b", "hand"), shop("c")]
    sightings = seen(["ann"], "a") + seen(["ann"], "b") + seen(["ann"], "c")
    graph = built(sightings, shops)
    assert vouching(graph, "ann", shop("a")) == vouching(graph, "ann", shop("b")) == (cluster(graph, "c"),)
    assert vouching(graph, "ann", shop("c")) == (cluster(graph, "a"),)


def test_two_shops_of_one_hand_vouch_once():
    shops = [shop("a", "hand"), shop("b", "hand"), shop("c")]
    graph = built(seen(["ann"], "a") + seen(["ann"], "b"), shops)
    assert len(vouching(graph, "ann", shop("c"))) == 1


TOKENS = st.sampled_from(["", "one", "two"])
SHOPS = st.lists(st.tuples(TOKENS, TOKENS, st.sampled_from([0, 89, 90, 400])), max_size=6).map(
    lambda rows: [shop(f"m{place}", hand, till, age) for place, (hand, till, age) in enumerate(rows)]
)


@st.composite
def markets(draw):
    """Up to six shops, each seen by a run of payers, so that many pairs share about 30 %."""
    shops = draw(SHOPS)
    runs = [(draw(st.integers(0, 24)), draw(st.integers(0, 22))) for _ in shops]
    return shops, [each for one, (first, count) in zip(shops, runs, strict=True) for each in visits(one, first, count)]


def visits(one, first, count):
    return seen(people(first, first + count), one.merchant_id)


def clusters_of(shops, sightings):
    """Sets of shops joined by hand, device or payers, and what they are joined with."""
    payers = {one.merchant_id: {s.payer_token for s in sightings if s.merchant_id == one.merchant_id} for one in shops}

    def linked(one, other):
        shared = len(payers[one.merchant_id] & payers[other.merchant_id])
        sizes = len(payers[one.merchant_id]), len(payers[other.merchant_id])
        return (
            one.controller_token == other.controller_token
            or (one.device_token and one.device_token == other.device_token)
            or (shared >= 5 and all(100 * shared >= 30 * size for size in sizes))
        )

    groups = []
    for one in shops:
        near = [group for group in groups if any(linked(one, other) for other in group)]
        groups = [group for group in groups if group not in near] + [[one, *(each for group in near for each in group)]]
    return [frozenset(each.merchant_id for each in group) for group in groups]


@given(markets())
@settings(max_examples=300, deadline=None)
def test_clusters_and_vouchers_are_what_the_definitions_say(market):
    shops, sightings = market
    graph = built(sightings, shops)
    groups = clusters_of(shops, sightings)
    found = {}
    for one in shops:
        found.setdefault(cluster(graph, one.merchant_id), set()).add(one.merchant_id)
    assert {frozenset(group) for group in found.values()} == {*groups}
    old = {one.merchant_id for one in shops if one.opened_on <= DAY - timedelta(days=90)}
    for payer in people(0, 46):
        at = {each.merchant_id for each in sightings if each.payer_token == payer}
        for one in shops:
            wanted = [group for group in groups if one.merchant_id not in group and group & at & old]
            assert len(vouching(graph, payer, one)) == len(wanted)


@given(markets(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_what_was_seen_does_not_matter_and_the_day_does(market, chance):
    shops, sightings = market
    graph = built(sightings, shops)
    chance.shuffle(mixed := [*sightings])
    chance.shuffle(moved := [*shops])
    assert built(mixed, moved).digest == graph.digest
    assert built(mixed, moved, DAY + timedelta(days=1)).digest != graph.digest


def test_the_digest_tells_of_every_payer_every_hand_and_every_shop():
    shops, sightings = [shop("a"), shop("b")], seen(["ann"], "a")
    graphs = [
        built(sightings, shops),
        built([*sightings, *seen(["bo"], "a")], shops),
        built([*sightings, *seen(["ann"], "b")], shops),
        built(sightings, [*shops, shop("c")]),
        built(sightings, [shop("a"), shop("b", device="till")]),
        built(sightings, [shop("a"), shop("b", "hand-of-a")]),
    ]
    assert len({graph.digest for graph in graphs}) == len(graphs)


def test_a_shop_that_the_graph_does_not_know_yet_is_not_vouched_for_by_its_own_hand():
    """A shop may be registered after the day's graph was built, and bring half a year of receipts with it."""
    graph = built(seen(["ann"], "sister") + seen(["ann"], "c"), [shop("sister", "hand"), shop("c")])
    assert vouching(graph, "ann", shop("new", "hand")) == (cluster(graph, "c"),)
    assert len(vouching(graph, "ann", shop("new"))) == 2
