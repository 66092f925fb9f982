"""Windowed indicators: every combination of family, filter, window and statistic that has a name."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from fanxing.indicators import windows
from fanxing.indicators.definition import MISSING, Definition
from fanxing.indicators.facets import PAIRS, Filter
from fanxing.indicators.families import FAMILIES, Family, Statistic
from fanxing.indicators.windows import Window

DAILY_DAYS_MIN = 14
_DAILY_WINDOWS = tuple(window for window in windows.SPANS if window.days >= DAILY_DAYS_MIN)
_DAILY_FILTERS = frozenset(PAIRS)
_UNITS = {
    Statistic.TO_BEFORE: "ratio",
    Statistic.SHARE: "ratio",
    Statistic.VOLATILITY: "ratio",
    Statistic.ZSCORE: "deviation",
}
_MEANINGS = {
    Statistic.VALUE: "",
    Statistic.PER_ACTIVE_DAY: ", per day with any of them",
    Statistic.TO_BEFORE: ", over that of the window as long before",
    Statistic.SHARE: ", as a share of all",
    Statistic.SLOPE: ", daily: change a day, by least squares",
    Statistic.VOLATILITY: ", daily: standard deviation over mean",
    Statistic.ZSCORE: ", daily: mean of the last 7 days less that of the window, in standard deviations",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One windowed indicator."""

    family: Family
    filter: Filter
    window: Window
    statistic: Statistic

    @property
    def name(self) -> str:
        """Measure, filter, window, statistic: "receipts_fen_weekend_noon_30d_share"."""
        return f"{self.family.name}{self.filter.name}_{self.window.name}{self.statistic.suffix}"

    @property
    def definition(self) -> Definition:
        """Unit, meaning and missing rule."""
        family, statistic = self.family, self.statistic
        unit = _UNITS.get(statistic, family.unit)
        if statistic in {Statistic.PER_ACTIVE_DAY, Statistic.SLOPE}:
            unit = f"{family.unit} a day"
        meaning = f"{family.meaning}{self.filter.meaning} {self.window.meaning}{_MEANINGS[statistic]}"
        return Definition(self.name, unit, meaning, family.missing if statistic is Statistic.VALUE else MISSING)


def questions() -> Iterator[Question]:
    """All of them, in the order of the catalogue."""
    for family in FAMILIES:
        for each in family.filters:
            for window, statistic in _told(family, each):
                yield Question(family, each, window, statistic)


def _told(family: Family, each: Filter) -> Iterator[tuple[Window, Statistic]]:
    for window in family.windows:
        for statistic in family.statistics:
            if (statistic is Statistic.SHARE and not each.facets) or (
                statistic is Statistic.TO_BEFORE and window.month == 0 and not window.days
            ):
                continue
            yield window, statistic
    if each not in _DAILY_FILTERS:
        for window in _DAILY_WINDOWS:
            for statistic in family.daily:
                yield window, statistic


@cache
def _heads() -> dict[str, tuple[Family, Filter]]:
    """Families and filters by what a name begins with."""
    return {f"{family.name}{each.name}": (family, each) for family in FAMILIES for each in family.filters}


@cache
def _told_of(head: str) -> frozenset[tuple[Window, Statistic]]:
    """The windows and statistics of what a name begins with."""
    return frozenset(_told(*_heads()[head]))


def questions_with(prefix: str) -> Iterator[Question]:
    """Those whose names begin so, in the order of the catalogue."""
    for head, (family, each) in _heads().items():
        if not (head.startswith(prefix) or prefix.startswith(head)):
            continue
        for window, statistic in _told(family, each):
            question = Question(family, each, window, statistic)
            if question.name.startswith(prefix):
                yield question


def question_of(name: str) -> Question | None:
    """The windowed indicator of a name, without making them all; None where there is none."""
    for statistic in reversed(Statistic):
        if not name.endswith(statistic.suffix):
            continue
        parts = name.removesuffix(statistic.suffix).split("_")
        taken = 2 if len(parts) > 2 and parts[-2] == "month" else 1
        head, window = "_".join(parts[:-taken]), windows.BY_NAME.get("_".join(parts[-taken:]))
        if window is None or head not in _heads():
            continue
        family, each = _heads()[head]
        if (window, statistic) in _told_of(head):
            return Question(family, each, window, statistic)
    return None
