"""Koubei's merchants (IJCAI-17): real daily counts of payments, read as payments of unknown payers.

Real: which shop took how many payments on which day. Not in the data, and so stand-ins that say nothing of money or
hours: the amount (the caller's fen times the shop's class of spending, 1 to 20), the time (noon) and when it was known
(23:00). Payers are unknown; nobody's default is told. A day without a row is 0 payments, but of 2015-12-12 nothing is
known, since the organiser took it out. The rows are for research and are not shipped.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fanxing.errors import InvalidRequest
from fanxing.merchants import Merchant
from fanxing.payments import PaymentKind
from fanxing.town.folders import PAYMENTS, FeedsFolder

TIME_ZONE, CURRENCY = "Asia/Shanghai", "CNY"
UNKNOWN = -1
UNKNOWN_DAY = date(2015, 12, 12)
_CATEGORIES = {"美食": "food", "超市便利店": "market"}
_EPOCH = date(1970, 1, 1)
_DAY_US, _HOUR_US = 86_400_000_000, 3_600_000_000
_NOON_US, _KNOWN_US = 4 * _HOUR_US, 15 * _HOUR_US
"""Noon and 23:00 in Shanghai, from midnight UTC."""
_SHOPS_A_GROUP = 50


@dataclass(frozen=True, slots=True)
class Koubei:
    """By shop: id, class of spending (int (shops,)), merchant; `counts`: payments a day, int32 (shops, days), or -1."""

    shop_ids: np.ndarray
    spending: np.ndarray
    merchants: tuple[Merchant, ...]
    first_day: date
    counts: np.ndarray


def read_koubei(directory: Path) -> Koubei:
    """Reads daily_flow.parquet and shop_info.parquet; InvalidRequest tells what is wrong with them."""
    try:
        flow = parquet.read_table(directory / "daily_flow.parquet", columns=["shop_id", "date", "pay_count"])
        info = parquet.read_table(
            directory / "shop_info.parquet", columns=["shop_id", "location_id", "per_pay", "cate_1"]
        )
        shops = sorted(info.to_pylist(), key=lambda row: int(row["shop_id"]))
        ids = np.array([row["shop_id"] for row in shops])
        first_day, counts = _counts(flow, ids)
        opened = [first_day + timedelta(days=int(day)) for day in (counts > 0).argmax(axis=1)]
        merchants = tuple(_merchant(row, day) for row, day in zip(shops, opened, strict=True))
        spending = np.array([int(row["per_pay"]) for row in shops])
    except (OSError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
        raise InvalidRequest(f"{directory}: not Koubei's files: {error}", field="directory") from error
    return Koubei(ids, spending, merchants, first_day, counts)


def _counts(flow: pa.Table, ids: np.ndarray) -> tuple[date, np.ndarray]:
    """The first day, and counts (shops, days): 0 where there is no row, UNKNOWN on the day that was taken out."""
    if not len(flow):
        raise ValueError("daily_flow.parquet has no rows")
    day = flow["date"].to_numpy().astype("datetime64[D]").astype("i8")
    shop, count = flow["shop_id"].to_numpy(), flow["pay_count"].to_numpy()
    place = np.minimum(np.searchsorted(ids, shop), len(ids) - 1)
    if (ids[place] != shop).any():
        raise ValueError(f"shop_info.parquet lacks shop {shop[ids[place] != shop][0]}")
    if (count < 0).any():
        raise ValueError("daily_flow.parquet: a count is negative")
    first = int(day.min())
    counts = np.zeros((len(ids), int(day.max()) - first + 1), dtype="i4")
    np.add.at(counts, (place, day - first), count)
    unknown = (UNKNOWN_DAY - _EPOCH).days - first
    if 0 <= unknown < counts.shape[1]:
        counts[:, unknown] = UNKNOWN
    return _EPOCH + timedelta(days=first), counts


def _merchant(row: dict[str, object], opened: date) -> Merchant:
    """Opened on its first day with a payment; nothing is known of who stands behind it."""
    shop = row["shop_id"]
    return Merchant(
        merchant_id=f"koubei-{shop}",
        name=f"shop {shop}",
        category=_CATEGORIES.get(str(row["cate_1"]), "other"),
        opened_on=opened,
        code_activated_on=None,
        place=f"location-{row['location_id']}",
        frontage=0.0,
        controller_token=f"owner-{shop}",
        licence_token="",
        payout_account_token=f"account-{shop}",
        phone_token="",
        device_token="",
        time_zone=TIME_ZONE,
    )


def payments_of(koubei: Koubei, place: int, stand_in_fen: int) -> pa.Table:
    """The payments of the shop at a place of `koubei`, in the columns of the feed; one row a payment counted."""
    counts = np.maximum(koubei.counts[place], 0)
    midnight = ((koubei.first_day - _EPOCH).days + np.arange(len(counts))) * _DAY_US
    days, count = np.repeat(midnight, counts), int(counts.sum())
    same = {
        "merchant_id": koubei.merchants[place].merchant_id,
        "amount_fen": int(koubei.spending[place]) * stand_in_fen,
        "kind": str(PaymentKind.RECEIPT),
        "channel": "koubei",
    }
    made = {
        "payment_id": pa.array([f"k{number}" for number in range(count)], pa.string()),
        "occurred_us": pa.array(days + _NOON_US),
        "known_us": pa.array(days + _KNOWN_US),
    }
    return pa.table([made.get(field.name, _repeated(field, same, count)) for field in PAYMENTS], schema=PAYMENTS)


def _repeated(field: pa.Field, same: dict[str, object], count: int) -> pa.Array:
    """One value in all rows: empty text or null where the data say nothing."""
    text = pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
    value = same.get(field.name, "" if text else None)
    plain = pa.string() if text else field.type
    repeated = pa.repeat(pa.scalar(value, plain), count)
    return repeated.dictionary_encode() if pa.types.is_dictionary(field.type) else repeated


def write_koubei(directory: Path, out: Path, stand_in_fen: int, shops: int | None = None) -> int:
    """Writes feeds of the first `shops` shops, all by default, and what in them is real; returns how many payments."""
    koubei, count = read_koubei(directory), 0
    chosen = range(len(koubei.shop_ids))[:shops]
    with FeedsFolder(out) as folder:
        folder.merchants(koubei.merchants[place] for place in chosen)
        folder.facts([])
        for tables in _groups(koubei, chosen, stand_in_fen):
            folder.payments(tables)
            count += sum(map(len, tables))
    told = {
        "source": "Koubei daily pay counts, IJCAI-17, for research only",
        "real": ["merchant_id", "day of occurred_us", "number of payments a day"],
        "stand_ins": {"amount_fen": f"{stand_in_fen} x class of spending", "time of day": "12:00", "known_us": "23:00"},
        "unknown_days": [str(UNKNOWN_DAY)],
    }
    (out / "origin.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return count


def _groups(koubei: Koubei, chosen: range, stand_in_fen: int) -> Iterator[list[pa.Table]]:
    for first in range(0, len(chosen), _SHOPS_A_GROUP):
        yield [payments_of(koubei, place, stand_in_fen) for place in chosen[first : first + _SHOPS_A_GROUP]]
