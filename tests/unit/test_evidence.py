"""Evidence B: a max-flow that nobody can buy (limit-and-price 3 and 5)."""

from collections import defaultdict, deque
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanxing.indicators.ask import Ask
from fanxing.indicators.exposure import NOTHING_DRAWN
from fanxing.indicators.graph import build_graph, evidence, wallet_evidence
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.measure import measure
from fanxing.merchants import Merchant
from fanxing.payments import PaymentKind, RecordedPayment, Sighting


def flow(found, wallets):
    """The most that can flow, by shortest augmenting paths over exact fractions of a payer."""
    room = defaultdict(Fraction)
    for number, (clusters, wallet) in enumerate(zip(found, wallets, strict=True)):
        payer = f"payer {number}"
        room[payer, "sink"] = Fraction(1)
        for cluster in clusters:
            room["source", cluster] = Fraction(30)
            room[cluster, payer] = Fraction(1, 3)
        if wallet:
            room["source", "wallets"] = Fraction(20)
            room["wallets", payer] = Fraction(1, 4)
    near = defaultdict(set)
    for one, other in room:
        near[one].add(other)
        near[other].add(one)
    total = Fraction(0)
    while path := shortest(near, room):
        least = min(room[edge] for edge in path)
        for one, other in path:
            room[one, other] -= least
            room[other, one] += least
        total += least
    return total


def shortest(near, room):
    came, waiting = {"source": None}, deque(["source"])
    while waiting and "sink" not in came:
        here = waiting.popleft()
        for there in sorted(near[here], key=str):
            if there not in came and room[here, there] > 0:
                came[there] = here
                waiting.append(there)
    path, here = [], "sink"
    while came.get(here) is not None:
        path.append((came[here], here))
        here = came[here]
    return path


CROWDS = st.lists(
    st.tuples(st.sets(st.integers(0, 4)).map(lambda found: tuple(sorted(found))), st.booleans(), st.integers(1, 60)),
    min_size=1,
    max_size=5,
)
"""Payers alike: the clusters that vouch, whether the wallet is evidence, how many; some fill a cluster's 30."""


def spread(crowds):
    found = [clusters for clusters, _, count in crowds for _ in range(count)]
    return found, [wallet for _, wallet, count in crowds for _ in range(count)]


def of(crowds):
    """B in its own grain, so that sums and differences are exact."""
    return Fraction(round(12 * evidence(*spread(crowds))), 12)


@given(CROWDS)
@settings(max_examples=60, deadline=None)
def test_it_is_the_most_that_can_flow(crowds):
    assert evidence(*spread(crowds)) == pytest.approx(float(flow(*spread(crowds))), rel=1e-12)


@pytest.mark.parametrize(
    ("clusters", "wallet", "count", "payers"),
    [
        ((), False, 50, 0),
        ((), True, 1, 0.25),
        ((), True, 80, 20),
        ((), True, 81, 20),
        ((1,), False, 90, 30),
        ((1,), False, 91, 30),
        ((1,), True, 12, 7),
        ((1, 2, 3), False, 50, 50),
        ((1, 2, 3, 4), True, 7, 7),
        ((1, 2, 3), False, 91, 90),
    ],
)
def test_what_a_crowd_is_worth(clusters, wallet, count, payers):
    assert of([(clusters, wallet, count)]) == payers


def test_a_full_cluster_makes_room_by_leaving_payers_to_others():
    """30 of cluster 1 go to those whom nobody else vouches for; a greedy sum would spend them on the first payers."""
    assert of([((1, 2, 3, 4), False, 30), ((1,), False, 90)]) == 60


@given(CROWDS, st.integers(1, 5), st.integers(1, 300), st.booleans())
@settings(max_examples=60, deadline=None)
def test_attackers_add_at_most_thirty_a_cluster_and_twenty_by_wallets(crowds, clusters, fakes, wallet):
    attackers = tuple(range(100, 100 + clusters))
    before = of(crowds)
    assert of([*crowds, ((), False, fakes)]) == before
    assert before <= of([*crowds, ((), True, fakes)]) <= before + 20
    assert before <= of([*crowds, (attackers, wallet, fakes)]) <= before + 30 * clusters + 20 * wallet
    bought = [((*found, *attackers), owned, count) for found, owned, count in crowds]
    assert before <= of(bought) <= before + 30 * clusters


