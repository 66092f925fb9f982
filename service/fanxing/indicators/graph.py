"""The payer graph of a day: which merchants vouch for a payer.

A payer who pays at several unrelated merchants is most likely a person. Merchants that one hand may hold (one
controller, one device, or at least 30 % of the payers of each shared) form a cluster, and a cluster vouches once;
merchants younger than 90 days do not vouch. A payer counts at a merchant from 3 yuan net in the window. Source:
limit-and-price 1 and 3 to 5.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, maximum_flow

from fanxing.indicators.salted import NAME, salted
from fanxing.merchants import Merchant
from fanxing.payments import Sighting

LAG_DAYS, WINDOW_DAYS = 7, 187
"""Receipts younger or older count for nothing, so that last-minute inflation is useless."""
PAYER_MIN_FEN = 300
AGE_DAYS_MIN = 90
SHARED_MIN = 0.3
SHARED_PAYERS_MIN = 5
"""Below it, shared payers are chance: two shops of ten payers each share three by living in one street."""
_UNIT = 12
"""Capacities are thirds and quarters of a payer, so twelfths make them whole."""
_CLUSTER, _VOUCH, _WALLETS, _WALLET = 30 * _UNIT, _UNIT // 3, 20 * _UNIT, _UNIT // 4


Hand = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class PayerGraph:
    """Who vouches for whom. Merchants, controllers, devices and payers stand in it under salted names, NAME each.

    `hands` (h,), sorted: merchants and what may hold them, each in the cluster `clusters` (h,) uint32. `payers` (p,),
    sorted: the clusters that vouch for payer i are `vouching[starts[i] : starts[i + 1]]`, uint32, ascending.
    `digest` is that of its packed bytes (graph_bytes.py).
    """

    institution_id: str
    hands: np.ndarray
    clusters: np.ndarray
    payers: np.ndarray
    starts: np.ndarray
    vouching: np.ndarray
    digest: str = ""

    def own(self, merchant: Merchant) -> frozenset[int]:
        """The merchant's own clusters; one registered since the graph was built is known by its hands."""
        names = salted(self.institution_id, hands_of(merchant))
        places, found = _places(self.hands, names)
        return frozenset(self.clusters[places[found]].tolist())

    def vouching_for(self, payer_tokens: Sequence[str], own: frozenset[int]) -> list[tuple[int, ...]]:
        """For each payer of a merchant, the clusters that vouch for it, the merchant's own left out."""
        names = salted(self.institution_id, (("payer", token) for token in payer_tokens))
        places, found = _places(self.payers, names)
        clusters = [self.vouching[self.starts[each] : self.starts[each + 1]].tolist() for each in places[found]]
        answers: list[tuple[int, ...]] = [()] * len(payer_tokens)
        for payer, vouched in zip(np.flatnonzero(found), clusters, strict=True):
            answers[payer] = tuple(cluster for cluster in vouched if cluster not in own)
        return answers


