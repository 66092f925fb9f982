"""Receipts net of what was sent back, as evidence of genuine trade reads them."""

from dataclasses import dataclass

import numpy as np

from fanxing.indicators.history import RECEIPT, REFUND, UNKNOWN, PaymentHistory
from fanxing.indicators.local_time import DAY_US, local_us
from fanxing.merchants import Merchant

DEVICE_PAYERS_MIN = 5
"""A device that so many payers share is nobody's own."""


@dataclass(frozen=True, slots=True)
class Receipts:
    """Receipts not sent back in whole, newest first; equal ages stand in the order of the log. All int64 but flags."""

    age_us: np.ndarray
    net_fen: np.ndarray
    local_us: np.ndarray
    payer: np.ndarray
    device: np.ndarray
    credit: np.ndarray
    personal_code: np.ndarray
    all_age_us: np.ndarray
    """Ages of all receipts, sent back in whole too, newest first; what follows is in the same order."""
    all_payer: np.ndarray
    all_device: np.ndarray
    all_real_name: np.ndarray
    all_account_age_days: np.ndarray
    all_gross_fen: np.ndarray
    all_returned_fen: np.ndarray
    all_returned_early_fen: np.ndarray
    """Of each, what was sent back within 14 days."""

    def within(self, days: int) -> int:
        """How many of the newest lie in a window."""
        return int(np.searchsorted(self.age_us, days * DAY_US, side="left"))


def clean_payments(history: PaymentHistory, as_of_us: int, time_zone: str, refunds_us: int | None = None) -> Receipts:
    """The receipts that happened by `as_of_us`, net of refunds that happened by then, or by a later `refunds_us`."""
    rows = history.rows
    all_of, early_of = (np.zeros(len(rows), np.longdouble) for _ in range(2))  # may come to more than 64 bits hold
    back_us = as_of_us if refunds_us is None else refunds_us
    refunds = rows.take(np.flatnonzero((rows["kind"] == REFUND) & (rows["occurred_us"] <= back_us)))
    refunds = refunds[(refunds["receipt"] != UNKNOWN) & (refunds["receipt"] < len(rows))]
    np.add.at(all_of, refunds["receipt"], refunds["amount_fen"])
    soon = refunds["occurred_us"] - rows["occurred_us"][refunds["receipt"]] <= 14 * DAY_US
    np.add.at(early_of, refunds["receipt"][soon], refunds["amount_fen"][soon])
    returned, early = (np.minimum(back, rows["amount_fen"]).astype("i8") for back in (all_of, early_of))
    chosen = np.flatnonzero((rows["kind"] == RECEIPT) & (rows["occurred_us"] <= as_of_us))
    chosen = chosen[np.argsort(-rows["occurred_us"][chosen], kind="stable")]
    gross, back = rows["amount_fen"][chosen], returned[chosen]
    kept = chosen[back < gross]
    occurred = rows["occurred_us"][kept]
    return Receipts(
        age_us=as_of_us - occurred,
        net_fen=rows["amount_fen"][kept] - returned[kept],
        local_us=local_us(occurred, time_zone),
        payer=rows["payer"][kept],
        device=rows["device"][kept],
        credit=rows["credit"][kept],
        personal_code=rows["personal_code"][kept],
        all_age_us=as_of_us - rows["occurred_us"][chosen],
        all_payer=rows["payer"][chosen],
        all_device=rows["device"][chosen],
        all_real_name=rows["real_name"][chosen],
        all_account_age_days=rows["account_age_days"][chosen],
        all_gross_fen=gross,
        all_returned_fen=back,
        all_returned_early_fen=early[chosen],
    )


def shared_device_share(merchant: Merchant, history: PaymentHistory, trade: Receipts, today: int) -> float | None:
    """Share of the receipts of 90 local days from the merchant's own device or one that five payers or more share."""
    recent = trade.local_us // DAY_US > today - 90
    net, payer, device = trade.net_fen[recent], trade.payer[recent], trade.device[recent]
    whole = sum(net.tolist())
    return sum(net[_shared_devices(merchant, history, payer, device)].tolist()) / whole if whole else None


def _shared_devices(merchant: Merchant, history: PaymentHistory, payer: np.ndarray, device: np.ndarray) -> np.ndarray:
    """Which receipts came from the merchant's own device or from one that five payers or more share."""
    named = (device != UNKNOWN) & (payer != UNKNOWN)
    pairs = np.unique(device[named].astype("i8") << 32 | payer[named])
    crowd = np.bincount(pairs >> 32, minlength=1) >= DEVICE_PAYERS_MIN
    own = history.devices.get(merchant.device_token, -2) if merchant.device_token else -2
    inside = (device != UNKNOWN) & (device < len(crowd))
    return np.asarray((device == own) | (inside & crowd[np.where(inside, device, 0)]))
