"""The payer graph of a day: which merchants vouch for a payer.

A payer who pays at several unrelated merchants is most likely a person. Merchants that one hand may hold (one
controller, one device, or at least 30 % of the payers of each shared) form a cluster, and a cluster vouches once;
merchants younger than 90 days do not vouch. Source: limit-and-price 3 to 5.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, maximum_flow

from fanxing.merchants import Merchant
from fanxing.payments import Sighting

AGE_DAYS_MIN = 90
SHARED_MIN = 0.3
SHARED_PAYERS_MIN = 5
"""Below it, shared payers are chance: two shops of ten payers each share three by living in one street."""
_UNIT = 12
"""Capacities are thirds and quarters of a payer, so twelfths make them whole."""
_CLUSTER, _VOUCH, _WALLETS, _WALLET = 30 * _UNIT, _UNIT // 3, 20 * _UNIT, _UNIT // 4


Hand = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PayerGraph:
    """Who vouches for whom, with a digest of it.

    `clusters`: merchant id -> cluster; `hands`: controller or device -> cluster; `vouching`: payer token -> clusters.
    """

    clusters: dict[str, int]
    hands: dict[Hand, int]
    vouching: dict[str, tuple[int, ...]]
    digest: str

    def own(self, merchant: Merchant) -> frozenset[int]:
        """The merchant's own clusters; one registered since the graph was built is known by its hands."""
        known = [self.hands[hand] for hand in _hands(merchant) if hand in self.hands]
        return frozenset(known) | {self.clusters.get(merchant.merchant_id, -1)}

    def vouching_for(self, payer_token: str, own: frozenset[int]) -> tuple[int, ...]:
        """The clusters that vouch for a payer of a merchant, its own left out."""
        return tuple(cluster for cluster in self.vouching.get(payer_token, ()) if cluster not in own)


NO_GRAPH = PayerGraph({}, {}, {}, "")


def build_graph(sightings: Sequence[Sighting], merchants: Sequence[Merchant], day: date) -> PayerGraph:
    """The graph of what was seen before `day`; the order of what is passed in does not matter.

    A sighting at a merchant that is not passed in does not count.
    """
    ordered = sorted(merchants, key=lambda merchant: merchant.merchant_id)
    places = {merchant.merchant_id: place for place, merchant in enumerate(ordered)}
    seen = [sighting for sighting in sightings if sighting.merchant_id in places]
    payers = sorted({sighting.payer_token for sighting in seen})
    columns = {payer: place for place, payer in enumerate(payers)}
    pairs = sorted((columns[each.payer_token], places[each.merchant_id]) for each in seen)
    labels = _clusters(ordered, pairs, len(payers))
    vouchers = {place for place, merchant in enumerate(ordered) if _age_days(merchant, day) >= AGE_DAYS_MIN}
    vouching: dict[str, set[int]] = {}
    for payer, merchant in pairs:
        if merchant in vouchers:
            vouching.setdefault(payers[payer], set()).add(labels[merchant])
    clusters = {merchant.merchant_id: labels[place] for place, merchant in enumerate(ordered)}
    hands = {hand: labels[place] for place, merchant in enumerate(ordered) for hand in _hands(merchant)}
    frozen = {payer: tuple(sorted(found)) for payer, found in sorted(vouching.items())}
    return PayerGraph(clusters, hands, frozen, _digest(day, clusters, hands, frozen))


def _hands(merchant: Merchant) -> Iterator[Hand]:
    """Who or what may hold several merchants, by kind and token."""
    for kind, token in (("controller", merchant.controller_token), ("device", merchant.device_token)):
        if token:
            yield kind, token


def _age_days(merchant: Merchant, day: date) -> int:
    return (day - merchant.activated_on).days


def _clusters(merchants: Sequence[Merchant], pairs: Sequence[tuple[int, int]], payer_count: int) -> list[int]:
    """The cluster of each merchant, numbered by its first merchant."""
    count = len(merchants)
    if not count:
        return []
    links = _shared_payers(pairs, count, payer_count)
    first: dict[Hand, int] = {}
    links += [(first.setdefault(hand, place), place) for place, each in enumerate(merchants) for hand in _hands(each)]
    rows, columns = np.array(links, dtype="i4").reshape(-1, 2).T
    _, labels = connected_components(csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, count)))
    return [int(label) for label in labels]


def _shared_payers(pairs: Sequence[tuple[int, int]], count: int, payer_count: int) -> list[tuple[int, int]]:
    """Pairs of merchants that each share at least 30 % of their payers with the other.

    Of the smaller alone it would join every kiosk to the market hall that its customers go to.
    """
    if not pairs:
        return []
    payers, merchants = np.array(pairs, dtype="i4").T
    seen = csr_array((np.ones(len(pairs), dtype="i4"), (merchants, payers)), shape=(count, payer_count))
    shared = (seen @ seen.T).tocoo()
    sizes = np.bincount(merchants, minlength=count)
    larger = np.maximum(sizes[shared.row], sizes[shared.col])
    linked = (shared.row < shared.col) & (shared.data >= SHARED_PAYERS_MIN) & (shared.data >= SHARED_MIN * larger)
    return list(zip(shared.row[linked].tolist(), shared.col[linked].tolist(), strict=True))


def _digest(day: date, clusters: dict[str, int], hands: dict[Hand, int], vouching: dict[str, tuple[int, ...]]) -> str:
    text = f"{day}\n{sorted(clusters.items())}\n{sorted(hands.items())}\n{list(vouching.items())}"
    return hashlib.sha256(text.encode()).hexdigest()


def evidence(vouched_by: Sequence[tuple[int, ...]], wallets: Sequence[bool]) -> float:
    """Evidence B of genuine payers, in payers: an exact max-flow over the payers of one merchant.

    source -> other clusters (30 each) -> payer (1/3 each) -> sink (1 a payer), and source -> wallet evidence (20 in
    all) -> payer (1/4 each). `vouched_by[i]` are the clusters that vouch for payer i, `wallets[i]` tells whether its
    wallet is evidence.
    """
    if not any(wallets) and not any(vouched_by):
        return 0.0
    clusters = sorted({cluster for found in vouched_by for cluster in found})
    node = {cluster: 2 + place for place, cluster in enumerate(clusters)}
    source, wallet, first = 0, 1, 2 + len(clusters)
    sink = first + len(vouched_by)
    edges = [(source, wallet, _WALLETS), *((source, node[cluster], _CLUSTER) for cluster in clusters)]
    for payer, (found, has_wallet) in enumerate(zip(vouched_by, wallets, strict=True), first):
        edges += [(node[cluster], payer, _VOUCH) for cluster in found]
        if has_wallet:
            edges.append((wallet, payer, _WALLET))
        edges.append((payer, sink, _UNIT))
    rows, columns, capacities = np.array(edges, dtype="i4").T
    network = csr_array((capacities, (rows, columns)), shape=(sink + 1, sink + 1), dtype="i4")
    return float(maximum_flow(network, source, sink).flow_value) / _UNIT


def wallet_evidence(wallets: Sequence[bool]) -> float:
    """The part of B that wallets alone would give: 1/4 each, 20 in all."""
    return min(20.0, sum(wallets) / 4)
