"""Rank among peers: where a merchant's indicator stands among those of merchants of its category and place.

A merchant alone cannot tell. So the institution publishes, from time to time, how some indicators are spread over its
merchants (flows/peers.py), and a rank is read off that. docs/indicators.md defines both.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fanxing.indicators.local_time import DAY_US
from fanxing.merchants import Merchant

PEERS_MIN = 30
"""Fewer are too few to rank among, and too easily known again."""
CUTS = 99
BEHIND_DAYS_MAX = 7
"""Whose receipts have been unknown for longer is nobody's peer: its values tell of another time."""
STALE_DAYS = 92
"""What was known longer ago tells nothing of a day: it would be another season's."""
ACTIVE = "receipts_count_180d"
"""A peer has some of these: who has given up trading would make every other shop look large."""
_SPREAD = (
    ("receipts_count_{}", "30d 90d 180d"),
    ("receipts_fen_{}", "30d 90d 180d"),
    ("receipts_mean_fen_{}", "30d 90d 180d"),
    ("active_days_{}", "30d 90d 180d"),
    ("payers_distinct_{}", "30d 90d 180d"),
    ("receipts_fen_{}_to_before", "30d 90d"),
    ("receipts_fen_{}_volatility", "90d"),
    ("payer_repeat_rate_{}", "90d"),
    ("payer_top_share_{}", "90d"),
    ("refund_share_{}", "30d 90d"),
    ("receipts_fen_{}_90d_share", "weekend holiday night morning noon afternoon evening late"),
    ("receipts_fen_{}_90d_share", "round by_credit personal_code"),
)
SPREAD = tuple(pattern.format(each) for pattern, parts in _SPREAD for each in parts.split())
"""The indicators whose spread is published: those that a merchant's payments alone give."""
RANKS = {f"{name}_peer_rank": name for name in SPREAD}
"""Each rank, and what is ranked."""
Cell = tuple[str, str]
"""Category and place."""


@dataclass(frozen=True, slots=True, eq=False)
class Peers:
    """How indicators are spread over the merchants of each cell; `cells` gives their places.

    `merchants` (cells, names) uint32: how many had the indicator, 0 where they were too few. `cuts` (cells, names,
    CUTS) float64, rising: of n values in order the k-th cut is the one at place ceil(k n / 100); NaN where there are
    none. `digest` is that of the packed bytes (peers_bytes.py), empty where nothing is published.
    """

    names: tuple[str, ...]
    cells: dict[Cell, int]
    merchants: np.ndarray
    cuts: np.ndarray
    digest: str = ""

    def rank(self, name: str, merchant: Merchant, value: float | None) -> float | None:
        """The share of peers whose `name` is below `value`, and half of those equal; missing without peers or value.

        Of b cuts below and e equal, (2 b + e + 1) / 200: within 1/200 of the share among the values themselves.
        """
        cell = self.cells.get((merchant.category, merchant.place))
        if cell is None or value is None or np.isnan(value) or name not in self.names:
            return None
        place = cell, self.names.index(name)
        if not self.merchants[place]:
            return None
        below, through = (np.searchsorted(self.cuts[place], value, side) for side in ("left", "right"))
        return float(below + through + 1) / (2 * (CUTS + 1))


NO_PEERS = Peers((), {}, np.zeros((0, 0), "u4"), np.zeros((0, 0, CUTS)))


def known_well_enough(through_us: int | None, as_of_us: int) -> bool:
    """Whether one whose receipts are known through then can be a peer. None: no channel has told, so all are known."""
    return through_us is None or as_of_us - through_us <= BEHIND_DAYS_MAX * DAY_US


def peers_of(measured: Iterable[tuple[Merchant, np.ndarray]]) -> Peers:
    """The spread of SPREAD, whose values (len(SPREAD),) are given of each merchant, NaN where missing; no digest yet.

    Merchants without receipts of late or without a place are nobody's peers. The order does not matter.
    """
    found: dict[Cell, list[np.ndarray]] = {}
    for merchant, row in measured:
        if merchant.place and row[SPREAD.index(ACTIVE)] > 0:
            found.setdefault((merchant.category, merchant.place), []).append(row)
    cells = sorted(cell for cell, rows in found.items() if len(rows) >= PEERS_MIN)
    merchants = np.zeros((len(cells), len(SPREAD)), "u4")
    cuts = np.full((*merchants.shape, CUTS), np.nan)
    for at, cell in enumerate(cells):
        values = np.sort(np.array(found[cell]), axis=0)  # the missing last
        for column, count in enumerate((~np.isnan(values)).sum(axis=0).tolist()):
            if count >= PEERS_MIN:
                merchants[at, column] = count
                cuts[at, column] = values[-(-np.arange(1, CUTS + 1) * count // (CUTS + 1)) - 1, column]
    return Peers(SPREAD, {cell: at for at, cell in enumerate(cells)}, merchants, cuts)
