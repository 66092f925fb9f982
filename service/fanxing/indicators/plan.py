"""A plan: which windowed indicators are wanted, as the core answers them in one pass over a merchant's state."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fanxing.indicators import windows
from fanxing.indicators.facets import ALL, Facet, Filter
from fanxing.indicators.families import Family, Measure, Statistic
from fanxing.indicators.questions import Question
from fanxing_core import _windows

_SPREAD, _DAILY, _ORDER, _PAYERS, _WHOLE = 1, 4, 8, 16, 32
_WANTS = {
    **dict.fromkeys((Measure.DEVIATION, Measure.LEAST, Measure.MOST, Measure.LATEST), _SPREAD),
    **dict.fromkeys((Measure.LOW, Measure.MEDIAN, Measure.HIGH), _ORDER),
    **dict.fromkeys((Measure.TOP_SHARE, Measure.CONCENTRATION), _PAYERS),
}
_COUNTED = frozenset({Measure.DISTINCT, Measure.NEWCOMERS, Measure.RETURNING, Measure.LOST, Measure.REPEATING})
_Group = tuple[Facet, int, Filter]


@dataclass(frozen=True, slots=True)
class Plan:
    """`answer` gives one value for each of `questions`, in their order."""

    questions: tuple[Question, ...]
    _compiled: _windows.Plan

    def answer(self, state: bytes, today: int) -> np.ndarray:
        """Float64 (questions,), NaN where missing; `today` is the local day since 1970. StateError for no state."""
        return self._compiled.answer(state, windows.calendar(today))


def plan_of(questions: Sequence[Question]) -> Plan:
    """Compiles questions: those of one filter stand together, after the filter that their shares are taken of."""
    groups: dict[_Group, list[tuple[int, Question]]] = {}
    for out, question in enumerate(questions):
        if question.statistic is Statistic.SHARE:
            groups.setdefault(_group(question.family, ALL), [])
        groups.setdefault(_group(question.family, question.filter), []).append((out, question))
    ordered = sorted(groups, key=lambda group: bool(group[2].facets))  # the whole comes before its parts
    places = {group: place for place, group in enumerate(ordered)}
    filters = np.zeros(len(ordered), _windows.FILTER)
    rows = np.zeros(len(questions), _windows.QUESTION)
    starts = np.zeros(len(ordered) + 1, "i8")
    at = 0
    for place, group in enumerate(ordered):
        filters[place] = _filter(group, [question for _, question in groups[group]], places)
        for out, question in groups[group]:
            rows[at] = (question.family.measure, question.statistic, windows.PLACES[question.window], out)
            at += 1
        starts[place + 1] = at
    counted = any(question.family.measure in _COUNTED for question in questions)
    return Plan(tuple(questions), _windows.Plan(filters, starts, rows, counted))


def _group(family: Family, each: Filter) -> _Group:
    return family.kind, family.value, each


def _filter(
    group: _Group, questions: Sequence[Question], places: dict[_Group, int]
) -> tuple[int, int, int, int, int, int]:
    kind, value, each = group
    wants = 0 if each.facets else _WHOLE
    for question in questions:
        wants |= _WANTS.get(question.family.measure, 0)
        wants |= _DAILY if question.statistic >= Statistic.SLOPE else 0
    bit = each.facets[0] if len(each.facets) == 1 else kind if not each.facets else -1
    return (1 << kind) | each.bits, value, wants, places.get((kind, value, ALL), -1), bit, 0
