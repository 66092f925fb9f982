"""Writes the town of size S, the very one that `town play` plays, in the files of `folders`."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fanxing.payments import Payment, PaymentKind
from fanxing.town import folders
from fanxing.town.feed import feed
from fanxing.town.findings import CHEATS
from fanxing.town.folders import TownFolder
from fanxing.town.world import CURRENCY, DAYS, FIRST_DAY, HOUR_US, MERCHANTS, TIME_ZONE, Town, build_town, day_us

CHEAT_NAMES = {"self": "self_payment", "ring": "ring"}
_FIELDS = Payment.__struct_fields__


def write_small(seed: int, out: Path, merchants: int = MERCHANTS) -> int:
    """Writes feeds and truth; returns how many payments the feed tells, those that came twice twice."""
    count = 0
    with TownFolder(out) as folder:
        town = build_town(seed, merchants)
        for day in range(DAYS):
            told = feed(town, day)
            folder.payments([_table(told, day_us(day + 1) - HOUR_US)])
            count += len(told)
        folder.merchants(shop.merchant for shop in town.shops)
        folder.facts(town.facts)
        folder.fakes([_fakes(town)])
        folder.truth("merchants", folders.TRUE_MERCHANTS, list(_true(town)))
        folder.truth("links", folders.LINKS, _ring(town))
        folder.about(_about(town))
    return count


def _table(payments: list[Payment], known_us: int) -> pa.Table:
    """The payments of a day's feed, all known at one time."""
    columns: dict[str, Any] = {name: [getattr(each, name) for each in payments] for name in _FIELDS}
    columns["known_us"] = [known_us] * len(payments)
    arrays = [pa.array(columns[field.name], _plain(field.type)).cast(field.type) for field in folders.PAYMENTS]
    return pa.table(arrays, schema=folders.PAYMENTS)


def _plain(kind: pa.DataType) -> pa.DataType:
    return folders.TEXT if kind == folders.WORD else kind


def _fakes(town: Town) -> pa.Table:
    """All receipts of a cheat, since nobody else pays there."""
    cheats = {shop.merchant.merchant_id for shop in town.shops if shop.kind in CHEATS}
    fakes = [each for day in town.payments for each in day if each.merchant_id in cheats]
    assert all(each.kind is PaymentKind.RECEIPT for each in fakes)
    merchants = pa.array([each.merchant_id for each in fakes]).cast(folders.WORD)
    return pa.table([merchants, [each.payment_id for each in fakes]], schema=folders.FAKES)


def _true(town: Town) -> Iterator[dict[str, Any]]:
    """What S keeps as truth. Defaults are drawn as `fanxing train town` draws them."""
    twins = {twin: plain for plain, twin in town.twins}
    chance = np.random.default_rng(town.seed + 1000)
    for shop in town.shops:
        yield {
            "merchant_id": shop.merchant.merchant_id,
            "cheat": CHEAT_NAMES.get(shop.kind, ""),
            "life": "",
            "hand": shop.merchant.controller_token,
            "twin_of": twins.get(shop.merchant.merchant_id, ""),
            "genuine_payers": shop.genuine_payers,
            "default_probability": shop.default_probability,
            "defaulted": bool(chance.random() < shop.default_probability),
        }


def _ring(town: Town) -> list[dict[str, str]]:
    members = [shop.merchant.merchant_id for shop in town.shops if shop.kind == "ring"]
    return [{"merchant_id": one, "other_id": other, "relation": "ring"} for one, other in combinations(members, 2)]


def _about(town: Town) -> dict[str, Any]:
    return {
        "seed": town.seed,
        "merchants": len(town.shops),
        "days": DAYS,
        "first_day": str(FIRST_DAY),
        "decided_on": str(FIRST_DAY + timedelta(days=DAYS)),
        "currency": CURRENCY,
        "time_zone": TIME_ZONE,
    }
