"""Plans over a merchant's payments. Bytes and arrays in, an array out; the face has checked what this does not."""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cnp.import_array()

cdef extern from "decode.h":
    ctypedef struct Header:
        uint32_t rows, payers
    ctypedef struct Marks:
        int32_t today
        int64_t days
        uint32_t round_fen
        uint32_t receipt, returned, balance, follows
        uint32_t outflow, overdrawn, known, anonymous, round, first_visit, repeat_visit
        const uint32_t* day_facets
        const uint32_t* hour_facets
        const uint32_t* amount_facets
        const uint32_t* hour_cuts
        const uint32_t* amount_cuts
    const char* header_wrong(const uint8_t*, size_t, Header*) noexcept nogil
    uint64_t checksum_of(const uint8_t*, size_t) noexcept nogil

cdef extern from "answer.h":
    ctypedef struct Group:
        pass
    ctypedef struct Window:
        pass
    ctypedef struct Question:
        pass
    ctypedef struct CPlan "Plan":
        int64_t groups, windows, bounds
        const Group* group
        const Window* window
        const int32_t* cuts
        const uint16_t* months
        const int64_t* starts
        const Question* questions
        int64_t week
        int32_t counts, counted

cdef extern from "ask.h":
    int best_kernels() noexcept nogil
    const char* ask_plan(
        const uint8_t*, const Header*, const Marks*, const CPlan*, int, double*) noexcept nogil

LANES = 32
BEST = best_kernels()
GROUP = np.dtype([
    ("need", "u4", (LANES,)), ("facet", "i1", (LANES,)), ("stream", "u1"), ("wants", "u1"), ("lanes", "u1"),
    ("", "V5")])
WINDOW = np.dtype([
    ("first", "u2"), ("last", "u2"), ("before", "i2"), ("kind", "i2"), ("youngest", "i4"), ("oldest", "i4")])
QUESTION = np.dtype([("measure", "u1"), ("statistic", "u1"), ("window", "u1"), ("lane", "u1"), ("out", "u4")])
assert GROUP.itemsize == sizeof(Group)
assert WINDOW.itemsize == sizeof(Window)
assert QUESTION.itemsize == sizeof(Question)


class StateError(ValueError):
    """The bytes are no state that could be read; it is to be made again from the log."""


def checksum(bytes content):
    """What a state's header holds over the bytes that follow its checksum."""
    return checksum_of(<const uint8_t*> <const char*> content, len(content))


cdef class Calendar:
    """What a day of questions means by its windows, days, hours and amounts."""

    cdef Marks marks
    cdef object _windows, _cuts, _months, _kept
    cdef int64_t _week
    cdef int32_t _counted

    def __init__(self, *, windows, cuts, months, int64_t week, int today, day_facets, hour_cuts, hour_facets,
                 amount_cuts, amount_facets, uint32_t round_fen, int counted, dict facets):
        """`windows` dtype WINDOW; `cuts` int32 ages, rising; `months` uint16 (len(cuts) + 1,); facets uint32.

        `week`: how many segments are the last seven days. `hour_cuts` (seconds) and `amount_cuts` (fen) uint32 (5,).
        `counted`: the first of 15 facets by which payers may be counted. `facets`: the bits that decoding needs or
        gives, by name.
        """
        for at, bands in ((hour_cuts, hour_facets), (amount_cuts, amount_facets)):
            assert len(at) == 5 and len(bands) == 6, "the core asks each hour and amount for five cuts"
        self._windows, self._cuts, self._months = windows, cuts, months
        self._kept = day_facets, hour_cuts, hour_facets, amount_cuts, amount_facets
        self._week, self._counted = week, counted
        self.marks.today, self.marks.days = today, len(day_facets)
        self.marks.day_facets = <const uint32_t*> cnp.PyArray_DATA(day_facets)
        self.marks.hour_cuts = <const uint32_t*> cnp.PyArray_DATA(hour_cuts)
        self.marks.hour_facets = <const uint32_t*> cnp.PyArray_DATA(hour_facets)
        self.marks.amount_facets = <const uint32_t*> cnp.PyArray_DATA(amount_facets)
        self.marks.amount_cuts = <const uint32_t*> cnp.PyArray_DATA(amount_cuts)
        self.marks.round_fen = round_fen
        self.marks.receipt, self.marks.outflow = facets["receipt"], facets["outflow"]
        self.marks.returned = facets["returned"]
        self.marks.balance, self.marks.follows = facets["balance_told"], facets["balance_follows"]
        self.marks.overdrawn, self.marks.known = facets["overdrawn"], facets["known_payer"]
        self.marks.anonymous, self.marks.round = facets["anonymous"], facets["round"]
        self.marks.first_visit, self.marks.repeat_visit = facets["first_visit"], facets["repeat_visit"]


cdef class Plan:
    """Questions in the order of their filters, which are tallied in groups."""

    cdef object _groups, _starts, _questions
    cdef int _counts
    cdef readonly int outputs

    def __init__(self, groups, starts, questions, int counts):
        """`groups` dtype GROUP; `starts` int64 (groups + 1,) into `questions`, dtype QUESTION.

        `counts`: the passes over payers that they need (payers.h).
        """
        self._groups, self._starts, self._questions = groups, starts, questions
        self._counts, self.outputs = counts, len(questions)

    def answer(self, bytes state, Calendar calendar, int machine=BEST):
        """The answers, float64 (outputs,), NaN where missing. StateError where the state is none.

        `machine`: 0 portable, 1 with AVX2, 2 with AVX-512, BEST the best that this processor can do; all give the same
        bits.
        """
        cdef CPlan plan
        cdef Header header
        if not 0 <= machine <= BEST:
            raise ValueError(f"this processor has the machines 0 to {BEST}, not {machine}")
        cdef const uint8_t* content = <const uint8_t*> <const char*> state
        cdef const char* wrong = header_wrong(content, len(state), &header)
        if wrong:
            raise StateError("the state " + wrong.decode())
        plan.groups, plan.windows, plan.bounds = len(self._groups), len(calendar._windows), len(calendar._cuts)
        plan.week, plan.counts, plan.counted = calendar._week, self._counts, calendar._counted
        plan.group = <const Group*> cnp.PyArray_DATA(self._groups)
        plan.window = <const Window*> cnp.PyArray_DATA(calendar._windows)
        plan.cuts = <const int32_t*> cnp.PyArray_DATA(calendar._cuts)
        plan.months = <const uint16_t*> cnp.PyArray_DATA(calendar._months)
        plan.starts = <const int64_t*> cnp.PyArray_DATA(self._starts)
        plan.questions = <const Question*> cnp.PyArray_DATA(self._questions)
        out = np.empty(self.outputs)
        cdef double* to = <double*> cnp.PyArray_DATA(out)
        with nogil:
            wrong = ask_plan(content, &header, &calendar.marks, &plan, machine, to)
        if wrong:
            raise StateError("the state " + wrong.decode())
        return out
