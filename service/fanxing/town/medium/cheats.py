"""What cheats add to their books: one function a cheat, each returning rows of one shop that are not trade."""

import numpy as np

from fanxing.town.medium.custom import with_instruments
from fanxing.town.medium.habits import Habits, habits_of
from fanxing.town.medium.people import People
from fanxing.town.medium.rows import CREDIT, NOBODY, OUTFLOW, RECEIPT, amounts, new_rows
from fanxing.town.medium.shops import Shop
from fanxing.town.medium.size import Size, stream
from fanxing.town.medium.trades import TRADES
from fanxing.town.world import HOUR_US

_MINUTE_US = HOUR_US // 60
_BOLDNESS, _NOTES = (0.3, 2.5), 0.4
"""Fakes to trade, and the share of cash-outs handed over in notes."""
Members = dict[int, list[Shop]]
"""By group: the shops of a ring or loop, in order."""


def cheating(seed: int, size: Size, people: People, shop: Shop, members: Members) -> np.ndarray:
    """The rows that a shop's cheat adds, ROW (n,); none for the honest."""
    dice, habits = stream(seed, f"cheat {shop.cheat}", shop.dice), habits_of(seed, shop)
    if not shop.cheat:
        return new_rows(dice, np.zeros(0, dtype=int))
    if shop.cheat == "wash_loop":
        rows = wash_loop(seed, size, shop, members[shop.group])
    elif shop.cheat == "ring":
        rows = ring(dice, size, people, shop, habits, members[shop.group])
    else:
        alone = {
            "self_payment": self_payment,
            "bought_accounts": bought_accounts,
            "cash_out": cash_out,
            "bust_out": bust_out,
        }
        rows = alone[shop.cheat](dice, size, people, shop, habits)
    rows["fake"] = True
    return rows


def _tickets(rng: np.random.Generator, shop: Shop, habits: Habits, days: np.ndarray) -> np.ndarray:
    """Receipts that look like the trade's own by hour and amount."""
    rows, trade = new_rows(rng, days), TRADES[shop.trade]
    rows["amount_fen"] = amounts(rng, trade.ticket_fen * shop.price, habits.ticket_sd, len(rows))
    rows["time_us"] = rng.choice(trade.hours, len(rows)) * HOUR_US + rng.integers(HOUR_US, size=len(rows))
    return rows


def _daily(rng: np.random.Generator, size: Size, shop: Shop) -> np.ndarray:
    """Days from the cheat's first on, each as often as something happens on it: timid cheats add a little to trade."""
    days = np.arange(shop.cheat_since, size.days)
    trade = TRADES[shop.trade].per_day * shop.scale * (1 - shop.cash_share)
    return np.repeat(days, rng.poisson(max(1.0, trade * rng.uniform(*_BOLDNESS)), len(days)))


def self_payment(rng: np.random.Generator, size: Size, people: People, shop: Shop, habits: Habits) -> np.ndarray:
    """The owner and up to two dozen relatives pay, more or less often from the shop's own device."""
    rows = _tickets(rng, shop, habits, _daily(rng, size, shop))
    family = np.append(people.relatives(shop.hand, int(rng.integers(8, 24))), shop.hand)
    rows["account"] = rng.choice(family, len(rows))
    rows["own_device"] = rng.random(len(rows)) < rng.uniform(0.1, 0.6)
    return with_instruments(rng, people, habits, rows)


def bought_accounts(rng: np.random.Generator, size: Size, people: People, shop: Shop, habits: Habits) -> np.ndarray:
    """Strangers' accounts from one market pay now and then; other cheats use the same accounts."""
    rows = _tickets(rng, shop, habits, _daily(rng, size, shop))
    rows["account"] = _from_market(rng, people, shop, len(rows), int(rng.integers(150, 500)))
    return with_instruments(rng, people, habits, rows)


def _from_market(rng: np.random.Generator, people: People, shop: Shop, count: int, kinds: int) -> np.ndarray:
    """The account of each of `count` receipts, of `kinds` bought; only those opened before the cheat are for sale."""
    first, market = people.bought
    for_sale = max(1, int(np.searchsorted(people.opened_day[first:], shop.cheat_since)))
    bought = first + rng.integers(min(for_sale, market), size=kinds)
    return np.asarray(rng.choice(bought, count))


