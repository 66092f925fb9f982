"""Through when a merchant's receipts are known: what its channels have told, and which of them it uses."""

from collections.abc import Iterable

import numpy as np

from fanxing.feeds import Watermark
from fanxing.indicators.history import RECEIPT, PaymentHistory
from fanxing.indicators.local_time import DAY_US

IN_USE_DAYS = 187
"""A channel is in use so long after its newest payment: the limit reads no older ones."""
HOUR_US = 3_600_000_000


def furthest_behind(history: PaymentHistory, told: Iterable[Watermark], as_of_us: int) -> Watermark | None:
    """The earliest watermark of the channels in use; None where none of them has told any.

    A channel that has never told says nothing of what is missing: its payments are taken as known.
    """
    in_use = _in_use(history, as_of_us)
    used = [each for each in told if each.channel in in_use]
    return min(used, key=lambda each: each.complete_through_us, default=None)


def known_through_us(history: PaymentHistory, told: Iterable[Watermark], as_of_us: int) -> int | None:
    """The last moment, no later than `as_of_us`, through which receipts are known; None where no channel has told."""
    behind = furthest_behind(history, told, as_of_us)
    return None if behind is None else min(as_of_us, behind.complete_through_us)


def lag_hours(as_of_us: int, through_us: int) -> float:
    """How long receipts have been unknown."""
    return (as_of_us - through_us) / HOUR_US


def receipts_all_later(history: PaymentHistory, through_us: int, as_of_us: int) -> bool:
    """Whether receipts are on record by `as_of_us`, but none through the moment that they are known: it is not zero."""
    occurred_us = history.rows["occurred_us"][history.rows["kind"] == RECEIPT]
    occurred_us = occurred_us[occurred_us <= as_of_us]
    return bool(len(occurred_us) and occurred_us.min() > through_us)


def _in_use(history: PaymentHistory, as_of_us: int) -> frozenset[str]:
    """The channels in use, by one look at the payments however many they are."""
    rows, names = history.rows, history.channel_names
    occurred_us = rows["occurred_us"]
    recent = (occurred_us <= as_of_us) & (occurred_us > as_of_us - IN_USE_DAYS * DAY_US)
    return frozenset(names[place] for place in np.flatnonzero(np.bincount(rows["channel"][recent])))
