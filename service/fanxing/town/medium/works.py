"""Works before a door: announced, then held to, late or cancelled; what they cost is hidden, and often nothing."""

from datetime import date, timedelta

import numpy as np

from fanxing.facts import Fact, FactKind, Works, WorksKind
from fanxing.town.medium.shops import Shop, WorksTruth
from fanxing.town.medium.size import FIRST_DAY, Size
from fanxing.town.world import DAY_US, HOUR_US

_NO_EFFECT, _CANCELLED, _LATE = 0.5, 0.15, 0.2
_EFFECTS = {WorksKind.METRO: (0.08, 0.35), WorksKind.PIPES: (0.04, 0.2)}
"""Lost share of street receipts, where works have an effect at all. Published effects run from 0 to -13 % over whole
corridors (limit-and-price 8); one door may lose more."""
_EPOCH = date(1970, 1, 1)


def works_before(rng: np.random.Generator, size: Size) -> WorksTruth:
    """One announcement, from an eighth of the days on; works may begin after the town's last day."""
    kind = (WorksKind.METRO, WorksKind.PIPES)[int(rng.integers(2))]
    announced = int(rng.integers(size.days // 8, size.days - 5))
    first = announced + int(rng.integers(30, 120))
    planned = first, first + int(rng.integers(90, 200))
    effect = 0.0 if rng.random() < _NO_EFFECT else float(rng.uniform(*_EFFECTS[kind]))
    told = int(rng.integers(announced + 10, first))
    chance = rng.random()
    if chance < _CANCELLED:
        return WorksTruth(kind, announced, planned, "cancelled", told, None, 0.0)
    if chance < _CANCELLED + _LATE:
        late = int(rng.integers(30, 90))
        return WorksTruth(kind, announced, planned, "late", told, (planned[0] + late, planned[1] + late), effect)
    return WorksTruth(kind, announced, planned, "held", announced, planned, effect)


def lost_share(shop: Shop, size: Size) -> np.ndarray:
    """The share of receipts that works cost the shop on each day, float64 (days,)."""
    lost = np.zeros(size.days)
    if shop.works and shop.works.actual:
        first, last = shop.works.actual
        lost[first : last + 1] = shop.works.effect * shop.frontage
    return lost


def works_facts(shop: Shop, merchant_id: str, fact_ids: tuple[str, str], size: Size) -> list[Fact]:
    """What the city's bureau announced of it by the last day: the plan, and what replaced the plan."""
    works = shop.works
    if works is None:
        return []
    facts = [_fact(merchant_id, works, fact_ids[0], works.announced, works.planned, "")]
    if works.fate != "held" and works.told < size.days:
        dates = works.actual or works.planned
        facts.append(_fact(merchant_id, works, fact_ids[1], works.told, dates, fact_ids[0]))
    return facts


def _fact(
    merchant_id: str, works: WorksTruth, fact_id: str, known: int, dates: tuple[int, int], supersedes: str
) -> Fact:
    """A cancellation says that there are none."""
    cancelled = bool(supersedes) and works.fate == "cancelled"
    return Fact(
        fact_id=fact_id,
        merchant_id=merchant_id,
        kind=FactKind.WORKS,
        valid_from=FIRST_DAY + timedelta(days=dates[0]),
        valid_to=FIRST_DAY + timedelta(days=dates[1]),
        source="city-works-bureau",
        none_found=cancelled,
        works=None if cancelled else Works(kind=works.kind),
        debt=None,
        link=None,
        supersedes=supersedes,
        fact_seq=0,
        known_us=morning_us(known),
    )


def morning_us(day: int) -> int:
    """Nine in the morning of a day of the town, local time, in microseconds UTC."""
    return ((FIRST_DAY - _EPOCH).days + day) * DAY_US + HOUR_US
