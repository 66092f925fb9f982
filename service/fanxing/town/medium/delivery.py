"""What the feed makes of the books: when each payment is known; late, twice, after an outage, with a slow clock."""

import numpy as np

from fanxing.town.medium.rows import ORIGIN_US, OUTFLOW, happened_us, roll
from fanxing.town.medium.shops import Shop
from fanxing.town.medium.size import Size
from fanxing.town.world import DAY_US, HOUR_US

OUTAGE_DAYS, SLOW_CLOCK_DAYS, LATE_DAYS_MAX = 3, 30, 3
_LATE, _TWICE = 100, 200
"""One payment in so many is late by one to three days; one in so many comes again a day later."""
_SECOND_US = 1_000_000
_BACKLOG_US = 2 * HOUR_US


def delivered(rows: np.ndarray, size: Size, shop: Shop) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(places in `rows`, occurred_us as told, known_us), each int64 (n,), in the order of becoming known.

    A payment that came twice stands twice; one that is not known by the last midnight is not there.
    """
    happened = happened_us(rows)
    known = happened + (2 + roll(rows, 5, 58)) * _SECOND_US
    banked = rows["kind"] == OUTFLOW
    known[banked] = ORIGIN_US + (rows["day"][banked] + np.int64(1)) * DAY_US - HOUR_US
    late = roll(rows, 6, _LATE) == 0
    known += late * (1 + roll(rows, 7, LATE_DAYS_MAX)) * DAY_US
    known = _after_outage(known, rows, size, banked)
    again = np.flatnonzero(roll(rows, 9, _TWICE) == 0)
    places = np.concatenate([np.arange(len(rows)), again])
    known = np.concatenate([known, known[again] + DAY_US])
    told = _by_the_clock(happened, rows, shop)
    heard = np.flatnonzero(known < ORIGIN_US + size.days * DAY_US)
    order = heard[np.lexsort((places[heard], known[heard]))]
    return places[order], told[places[order]], known[order]


def _after_outage(known: np.ndarray, rows: np.ndarray, size: Size, banked: np.ndarray) -> np.ndarray:
    """The code's feed is silent for three days, and then tells all of them within two hours."""
    start = ORIGIN_US + size.outage_day * DAY_US
    end = start + OUTAGE_DAYS * DAY_US
    backlog = end + roll(rows, 8, _BACKLOG_US)
    return np.where(~banked & (known >= start) & (known < end), backlog, known)


def _by_the_clock(happened: np.ndarray, rows: np.ndarray, shop: Shop) -> np.ndarray:
    """A till whose clock is an hour slow for a month tells times of an hour ago."""
    if shop.slow_clock_from is None:
        return happened
    first = shop.slow_clock_from
    slow = (rows["day"] >= first) & (rows["day"] < first + SLOW_CLOCK_DAYS) & (rows["kind"] != OUTFLOW)
    return np.where(slow, happened - HOUR_US, happened)
