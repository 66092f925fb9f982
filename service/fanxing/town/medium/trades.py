"""What each trade's days look like. Ticket, hours and margin are size S's; a farm sells here too.

From Koubei's daily pay counts (IJCAI-17), as aggregates only: weekdays of canteens, buns and fruit are medians over its
fast-food, snack and supermarket shops from March to May 2016; their dip at Spring Festival is rounded from totals of
food, snack and supermarket shops in February against mid January 2016; the spread of sizes and of days is rounded too.
Services and farms, rain and harvest are assumptions.
"""

from dataclasses import dataclass

import numpy as np

from fanxing.town.medium.calendar import Calendar
from fanxing.town.world import TRADES as SMALL
from fanxing.town.world import Trade

TRADES = SMALL | {"farm": Trade(4000, 4, (7, 8, 9, 16, 17), 0.30)}
LOG_SIZE_SD, DAY_SD, TICKET_SD = 0.55, 0.2, 0.5
"""Standard deviations of logs: of shops' sizes, of the days of one shop beyond Poisson's, of tickets."""
_HARVEST_PEAKS, _HARVEST_DAYS = (165, 285), 18
"""Mid June and mid October; a harvest's days are spread about them."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Factors on receipts: Monday to Sunday, on wet days, in the festival's week and in National Day's."""

    weekdays: tuple[float, ...]
    rain: float
    festival: float
    holiday: float


RHYTHMS = {
    "canteen": Rhythm((0.85, 0.85, 0.87, 0.89, 1.11, 1.24, 1.09), 0.92, 0.75, 1.05),
    "buns": Rhythm((0.93, 0.91, 0.94, 1.00, 1.09, 1.02, 1.04), 0.94, 0.35, 0.95),
    "fruit": Rhythm((0.89, 0.85, 0.87, 0.88, 0.97, 1.25, 1.29), 0.85, 0.75, 1.15),
    "services": Rhythm((0.95, 0.95, 0.95, 0.95, 1.05, 1.20, 0.95), 0.90, 0.30, 0.80),
    "farm": Rhythm((1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00), 0.80, 0.30, 1.00),
}


def rhythm(trade: str, calendar: Calendar) -> np.ndarray:
    """The factor on an average day's receipts, float64 (days,)."""
    own = RHYTHMS[trade]
    factor = np.asarray(own.weekdays)[calendar.weekday] * calendar.downturn
    factor *= np.where(calendar.rain, own.rain, 1) * np.where(calendar.festival, own.festival, 1)
    factor *= np.where(calendar.holiday, own.holiday, 1)
    return np.asarray(factor * _harvest(calendar) if trade == "farm" else factor)


def _harvest(calendar: Calendar) -> np.ndarray:
    """A farm sells little between harvests and most of its year about two of them."""
    distance = np.abs(calendar.year_day[:, None] - np.array(_HARVEST_PEAKS))
    return np.asarray(0.4 + 4 * np.exp(-0.5 * (distance / _HARVEST_DAYS) ** 2).sum(axis=1))
