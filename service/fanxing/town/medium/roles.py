"""Who is what: twins, cheats, shops of one hand, sold shops, relatives; and what befalls the others.

Each role takes the next shops of the street, whose ids are shuffled when they are registered.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import islice

import numpy as np

from fanxing.town.medium.people import RELATIVES, People
from fanxing.town.medium.shops import Shop
from fanxing.town.medium.size import CHAIN, LOOP, RING, Size, stream
from fanxing.town.medium.works import works_before

CHEATS = ("self_payment", "bought_accounts", "ring", "wash_loop", "cash_out", "bust_out")
_CLOSED, _SEASONAL, _MOVED = 0.06, 0.05, 0.04
_SEASONS = ((100, 300), (60, 330), (270, 90))
"""First and last day of the year on which seasonal shops are open: ice, river cafes, hot pots."""
_SMALL = (0.3, 1.0)
"""Most cheats have so much of an ordinary shop's trade."""
_BUSTS_DAYS = (50, 100)
_OLD_DAYS = (200, 1500)
"""For so long twins and shops that are sold have been open when the town begins."""
_OWN_TRADE_DAYS = (20, 200)
_ALIKE = {"number", "twin_of", "works", "device", "payout", "phone", "hand", "signed"}
"""What twins do not share."""


def give_roles(seed: int, size: Size, people: People, shops: list[Shop]) -> None:
    """Turns the street's shops into the town's."""
    rng, free = stream(seed, "roles"), iter(shops)
    for pair in _groups(free, 2, size.twins):
        _make_twins(rng, size, *pair)
    _make_cheats(rng, size, free)
    for number, chain in enumerate(_groups(free, CHAIN, size.chains)):
        _give_to_one_hand(people, number, chain)
    for old, new in _groups(free, 2, size.sold):
        _sell(rng, size, old, new)
    for one, other in _groups(free, 2, size.relatives):
        other.device, other.relation, one.relation = one.device, "relatives", "relatives"
        one.group = other.group = one.number
    for (shop,) in _groups(free, 1, size.works_elsewhere):
        shop.works = works_before(rng, size)
    for shop in free:
        _live(rng, size, shop)


def _groups(free: Iterator[Shop], each: int, count: int) -> list[list[Shop]]:
    found = [list(islice(free, each)) for _ in range(count)]
    assert all(len(group) == each for group in found), "a town is large enough for its roles"
    return found


def _make_twins(rng: np.random.Generator, size: Size, plain: Shop, disturbed: Shop) -> None:
    """The second becomes the first in everything but who holds it, and the works before its door."""
    plain.opened_day, plain.slow_clock_from = -int(rng.integers(*_OLD_DAYS)), None
    for each in fields(Shop):
        if each.name not in _ALIKE:
            setattr(disturbed, each.name, getattr(plain, each.name))
    disturbed.debts = list(plain.debts)
    disturbed.twin_of, disturbed.works = plain.number, works_before(rng, size)


def _make_cheats(rng: np.random.Generator, size: Size, free: Iterator[Shop]) -> None:
    """Cheats begin at any time, after some trade of their own; who busts out begins near the end."""
    kinds: tuple[tuple[str, int, int], ...] = (
        ("self_payment", 1, size.self_payers),
        ("bought_accounts", 1, size.account_buyers),
        ("ring", RING, size.rings),
        ("wash_loop", LOOP, size.loops),
        ("cash_out", 1, size.cashers_out),
        ("bust_out", 1, size.busters_out),
    )
    for cheat, each, count in kinds:
        for members in _groups(free, each, count):
            since = int(rng.integers(size.days // 5, 4 * size.days // 5))
            for shop in members:
                _cheat(rng, size, shop, cheat, since)
                shop.group = members[0].number


def _cheat(rng: np.random.Generator, size: Size, shop: Shop, cheat: str, since: int) -> None:
    shop.cheat, shop.cheat_since = cheat, since
    if cheat == "bust_out":
        shop.cheat_since = max(1, size.days - int(rng.integers(*_BUSTS_DAYS)))
    else:
        shop.scale *= rng.uniform(*_SMALL)
    if shop.opened_day >= shop.cheat_since:
        shop.opened_day = shop.cheat_since - int(rng.integers(*_OWN_TRADE_DAYS))


def _give_to_one_hand(people: People, number: int, chain: list[Shop]) -> None:
    """Five shops of one controller: every other chain openly, the others through nominees from the family.

    Nominees give themselves away by one payout account or one telephone.
    """
    head = chain[0]
    nominees = people.relatives(head.hand, RELATIVES)
    for place, shop in enumerate(chain):
        shop.hand, shop.group, shop.relation = head.hand, head.number, "one_hand"
        shop.signed = head.hand if number % 2 == 0 or not place else int(nominees[place])
        if number % 4 == 1:
            shop.payout = head.payout
        if number % 4 == 3:
            shop.phone = head.phone


def _sell(rng: np.random.Generator, size: Size, old: Shop, new: Shop) -> None:
    """Another owner goes on in the same rooms, with the same till and the same regulars, under a code of his own."""
    day = int(rng.integers(size.days // 4, 3 * size.days // 4))
    for name in ("trade", "place", "scale", "price", "cash_share", "frontage", "custom", "device"):
        setattr(new, name, getattr(old, name))
    old.opened_day, old.closed_day, old.life = -int(rng.integers(*_OLD_DAYS)), day, "sold"
    new.opened_day, new.slow_clock_from = day + 7, None
    old.group = new.group = old.number
    old.relation = new.relation = "sold"


def _live(rng: np.random.Generator, size: Size, shop: Shop) -> None:
    """Some close for good, some trade in their season only, some move."""
    befalls: tuple[tuple[float, Callable[[np.random.Generator, Size, Shop], None]], ...] = (
        (_CLOSED, _close),
        (_SEASONAL, _keep_season),
        (_MOVED, _move),
    )
    chance = rng.random()
    for share, happen in befalls:
        if 0 <= chance < share:
            happen(rng, size, shop)
        chance -= share


def _close(rng: np.random.Generator, size: Size, shop: Shop) -> None:
    first = max(shop.opened_day, 0)
    shop.life, shop.closed_day = "closed", first + int((size.days - first) * rng.uniform(0.3, 0.95))


def _keep_season(rng: np.random.Generator, _size: Size, shop: Shop) -> None:
    shop.life, shop.season = "seasonal", _SEASONS[int(rng.integers(len(_SEASONS)))]


def _move(rng: np.random.Generator, size: Size, shop: Shop) -> None:
    """To another district; the register tells the new place."""
    if shop.is_village(size):
        return
    first = max(shop.opened_day, 0)
    shop.life, shop.moved_day = "moved", first + int((size.days - first) * rng.uniform(0.2, 0.9))
    shop.moved_from, shop.place = shop.place, int((shop.place + rng.integers(1, size.districts)) % size.districts)
