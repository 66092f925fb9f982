"""Receipts: how much, how often, from how many, and how they are spread."""

from dataclasses import dataclass

import numpy as np

from fanxing.indicators.history import RECEIPT, REFUND, UNKNOWN, PaymentHistory
from fanxing.indicators.local_time import DAY_US, local_us
from fanxing.merchants import Merchant

NIGHT_ENDS_US = 6 * 3_600_000_000
DEVICE_PAYERS_MIN = 5
"""A device that so many payers share is nobody's own."""
Values = dict[str, float | None]


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


def clean_payments(history: PaymentHistory, as_of_us: int, time_zone: str) -> Receipts:
    """The receipts that happened by `as_of_us`, net of the refunds that had happened by then."""
    rows = history.rows
    returned = np.zeros(len(rows), dtype="i8")
    early = np.zeros(len(rows), dtype="i8")
    refunds = rows[(rows["kind"] == REFUND) & (rows["occurred_us"] <= as_of_us)]
    refunds = refunds[(refunds["receipt"] != UNKNOWN) & (refunds["receipt"] < len(rows))]
    np.add.at(returned, refunds["receipt"], refunds["amount_fen"])
    soon = refunds["occurred_us"] - rows["occurred_us"][refunds["receipt"]] <= 14 * DAY_US
    np.add.at(early, refunds["receipt"][soon], refunds["amount_fen"][soon])
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
        all_returned_fen=np.minimum(back, gross),
        all_returned_early_fen=np.minimum(early[chosen], gross),
    )


def receipts(merchant: Merchant, history: PaymentHistory, trade: Receipts, today: int) -> Values:
    """Every indicator that receipts alone give. `today` is the local day since 1970."""
    sums = np.concatenate(([0], np.cumsum(trade.net_fen)))
    values: Values = {}
    for days in (7, 30, 90, 180, 365):
        count = trade.within(days)
        values[f"receipts_count_{days}d"] = count
        values[f"receipts_fen_{days}d"] = int(sums[count])
    for days in (30, 90, 180):
        count = trade.within(days)
        values[f"receipts_mean_fen_{days}d"] = int(sums[count]) / count if count else None
        values[f"receipts_max_fen_{days}d"] = int(trade.net_fen[:count].max()) if count else None
    quarter = trade.within(90)
    values["receipts_deviation_fen_90d"] = float(np.std(trade.net_fen[:quarter])) if quarter else None
    values["receipts_trend_90d"] = _trend(int(sums[trade.within(30)]), int(sums[quarter]), trade)
    return values | _payers(trade) | _days(trade, today) | _shares(merchant, history, trade, quarter) | _refunds(trade)


def _trend(month: int, quarter: int, trade: Receipts) -> float | None:
    """Missing until there is a receipt of 60 days ago or more, since a trade that begins has no trend."""
    if not len(trade.age_us) or trade.age_us[-1] < 60 * DAY_US or quarter == month:
        return None
    return month / ((quarter - month) / 2)


def _payers(trade: Receipts) -> Values:
    known = trade.payer != UNKNOWN
    payer, age, net = trade.payer[known], trade.age_us[known], trade.net_fen[known]
    _, newest = np.unique(payer, return_index=True)
    latest = np.sort(age[newest])
    values: Values = {
        f"payers_distinct_{days}d": int(np.searchsorted(latest, days * DAY_US, side="left"))
        for days in (7, 30, 90, 180, 365)
    }
    _, oldest = np.unique(payer[::-1], return_index=True)
    new = int((age[::-1][oldest] < 30 * DAY_US).sum())
    values["payers_new_30d"] = new
    values["payers_returning_30d"] = (values["payers_distinct_30d"] or 0) - new
    for days in (30, 90):
        recent = age < days * DAY_US
        whole = int(trade.net_fen[: trade.within(days)].sum())
        top = _by_payer(payer[recent], net[recent]).max(initial=0)
        values[f"payer_top_share_{days}d"] = int(top) / whole if whole else None
    times = np.bincount(payer[age < 90 * DAY_US]) if len(payer) else np.zeros(0, dtype="i8")
    seen = int((times > 0).sum())
    values["payer_repeat_rate_90d"] = int((times > 1).sum()) / seen if seen else None
    return values


def _by_payer(payer: np.ndarray, fen: np.ndarray) -> np.ndarray:
    """Exact sums by payer place."""
    sums = np.zeros(int(payer.max()) + 1 if len(payer) else 0, dtype="i8")
    np.add.at(sums, payer, fen)
    return sums


def _days(trade: Receipts, today: int) -> Values:
    days = np.unique(trade.local_us // DAY_US)
    values: Values = {f"active_days_{window}d": int((days > today - window).sum()) for window in (30, 90, 180)}
    for window in (90, 180):
        values[f"longest_gap_days_{window}d"] = None
        if len(days):
            start = max(today - window, int(days[0]))
            marks = np.concatenate(([start], days[days > start], [today + 1]))
            values[f"longest_gap_days_{window}d"] = int(np.diff(marks).max()) - 1
    return values


def _shares(merchant: Merchant, history: PaymentHistory, trade: Receipts, quarter: int) -> Values:
    net, payer, device = trade.net_fen[:quarter], trade.payer[:quarter], trade.device[:quarter]
    whole = int(net.sum())
    controller = history.payers.get(merchant.controller_token, -2)
    night = int((trade.local_us[:quarter] % DAY_US < NIGHT_ENDS_US).sum())

    def share(part: np.ndarray) -> float | None:
        return int(net[part].sum()) / whole if whole else None

    return {
        "night_share_90d": night / quarter if quarter else None,
        "credit_share_90d": share(trade.credit[:quarter]),
        "personal_code_share_90d": share(trade.personal_code[:quarter]),
        "self_payment_share_90d": share(payer == controller),
        "shared_device_share_90d": share(_shared_devices(merchant, history, payer, device)),
    }


def _shared_devices(merchant: Merchant, history: PaymentHistory, payer: np.ndarray, device: np.ndarray) -> np.ndarray:
    """Which receipts came from the merchant's own device or from one that five payers or more share."""
    named = (device != UNKNOWN) & (payer != UNKNOWN)
    pairs = np.unique(device[named].astype("i8") << 32 | payer[named])
    crowd = np.bincount(pairs >> 32, minlength=1) >= DEVICE_PAYERS_MIN
    own = history.devices.get(merchant.device_token, -2) if merchant.device_token else -2
    inside = (device != UNKNOWN) & (device < len(crowd))
    return np.asarray((device == own) | (inside & crowd[np.where(inside, device, 0)]))


def _refunds(trade: Receipts) -> Values:
    values: Values = {}
    for days in (30, 90):
        count = int(np.searchsorted(trade.all_age_us, days * DAY_US, side="left"))
        gross, back = int(trade.all_gross_fen[:count].sum()), trade.all_returned_fen[:count]
        values[f"refund_count_{days}d"] = int((back > 0).sum())
        values[f"refund_share_{days}d"] = int(back.sum()) / gross if gross else None
    return values
