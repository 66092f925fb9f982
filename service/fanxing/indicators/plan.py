"""A plan: which windowed indicators are wanted, as the core answers them in one pass over a merchant's state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np

from fanxing.indicators import facets, windows
from fanxing.indicators.facets import ALL, Facet, Filter
from fanxing.indicators.families import Family, Measure, Statistic
from fanxing.indicators.questions import Question
from fanxing_core import _windows

_SPREAD, _DAILY, _ORDER, _PAYERS = 1, 2, 4, 8
_PAYER_LANES = 16
_WANTS = {
    **dict.fromkeys((Measure.DEVIATION, Measure.LEAST, Measure.MOST), _SPREAD),
    **dict.fromkeys((Measure.LOW, Measure.MEDIAN, Measure.HIGH), _ORDER),
    **dict.fromkeys((Measure.TOP_SHARE, Measure.CONCENTRATION), _PAYERS),
    Measure.LONGEST_GAP: _DAILY,
}
_BACK, _ON = 1, 2
_COUNTED = {
    Measure.DISTINCT: _BACK | _ON,
    Measure.NEWCOMERS: _ON,
    Measure.RETURNING: _BACK | _ON,
    Measure.LOST: _BACK,
    Measure.REPEATING: _BACK,
}
"""Passes over payers."""
_STREAMS = {Facet.RECEIPT: 0, Facet.OUTFLOW: 1, Facet.RETURNED: 2, Facet.BALANCE_TOLD: 3, Facet.OVERDRAWN: 3}
"""Of the core, by the kind of payments that a family measures."""
_NEVER = (1 << 32) - 1
"""Of no payment: what an empty lane needs."""
_Asked = list[tuple[int, Question]]
_Lane = tuple[int, int, Facet, Filter]


@dataclass(frozen=True, slots=True)
class Plan:
    """`answer` gives one value for each of `questions`, in their order."""

    questions: tuple[Question, ...]
    _compiled: _windows.Plan

    def answer(self, state: bytes, today: int) -> np.ndarray:
        """Float64 (questions,), NaN where missing; `today` is the local day since 1970. StateError for no state."""
        return self._compiled.answer(state, windows.calendar(today))


def plan_of(questions: Sequence[Question]) -> Plan:
    """Compiles questions: a lane for each filter of a stream, all lanes of a stream together."""
    lanes: dict[_Lane, _Asked] = {}
    for out, question in enumerate(questions):
        if question.statistic is Statistic.SHARE:
            lanes.setdefault(_lane(question.family, ALL), [])
        lanes.setdefault(_lane(question.family, question.filter), []).append((out, question))
    grouped = list(_grouped(sorted(lanes)))
    groups = np.zeros(len(grouped), _windows.GROUP)
    rows = np.zeros(len(questions), _windows.QUESTION)
    starts = np.zeros(len(grouped) + 1, "i8")
    at = 0
    for place, group in enumerate(grouped):
        groups[place] = _group(group, lanes)
        asked = [(lane, out, question) for lane, key in enumerate(group) for out, question in lanes[key]]
        for lane, out, question in sorted(asked, key=_turn):
            rows[at] = (question.family.measure, question.statistic, windows.PLACES[question.window], lane, out)
            at += 1
        starts[place + 1] = at
    counts = reduce(or_, {_COUNTED.get(question.family.measure, 0) for question in questions}, 0)
    return Plan(tuple(questions), _windows.Plan(groups, starts, rows, counts))


def _turn(asked: tuple[int, int, Question]) -> tuple[int, ...]:
    """Like after like, which the core answers faster; of what needs a lane's days one by one, a lane at a time."""
    lane, out, question = asked
    told = question.family.measure, question.statistic
    return (1, lane, *told, out) if question.statistic >= Statistic.SLOPE else (0, *told, lane, out)


def _lane(family: Family, each: Filter) -> _Lane:
    """In the order of lanes: what shares are taken of, filters of one facet, of which most is asked, then pairs."""
    return _STREAMS[family.kind], facets.PLACES[each], family.kind, each


def _grouped(lanes: Sequence[_Lane]) -> Iterator[Sequence[_Lane]]:
    for stream in sorted(set(_STREAMS.values())):
        of_stream = [lane for lane in lanes if lane[0] == stream]
        for first in range(0, len(of_stream), _windows.LANES):
            yield of_stream[first : first + _windows.LANES]


def _group(group: Sequence[_Lane], lanes: dict[_Lane, _Asked]) -> tuple[np.ndarray, np.ndarray, int, int, int, bytes]:
    need, facet = np.full(_windows.LANES, _NEVER, "u4"), np.full(_windows.LANES, -1, "i1")
    wants = 0
    for lane, key in enumerate(group):
        _, _, kind, each = key
        need[lane] = (1 << facets.CORE.get(kind, 0)) | each.bits
        if len(each.facets) <= 1:
            facet[lane] = facets.CORE.get(each.facets[0] if each.facets else kind, 0)
        for _, question in lanes[key]:
            measure = question.family.measure
            asked = _WANTS.get(measure, 0)
            assert facet[lane] >= 0 or not (asked & _ORDER or measure in _COUNTED), f"{question.name} is of two facets"
            assert lane < _PAYER_LANES or not asked & _PAYERS, f"{question.name} has too many lanes before it"
            wants |= asked
            wants |= _DAILY if question.statistic >= Statistic.SLOPE else 0
    return need, facet, group[0][0], wants, len(group), b""
