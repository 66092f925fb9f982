"""In what honest shops differ from each other, so that no cheat stands out by being unusual alone."""

from dataclasses import dataclass

import numpy as np

from fanxing.town.medium.shops import Shop
from fanxing.town.medium.size import stream
from fanxing.town.medium.trades import TICKET_SD

_FAMILIES, _TILLS = 0.35, 0.3


@dataclass(frozen=True, slots=True)
class Habits:
    """One shop's. Shares are of its receipts.

    `regulars`: from regulars, of whom the most faithful come the more the higher `faith` is; `credit`: factor on how
    often its payers use credit; `bulk`: orders of many tickets; `family`: from the owner's family, who pay with the
    telephone that is the till in a share `till` of it; `custom`: suppliers paid who are customers too.
    """

    regulars: float
    faith: float
    ticket_sd: float
    credit: float
    bulk: float
    family: float
    till: float
    custom: float


def habits_of(seed: int, shop: Shop) -> Habits:
    """Twins have the same."""
    rng = stream(seed, "habits", shop.dice)
    family = float(rng.uniform(0.005, 0.06)) if rng.random() < _FAMILIES or shop.relation == "relatives" else 0.0
    till = float(rng.uniform(0.2, 1)) if rng.random() < _TILLS or shop.relation == "relatives" else 0.0
    return Habits(
        regulars=float(rng.uniform(0.35, 0.9)),
        faith=float(rng.uniform(1.2, 3)),
        ticket_sd=float(TICKET_SD * np.exp(rng.normal(0, 0.3))),
        credit=float(np.exp(rng.normal(-0.5, 0.6))),
        bulk=float(rng.exponential(0.003)),
        family=family,
        till=till,
        custom=float(rng.uniform(0, 0.5)),
    )
