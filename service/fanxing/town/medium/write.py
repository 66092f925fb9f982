"""Writes the town of size M, shop by shop, so that only one row group of payments is held at once."""

from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from fanxing.town import folders
from fanxing.town.folders import TownFolder
from fanxing.town.medium.columns import Columns
from fanxing.town.medium.delivery import OUTAGE_DAYS, SLOW_CLOCK_DAYS
from fanxing.town.medium.rows import RECEIPT
from fanxing.town.medium.shops import Shop
from fanxing.town.medium.size import FIRST_DAY, Size
from fanxing.town.medium.told import facts_of
from fanxing.town.medium.town import Books, MediumTown, books, plan
from fanxing.town.world import CURRENCY, TIME_ZONE

SHOPS_A_GROUP = 100
Row = dict[str, Any]


def write_medium(seed: int, size: Size, out: Path) -> int:
    """Writes feeds and truth; returns how many payments the feed tells, those that came twice twice."""
    count, true, group, fakes = 0, [], [], []
    with TownFolder(out) as folder:
        town = plan(seed, size)
        columns = Columns(town)
        _write_plan(town, folder)
        for place, shop_books in enumerate(books(town), 1):
            group.append(columns.payments(shop_books))
            fakes.append(columns.fakes(shop_books))
            true.append(_true(town, shop_books))
            count += len(group[-1])
            if place % SHOPS_A_GROUP == 0 or place == len(town.shops):
                folder.payments(group)
                group = []
        folder.fakes(fakes)
        folder.truth("merchants", folders.TRUE_MERCHANTS, true)
    return count


def _write_plan(town: MediumTown, folder: TownFolder) -> None:
    """Everything that is told or true before the first payment."""
    merchants = sorted(town.merchants, key=lambda merchant: merchant.merchant_id)
    ids = [merchant.merchant_id for merchant in town.merchants]
    facts = [fact for shop in town.shops for fact in facts_of(town.seed, town.size, shop, ids)]
    folder.merchants(merchants)
    folder.facts(sorted(facts, key=lambda fact: (fact.known_us, fact.merchant_id)))
    folder.truth("accounts", folders.ACCOUNTS, _accounts(town))
    folder.truth("links", folders.LINKS, _links(town, ids))
    folder.truth("works", folders.WORKS, [_works(shop, ids[shop.number]) for shop in town.shops if shop.works])
    folder.about(_about(town))


def _about(town: MediumTown) -> Row:
    size = town.size
    return {
        "seed": town.seed,
        "merchants": size.merchants,
        "days": size.days,
        "first_day": str(FIRST_DAY),
        "decided_on": str(size.decided_on),
        "currency": CURRENCY,
        "time_zone": TIME_ZONE,
        "outage": {"first_day": str(_date(size.outage_day)), "days": OUTAGE_DAYS},
        "slow_clock_days": SLOW_CLOCK_DAYS,
    }


def _date(day: int | None) -> date | None:
    return None if day is None else FIRST_DAY + timedelta(days=day)


def _true(town: MediumTown, told: Books) -> Row:
    """What is true of one shop."""
    shop, outcome, receipts = told.shop, told.outcome, told.rows[told.rows["kind"] == RECEIPT]
    return {
        "merchant_id": told.merchant.merchant_id,
        "cheat": shop.cheat,
        "cheat_since": _date(shop.cheat_since) if shop.cheat else None,
        "life": shop.life,
        "closed_on": _date(shop.closed_day),
        "moved_on": _date(shop.moved_day),
        "hand": f"payer-{town.people.token[shop.hand]}",
        "twin_of": town.merchants[shop.twin_of].merchant_id if shop.twin_of >= 0 else "",
        "genuine_payers": len(np.unique(receipts["account"][~receipts["fake"]])),
        "genuine_fen_90d": outcome.genuine_fen,
        "apparent_fen_90d": outcome.apparent_fen,
        "cash_share": shop.cash_share,
        "personal_code_share": shop.personal_share,
        "debt_service_fen": sum(debt.monthly_service_fen for debt in shop.debts),
        "untold_debt_fen": sum(debt.balance_fen for debt in shop.debts if not debt.told),
        "slow_clock_from": _date(shop.slow_clock_from),
        "left_fen": outcome.left_fen,
        "log_odds": outcome.log_odds,
        "reference_loan_fen": outcome.loan_fen,
        "default_probability": outcome.default_probability,
        "loss_given_default": outcome.loss_given_default,
        "defaulted": outcome.defaulted,
    }


def _accounts(town: MediumTown) -> list[Row]:
    """Every payer's kind and home; owners and relatives are residents."""
    size, tokens = town.size, town.people.token.tolist()
    kinds = ("resident", "villager", "tourist", "bought")
    counts = (size.residents, size.villagers, size.tourists, size.bought)
    homes = [f"place-{number * size.districts // size.residents}" for number in range(size.residents)]
    villages = [
        f"place-{size.districts + number * size.villages // size.villagers}" for number in range(size.villagers)
    ]
    homes += villages + [""] * (size.tourists + size.bought)
    kind = np.repeat(kinds, counts).tolist()
    return [
        {"payer_token": f"payer-{token}", "kind": kind[number], "place": homes[number]}
        for number, token in enumerate(tokens)
    ]


def _links(town: MediumTown, ids: list[str]) -> list[Row]:
    """Pairs of shops: of one hand, sold by one to another, of relatives; of one ring or loop."""
    groups: dict[tuple[str, int], list[str]] = {}
    for shop in town.shops:
        relation = shop.relation or (shop.cheat if shop.cheat in {"ring", "wash_loop"} else "")
        if relation:
            groups.setdefault((relation, shop.group), []).append(ids[shop.number])
    return [
        {"merchant_id": one, "other_id": other, "relation": relation}
        for (relation, _), members in groups.items()
        for one, other in combinations(sorted(members), 2)
    ]


def _works(shop: Shop, merchant_id: str) -> Row:
    works = shop.works
    assert works is not None, "only shops with works are asked"
    first, last = works.actual or (None, None)
    return {
        "merchant_id": merchant_id,
        "kind": str(works.kind),
        "announced_on": _date(works.announced),
        "planned_from": _date(works.planned[0]),
        "planned_to": _date(works.planned[1]),
        "fate": works.fate,
        "actual_from": _date(first),
        "actual_to": _date(last),
        "effect": works.effect,
    }