def ring(
    rng: np.random.Generator, size: Size, people: People, shop: Shop, habits: Habits, members: list[Shop]
) -> np.ndarray:
    """Owners and families of six shops pay at each other's, so that each vouches for the others' payers."""
    rows = _tickets(rng, shop, habits, _daily(rng, size, shop))
    others = [other for other in members if other is not shop]
    families = [np.append(people.relatives(other.hand, 10), other.hand) for other in others]
    rows["account"] = rng.choice(np.concatenate(families), len(rows))
    return with_instruments(rng, people, habits, rows)


def wash_loop(seed: int, size: Size, shop: Shop, members: list[Shop]) -> np.ndarray:
    """One sum goes round: each shop pays the next one's owner, who puts it into his till within the hour.

    All members roll the same dice, so that what one pays out another takes in; the first pays first and takes last.
    """
    rng, place = stream(seed, "loop", shop.group), members.index(shop)
    rate = rng.uniform(0.3, 1.5)
    days = np.repeat(np.arange(shop.cheat_since, size.days), rng.poisson(rate, size.days - shop.cheat_since))
    sums = np.round(TRADES["canteen"].ticket_fen * rng.uniform(2, 20, len(days)), -1).astype("i8")
    gaps = rng.integers(2 * _MINUTE_US, HOUR_US, (len(days), 2 * len(members)))
    times = 8 * HOUR_US + rng.integers(6 * HOUR_US, size=len(days))[:, None] + np.cumsum(gaps, axis=1)
    own = stream(seed, "loop", shop.number + size.merchants)
    paid, taken = new_rows(own, days, OUTFLOW), new_rows(own, days, RECEIPT)
    paid["time_us"], taken["time_us"] = times[:, 2 * place], times[:, 2 * place - 1]
    paid["account"] = members[(place + 1) % len(members)].hand
    taken["account"] = members[place - 1].hand
    paid["amount_fen"] = taken["amount_fen"] = sums
    return np.concatenate([paid, taken])


def cash_out(rng: np.random.Generator, size: Size, _people: People, shop: Shop, habits: Habits) -> np.ndarray:
    """Card holders turn credit into cash: many tickets' worth by credit, all but a fee sent back or given in notes."""
    days = np.arange(shop.cheat_since, size.days)
    days = np.repeat(days, rng.poisson(rng.uniform(0.15, 0.8), len(days)))
    taken = new_rows(rng, days)
    taken["account"] = rng.integers(size.residents, size=len(days))
    ticket = TRADES[shop.trade].ticket_fen * shop.price
    taken["amount_fen"] = amounts(rng, 8 * ticket, 2 * habits.ticket_sd, len(days))
    taken["time_us"] = 9 * HOUR_US + rng.integers(12 * HOUR_US, size=len(days))
    taken["instrument"] = CREDIT
    paid = taken.copy()
    paid["kind"], paid["instrument"] = OUTFLOW, 0
    paid["account"][rng.random(len(days)) < _NOTES] = NOBODY
    paid["dice"] = rng.integers(1 << 63, size=len(days))
    paid["amount_fen"] = (taken["amount_fen"] * rng.uniform(0.965, 0.99, len(days))).astype("i8")
    paid["time_us"] += rng.integers(5 * _MINUTE_US, HOUR_US, len(days))
    return np.concatenate([taken, paid])


def bust_out(rng: np.random.Generator, size: Size, people: People, shop: Shop, habits: Habits) -> np.ndarray:
    """An honest shop swells for its last weeks by bought accounts and credit, to borrow once and be gone."""
    days = np.arange(shop.cheat_since, size.days)
    trade = TRADES[shop.trade].per_day * shop.scale * (1 - shop.cash_share)
    swell = np.linspace(0.3, rng.uniform(1, 3), len(days)) * max(2.0, trade)
    rows = _tickets(rng, shop, habits, np.repeat(days, rng.poisson(swell)))
    rows["amount_fen"] = rows["amount_fen"] // 20 * 30
    rows["account"] = _from_market(rng, people, shop, len(rows), 200)
    rows = with_instruments(rng, people, habits, rows)
    rows["instrument"][rng.random(len(rows)) < rng.uniform(0, 0.4)] = CREDIT
    return rows
