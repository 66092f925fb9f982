"""Windows: spans of local days that end today, and calendar months; what they are on a given day."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from fanxing.indicators import facets
from fanxing_core import _windows

DAY_SPANS = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    10,
    14,
    21,
    28,
    30,
    45,
    60,
    75,
    90,
    105,
    120,
    135,
    150,
    180,
    210,
    240,
    270,
    300,
    330,
    365,
)
MONTHS = 12
_EPOCH = date(1970, 1, 1)
_TO_TODAY, _MONTH, _OTHER = 0, 1, 2
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Window:
    """The last `days` local days, today included; or the calendar month `month` months ago, 0 for this one so far."""

    days: int = 0
    month: int = 0

    @property
    def name(self) -> str:
        """As it stands at the end of an indicator's name."""
        return f"{self.days}d" if self.days else f"month_{self.month}"

    @property
    def meaning(self) -> str:
        """As it stands in a definition."""
        if self.days:
            return f"in the last {self.days} days" if self.days > 1 else "today"
        if not self.month:
            return "in this calendar month so far"
        return f"in the calendar month {self.month} months ago" if self.month > 1 else "in the last calendar month"

    def ages(self, today: date) -> tuple[int, int]:
        """The youngest and the oldest day, in days before today, both included."""
        if self.days:
            return 0, self.days - 1
        first = _month_start(today, self.month)
        end = today + timedelta(days=1) if not self.month else _month_start(today, self.month - 1)
        return (today - end).days + 1, (today - first).days

    def before(self, today: date) -> tuple[int, int]:
        """The ages of the window as long before this one, or of the month before."""
        if not self.days:
            return Window(month=self.month + 1).ages(today)
        return self.days, 2 * self.days - 1


def _month_start(today: date, months_ago: int) -> date:
    months = today.year * 12 + today.month - 1 - months_ago
    return date(months // 12, months % 12 + 1, 1)


SPANS = tuple(Window(days=days) for days in DAY_SPANS)
ALL = (*SPANS, *(Window(month=month) for month in range(MONTHS + 1)))
BY_NAME = {window.name: window for window in ALL}
PLACES = {window: place for place, window in enumerate(ALL)}


@lru_cache(maxsize=8)
def calendar(today: int) -> _windows.Calendar:
    """Windows and facets on a local day (since 1970), as the core reads them."""
    day = _EPOCH + timedelta(days=today)
    spans = [window.ages(day) for window in ALL] + [window.before(day) for window in ALL]
    cuts = np.array(sorted({cut for youngest, oldest in spans for cut in (youngest, oldest + 1)} - {0}), "i4")
    segment = {0: 0, **{int(cut): place for place, cut in enumerate(cuts, 1)}}
    rows = np.zeros(len(spans), _windows.WINDOW)
    months = np.zeros(len(cuts) + 1, "u2")
    for place, (youngest, oldest) in enumerate(spans):
        window, asked = ALL[place % len(ALL)], place < len(ALL)
        kind = _TO_TODAY if youngest == 0 else _OTHER if window.days else _MONTH
        before = len(ALL) + place if asked else -1
        rows[place] = (segment[youngest], segment[oldest + 1], before, kind, youngest, oldest)
        if not window.days:
            months[segment[youngest] : segment[oldest + 1]] = window.month + (1 if asked else 2)
    return _windows.Calendar(
        windows=rows,
        cuts=cuts,
        months=months,
        week=segment[_WEEK],
        today=today,
        day_facets=facets.day_bits(today),
        hour_cuts=np.array([3600 * start for start, _ in facets.HOUR_STARTS[1:]], "u4"),
        hour_facets=facets.hour_bits(),
        amount_cuts=np.array(facets.AMOUNT_CUTS_FEN, "u4"),
        amount_facets=facets.amount_bits(),
        round_fen=facets.ROUND_FEN,
        counted=facets.CORE[facets.COUNTED[0]],
        facets=facets.MARKS,
    )
