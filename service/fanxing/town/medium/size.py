"""How large a town is, and how many of everything there are in it."""

from dataclasses import dataclass
from datetime import date, timedelta
from zlib import crc32

import numpy as np

FIRST_DAY = date(2024, 9, 1)
"""Two Spring Festivals lie in the 24 months from it."""
RING, LOOP, CHAIN = 6, 3, 5
"""Shops in one ring, in one wash loop, and of one controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Counts. `twins`, `sold` and `relatives` are pairs; `rings`, `loops` and `chains` are groups; the rest single.

    `residents` are spread over `districts`, `villagers` over `villages`; places are both. `bought` are accounts that
    cheats share.
    """

    merchants: int
    days: int
    residents: int
    villagers: int
    tourists: int
    bought: int
    districts: int
    villages: int
    twins: int
    self_payers: int
    account_buyers: int
    rings: int
    loops: int
    cashers_out: int
    busters_out: int
    chains: int
    sold: int
    relatives: int
    works_elsewhere: int
    outage_day: int

    @property
    def decided_on(self) -> date:
        """The morning after the last day, when the feeds end."""
        return FIRST_DAY + timedelta(days=self.days)


MEDIUM = Size(
    merchants=2000,
    days=730,
    residents=40_000,
    villagers=6_000,
    tourists=14_000,
    bought=3_000,
    districts=20,
    villages=4,
    twins=40,
    self_payers=30,
    account_buyers=30,
    rings=5,
    loops=10,
    cashers_out=30,
    busters_out=20,
    chains=8,
    sold=20,
    relatives=20,
    works_elsewhere=60,
    outage_day=500,
)


def stream(seed: int, behaviour: str, number: int = 0) -> np.random.Generator:
    """The random numbers of one behaviour of one shop, which no other behaviour moves."""
    return np.random.default_rng([seed, crc32(behaviour.encode()), number])
