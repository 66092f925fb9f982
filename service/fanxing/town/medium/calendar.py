"""The town's days: weekdays, rain, Spring Festival and National Day, the seasons, a downturn. All visible to anyone."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from fanxing.town.medium.size import FIRST_DAY, Size, stream

NEW_YEARS = (date(2025, 1, 29), date(2026, 2, 17))
NATIONAL_DAYS = (date(2024, 10, 1), date(2025, 10, 1))
_FESTIVAL_DAYS, _HOLIDAYS = 8, 7
_RAIN_AFTER_RAIN, _RAIN_AFTER_SUN = 0.55, 0.22
_DOWNTURN_FROM, _DOWNTURN_TO, _DOWNTURN = 0.58, 0.83, 0.85
"""Shares of the time between which trade falls slowly to that share, and stays there for the rest of it."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """By day of the town, shape (days,): weekday (0 is Monday), day of the year, and what the day is like."""

    weekday: np.ndarray
    year_day: np.ndarray
    rain: np.ndarray
    festival: np.ndarray
    holiday: np.ndarray
    downturn: np.ndarray


def calendar_of(seed: int, size: Size) -> Calendar:
    """The weather is the seed's; everything else is the calendar's."""
    day = np.arange(size.days)
    dates = np.datetime64(FIRST_DAY) + day
    year_day = (dates - dates.astype("M8[Y]")).astype(int)
    festival = _days_from(day, NEW_YEARS, -1, _FESTIVAL_DAYS)
    holiday = _days_from(day, NATIONAL_DAYS, 0, _HOLIDAYS)
    downturn = np.interp(
        day / size.days, [_DOWNTURN_FROM, _DOWNTURN_FROM + 0.1, _DOWNTURN_TO, 1], [1, _DOWNTURN, _DOWNTURN, 0.97]
    )
    return Calendar((day + FIRST_DAY.weekday()) % 7, year_day, _rain(seed, size), festival, holiday, downturn)


def _days_from(day: np.ndarray, feasts: tuple[date, ...], first: int, count: int) -> np.ndarray:
    """Whether each day is one of so many from the `first` after a feast on."""
    since = day[:, None] - np.array([(feast - FIRST_DAY).days for feast in feasts])
    return np.asarray(((since >= first) & (since < first + count)).any(axis=1))


def _rain(seed: int, size: Size) -> np.ndarray:
    """Wet days come in spells."""
    chance, wet = stream(seed, "rain").random(size.days), np.zeros(size.days, dtype=bool)
    for day in range(1, size.days):
        wet[day] = chance[day] < (_RAIN_AFTER_RAIN if wet[day - 1] else _RAIN_AFTER_SUN)
    return wet
