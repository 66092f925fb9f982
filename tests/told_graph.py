"""A payer graph told outright: which merchants stand in which cluster, and which clusters vouch for which payer."""

import numpy as np

from fanxing.indicators.graph import PayerGraph
from fanxing.indicators.salted import salted


def told_graph(clusters, vouching):
    """`clusters`: merchant id -> cluster; `vouching`: payer token -> clusters."""
    hands = salted("", (("merchant", each) for each in clusters))
    payers = salted("", (("payer", each) for each in vouching))
    by_hand, by_payer = np.argsort(hands), np.argsort(payers)
    found = [sorted(set([*vouching.values()][place])) for place in by_payer]
    return PayerGraph(
        institution_id="",
        hands=hands[by_hand],
        clusters=np.array([*clusters.values()], "u4")[by_hand],
        payers=payers[by_payer],
        starts=np.cumsum([0, *map(len, found)]).astype("u4"),
        vouching=np.array([each for one in found for each in one], "u4"),
    )
