"""Honest trade: how much a day, from whom, how large. Regulars, passers-by, tourists, villagers of one shop only."""

import numpy as np

from fanxing.town.medium.calendar import Calendar
from fanxing.town.medium.habits import Habits, habits_of
from fanxing.town.medium.people import People
from fanxing.town.medium.rows import BALANCE, CREDIT, DEBIT, amounts, new_rows
from fanxing.town.medium.shops import Shop
from fanxing.town.medium.size import Size, stream
from fanxing.town.medium.trades import DAY_SD, TRADES, rhythm
from fanxing.town.world import HOUR_US

GROWTH_SD = 0.25
"""Standard deviation of the yearly growth of a shop's trade, in logs."""
_TOURISTS, _SIGHTS_TOURISTS = 0.03, 0.25
_SIGHTS = 4
"""Every so many districts one has sights."""
_NEIGHBOURS = 0.7
"""Share of passers-by from the shop's own district."""
_GENERATIONS, _TENURE_DAYS = 4, (300, 3000)
_CLOSED_FOR_FESTIVAL = 0.4
_MOVING_DAYS = 5
_BULK_TICKETS, _FAMILY = (8, 40), 3


def expected_receipts(seed: int, size: Size, calendar: Calendar, shop: Shop) -> np.ndarray:
    """Receipts by code to be expected on each day, float64 (days,)."""
    rng, day = stream(seed, "level", shop.dice), np.arange(size.days)
    growth = np.exp(rng.normal(0, GROWTH_SD) * day / 365)
    wander = np.exp(rng.normal(0, DAY_SD, size.days))
    base = TRADES[shop.trade].per_day * shop.scale * (1 - shop.cash_share)
    return np.asarray(base * growth * wander * rhythm(shop.trade, calendar) * _open(rng, calendar, shop, day))


def _open(rng: np.random.Generator, calendar: Calendar, shop: Shop, day: np.ndarray) -> np.ndarray:
    """Whether the shop is open: from its first day to its last, in its season, not while it moves or celebrates."""
    is_open = day >= shop.opened_day
    if rng.random() < _CLOSED_FOR_FESTIVAL:
        is_open &= ~calendar.festival
    if shop.closed_day is not None:
        is_open &= day < shop.closed_day
    if shop.moved_day is not None:
        is_open &= (day < shop.moved_day) | (day >= shop.moved_day + _MOVING_DAYS)
    if shop.season:
        first, last = shop.season
        after, before = calendar.year_day >= first, calendar.year_day <= last
        is_open &= (after & before) if first < last else (after | before)
    return np.asarray(is_open)


def trade_of(seed: int, size: Size, calendar: Calendar, people: People, shop: Shop, rivals: list[int]) -> np.ndarray:
    """Genuine receipts, ROW (n,), by day. `rivals`: the customs of the shops of the same place, its own among them."""
    rng = stream(seed, "trade", shop.dice)
    counts = rng.poisson(expected_receipts(seed, size, calendar, shop))
    rows = new_rows(rng, np.repeat(np.arange(size.days), counts))
    trade, count = TRADES[shop.trade], len(rows)
    habits = habits_of(seed, shop)
    rows["amount_fen"] = amounts(rng, trade.ticket_fen * shop.price, habits.ticket_sd, count)
    rows["amount_fen"] *= np.where(rng.random(count) < habits.bulk, rng.integers(*_BULK_TICKETS, count), 1)
    rows["time_us"] = rng.choice(trade.hours, count) * HOUR_US + rng.integers(HOUR_US, size=count)
    rows["account"] = _payers(seed, rng, size, people, shop, rows["day"], rivals)
    _serve_family(rng, people, shop, habits, rows)
    rows["personal_code"] = rng.random(count) < shop.personal_share
    return with_instruments(rng, people, habits, rows)


def _serve_family(rng: np.random.Generator, people: People, shop: Shop, habits: Habits, rows: np.ndarray) -> None:
    """The owner's family are customers like others, and some pay with the telephone that is the till."""
    own = rng.random(len(rows)) < habits.family
    family = np.append(people.relatives(shop.family, _FAMILY), shop.family)
    rows["account"][own] = rng.choice(family, len(rows))[own]
    rows["own_device"] = own & (rng.random(len(rows)) < habits.till)


def with_instruments(rng: np.random.Generator, people: People, habits: Habits, rows: np.ndarray) -> np.ndarray:
    """The rows, each funded as its payer is used to."""
    credit = rng.random(len(rows)) < people.credit_share[rows["account"]] * habits.credit
    rows["instrument"] = np.where(credit, CREDIT, np.where(rows["account"] % 2, DEBIT, BALANCE))
    return rows


def _payers(
    seed: int, rng: np.random.Generator, size: Size, people: People, shop: Shop, day: np.ndarray, rivals: list[int]
) -> np.ndarray:
    """The account of each receipt."""
    habits = habits_of(seed, shop)
    passing = _passers_by(rng, size, people, shop, day)
    sights = shop.place % _SIGHTS == 0 and not shop.is_village(size)
    tourist = rng.random(len(day)) < (_SIGHTS_TOURISTS if sights else _TOURISTS)
    passing = np.where(tourist, people.tourists(day, rng.random(len(day))), passing)
    if shop.is_village(size):
        own = people.villagers(shop.place - size.districts, rivals.index(shop.custom), len(rivals))
        regular = own[(len(own) * rng.random(len(day)) ** habits.faith).astype(int)] if len(own) else passing
    else:
        regular = _regulars(seed, rng, people, shop, day)
    return np.where(rng.random(len(day)) < habits.regulars, regular, passing)


def _regulars(seed: int, rng: np.random.Generator, people: People, shop: Shop, day: np.ndarray) -> np.ndarray:
    """The most faithful come most; one after another gives up his place to somebody new, and a move loses them all."""
    dice = stream(seed, "regulars", shop.custom)
    count = int(40 + 80 * shop.scale)
    tenure = dice.integers(*_TENURE_DAYS, count)
    phase = (dice.random(count) * tenure).astype(int)
    chosen = dice.random((_GENERATIONS, count))
    place = (count * rng.random(len(day)) ** habits_of(seed, shop).faith).astype(int)
    generation = np.minimum((day + phase[place]) // tenure[place], _GENERATIONS - 1)
    first, residents = _around(people, shop, day)
    return np.asarray(first + (chosen[generation, place] * residents).astype(int))


def _around(people: People, shop: Shop, day: np.ndarray) -> tuple[np.ndarray, int]:
    """The first resident of the shop's district on each day, and how many residents a district has."""
    first, residents = people.residents(shop.place)
    before = people.residents(shop.moved_from)[0] if shop.moved_day is not None else first
    return np.where(day < (shop.moved_day or 0), before, first), residents


def _passers_by(rng: np.random.Generator, size: Size, people: People, shop: Shop, day: np.ndarray) -> np.ndarray:
    """Residents, most of them from the shop's district; few people go past most doors."""
    first, residents = _around(people, shop, day)
    near = first + (residents * rng.random(len(day)) ** 1.3).astype(int)
    return np.where(rng.random(len(day)) < _NEIGHBOURS, near, rng.integers(size.residents, size=len(day)))