@given(CROWDS, CROWDS, st.data())
@settings(max_examples=60, deadline=None)
def test_more_payers_more_vouchers_or_more_wallets_never_lower_it(crowds, others, data):
    assert of([*crowds, *others]) >= of(crowds)
    found, wallets = spread(crowds)
    place = data.draw(st.integers(0, len(found) - 1))
    more = [*found]
    more[place] = (*found[place], 77)
    assert evidence(found, wallets) <= evidence(more, wallets) <= evidence(found, wallets) + 1 / 3 + 1e-9
    wallets[place] = True
    assert evidence(found, wallets) >= evidence(*spread(crowds))


@given(CROWDS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_and_the_names_of_clusters_do_not_matter(crowds, chance):
    found, wallets = spread(crowds)
    payers = [*zip(found, wallets, strict=True)]
    chance.shuffle(payers)
    renamed = [tuple(1000 - cluster for cluster in each) for each, _ in payers]
    assert evidence(renamed, [wallet for _, wallet in payers]) == evidence(found, wallets)


@given(CROWDS)
@settings(max_examples=40, deadline=None)
def test_wallets_alone_are_worth_what_is_left_when_nobody_vouches(crowds):
    wallets = spread(crowds)[1]
    assert wallet_evidence(wallets) == evidence([()] * len(wallets), wallets)


DAY, DAY_US = date(2026, 9, 1), 86_400_000_000
NOW_US = (DAY - date(1970, 1, 1)).days * DAY_US


def shop(name, hand, age_days):
    return Merchant(
        merchant_id=name,
        name="",
        category="buns",
        opened_on=DAY - timedelta(days=age_days),
        code_activated_on=None,
        place="",
        frontage=1.0,
        controller_token=hand,
        licence_token="",
        payout_account_token="",
        phone_token="",
        device_token="",
        time_zone="Asia/Shanghai",
    )


def bought(hands, age_days=400, fakes=300):
    """B of a shop whose every payer is a fake that was seen at two shops of each attacker.

    Those shops have so many payers of their own that their hands alone join them.
    """
    shops = [shop(f"s{hand}-{number}", f"hand-{hand}", age_days) for hand in range(hands) for number in (1, 2)]
    accounts = [f"fake-{number}" for number in range(fakes)]
    seen = [Sighting(payer_token=each, merchant_id=one.merchant_id, net_fen=300) for each in accounts for one in shops]
    seen += [
        Sighting(payer_token=f"own-{one.merchant_id}-{number}", merchant_id=one.merchant_id, net_fen=300)
        for one in shops
        for number in range(4 * fakes)
    ]
    mine = shop("mine", "my-hand", 400)
    graph = build_graph(seen, [*shops, mine], DAY, "")
    log = [
        RecordedPayment(
            merchant_id="mine",
            payment_id=each,
            payer_token=each,
            amount_fen=5_000,
            occurred_us=NOW_US - 20 * DAY_US,
            kind=PaymentKind.RECEIPT,
            merchant_seq=seq,
            known_us=NOW_US,
            content_hash="",
        )
        for seq, each in enumerate(accounts, 1)
    ]
    ask = Ask(requested_fen=None, term_months=12)
    row = measure(("evidence_b",), mine, fold(EMPTY, log), (), graph, NOTHING_DRAWN, ask, NOW_US, "Asia/Shanghai")
    return row[0]


@pytest.mark.parametrize("hands", [0, 1, 2, 3])
def test_attackers_with_many_shops_are_worth_thirty_a_hand(hands):
    assert bought(hands) == 30 * hands


def test_shops_opened_for_the_attack_are_worth_nothing():
    assert bought(3, age_days=89) == 0
