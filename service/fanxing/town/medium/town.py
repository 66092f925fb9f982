"""The town put together: what is planned of it at once, and each shop's books as they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fanxing.merchants import Merchant
from fanxing.town.medium.books import balanced, thin
from fanxing.town.medium.calendar import Calendar, calendar_of
from fanxing.town.medium.cheats import Members, cheating
from fanxing.town.medium.custom import trade_of
from fanxing.town.medium.outcome import Outcome, outcome_of
from fanxing.town.medium.people import People, people_of
from fanxing.town.medium.roles import give_roles
from fanxing.town.medium.shops import Shop, registered, street
from fanxing.town.medium.size import Size, stream
from fanxing.town.medium.works import lost_share


@dataclass(frozen=True, slots=True)
class MediumTown:
    """`merchants` stand beside `shops`; `rivals`: customs by place; `members`: the shops of rings and loops."""

    seed: int
    size: Size
    calendar: Calendar
    people: People
    shops: list[Shop]
    merchants: list[Merchant]
    rivals: dict[int, list[int]]
    members: Members


@dataclass(frozen=True, slots=True)
class Books:
    """All that happened at one shop, ROW (n,) in order, and what would become of a loan to it."""

    shop: Shop
    merchant: Merchant
    rows: np.ndarray
    outcome: Outcome


def plan(seed: int, size: Size) -> MediumTown:
    """Everything but the payments."""
    people = people_of(seed, size)
    shops = street(seed, size)
    give_roles(seed, size, people, shops)
    names = stream(seed, "names").permutation(size.merchants)
    merchants = [registered(shop, names, people, device_token(people, shop)) for shop in shops]
    customs = {(shop.place, shop.custom) for shop in shops}
    rivals = {place: sorted(custom for at, custom in customs if at == place) for place, _ in customs}
    members: Members = {}
    for shop in shops:
        if shop.cheat in {"ring", "wash_loop"}:
            members.setdefault(shop.group, []).append(shop)
    return MediumTown(seed, size, calendar_of(seed, size), people, shops, merchants, rivals, members)


def device_token(people: People, shop: Shop) -> str:
    """Tills' numbers are shuffled among everyone's."""
    return f"phone-{people.device_numbers[len(people.token) + shop.device]}"


def books(town: MediumTown) -> Iterator[Books]:
    """Each shop's, in the order of merchant ids."""
    for place in sorted(range(len(town.shops)), key=lambda place: town.merchants[place].merchant_id):
        shop = town.shops[place]
        rows = _happened(town, shop)
        yield Books(shop, town.merchants[place], rows, outcome_of(town.seed, town.size, shop, rows))


def _happened(town: MediumTown, shop: Shop) -> np.ndarray:
    """Trade, thinned by works, and what a cheat adds to it."""
    seed, size = town.seed, town.size
    trade = trade_of(seed, size, town.calendar, town.people, shop, town.rivals[shop.place])
    fakes = cheating(seed, size, town.people, shop, town.members)
    return balanced(seed, size, shop, np.concatenate([thin(trade, lost_share(shop, size)), fakes]))