def _places(sorted_names: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each name would stand, and whether it stands there."""
    places = np.searchsorted(sorted_names, names)
    inside = places < len(sorted_names)
    found = np.zeros(len(names), dtype=bool)
    found[inside] = sorted_names[places[inside]] == names[inside]
    return places, found


_NO_NAMES, _NOTHING = np.zeros(0, NAME), np.zeros(0, "u4")
NO_GRAPH = PayerGraph("", _NO_NAMES, _NOTHING, _NO_NAMES, np.zeros(1, "u4"), _NOTHING)


def hands_of(merchant: Merchant) -> Iterator[Hand]:
    """The merchant and who or what may hold it with others, by kind and token."""
    yield "merchant", merchant.merchant_id
    for kind, token in (("controller", merchant.controller_token), ("device", merchant.device_token)):
        if token:
            yield kind, token


def build_graph(
    sightings: Iterable[Sighting], merchants: Sequence[Merchant], day: date, institution_id: str
) -> PayerGraph:
    """The graph of what was seen before `day`, without a digest yet; the order of what is passed in does not matter.

    `sightings`: one a payer and merchant, of the window that ends before `day`. One below 3 yuan, or at a merchant
    that is not passed in, does not count.
    """
    ordered = sorted(merchants, key=lambda merchant: merchant.merchant_id)
    tokens, payer, merchant = _pairs(sightings, {each.merchant_id: place for place, each in enumerate(ordered)})
    labels = _clusters(ordered, payer, merchant, len(tokens))
    hands = {hand: int(labels[place]) for place, each in enumerate(ordered) for hand in hands_of(each)}
    hand_names = salted(institution_id, hands)
    by_name = np.argsort(hand_names)
    old = np.array([(day - each.activated_on).days >= AGE_DAYS_MIN for each in ordered], dtype=bool)
    names, starts, vouching = _vouching(
        salted(institution_id, (("payer", token) for token in tokens)), payer[old[merchant]],
        labels[merchant[old[merchant]]],
    )  # fmt: skip
    clusters = np.fromiter(hands.values(), "u4", len(hands))
    return PayerGraph(institution_id, hand_names[by_name], clusters[by_name], names, starts, vouching)


def _pairs(sightings: Iterable[Sighting], places: dict[str, int]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The payers' tokens, and place of payer and place of merchant (n,) int64 of each sighting that counts."""
    columns: dict[str, int] = {}
    payers: list[int] = []
    merchants: list[int] = []
    for each in sightings:
        place = places.get(each.merchant_id)
        if place is not None and each.net_fen >= PAYER_MIN_FEN:
            payers.append(columns.setdefault(each.payer_token, len(columns)))
            merchants.append(place)
    return list(columns), np.array(payers, "i8"), np.array(merchants, "i8")


def _vouching(names: np.ndarray, payer: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sorted names of the payers vouched for, where the clusters of each start, and the clusters."""
    by_name = np.argsort(names)
    place = np.empty(len(names), "i8")
    place[by_name] = np.arange(len(names))
    codes = np.unique(place[payer] << 32 | label)
    vouched, first = np.unique(codes >> 32, return_index=True)
    starts = np.append(first, len(codes)).astype("u4")
    return names[by_name][vouched], starts, (codes & 0xFFFFFFFF).astype("u4")


def _clusters(ordered: Sequence[Merchant], payer: np.ndarray, merchant: np.ndarray, payer_count: int) -> np.ndarray:
    """The cluster (n,) int64 of each merchant, numbered by its first merchant."""
    count = len(ordered)
    first: dict[Hand, int] = {}
    held = [(first.setdefault(hand, place), place) for place, each in enumerate(ordered) for hand in hands_of(each)]
    links = np.hstack([np.array(held, "i8").reshape(-1, 2).T, _shared_payers(payer, merchant, count, payer_count)])
    joined = csr_array((np.ones(links.shape[1]), (links[0], links[1])), shape=(count, count))
    _, first_of, label = np.unique(connected_components(joined)[1], return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first_of))[label], "i8")


def _shared_payers(payer: np.ndarray, merchant: np.ndarray, count: int, payer_count: int) -> np.ndarray:
    """Pairs (2, n) of merchants that each share at least 30 % of their payers with the other.

    Of the smaller alone it would join every kiosk to the market hall that its customers go to.
    """
    seen = csr_array((np.ones(len(payer), "i4"), (merchant, payer)), shape=(count, payer_count))
    shared = (seen @ seen.T).tocoo()
    sizes = np.bincount(merchant, minlength=count)
    larger = np.maximum(sizes[shared.row], sizes[shared.col])
    linked = (shared.row < shared.col) & (shared.data >= SHARED_PAYERS_MIN) & (shared.data >= SHARED_MIN * larger)
    return np.vstack([shared.row[linked], shared.col[linked]]).astype("i8")


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
