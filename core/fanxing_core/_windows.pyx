"""Plans over a merchant's payments. Bytes and arrays in, an array out; the face has checked what this does not."""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cnp.import_array()

cdef extern from "decode.h":
    ctypedef struct Header:
        int64_t through_seq, newest_us
        uint32_t rows, payers
    ctypedef struct Marks:
        int32_t today
        int64_t days, cuts, round_fen
        const uint64_t* day_facets
        const uint64_t* hour_facets
        const uint64_t* amount_facets
        const int64_t* amount_cuts
        uint64_t receipt, outflow, returned, balance, follows, overdrawn, known, anonymous
        uint64_t round, first_visit, repeat_visit
    const char* header_wrong(const uint8_t*, size_t, Header*) noexcept nogil
    uint64_t checksum_of(const uint8_t*, size_t) noexcept nogil

cdef extern from "answer.h":
    ctypedef struct Filter:
        pass
    ctypedef struct Window:
        pass
    ctypedef struct Question:
        pass
    ctypedef struct CPlan "Plan":
        int64_t filters, windows, segments, days
        const Filter* filter
        const Window* window
        const int32_t* cuts
        const uint16_t* months
        const int64_t* starts
        const Question* questions

cdef extern from "ask.h":
    const char* ask_plan(
        const uint8_t*, const Header*, const Marks*, const CPlan*, int, double*) noexcept nogil

FILTER = np.dtype([("need", "u8"), ("value", "u1"), ("wants", "u1"), ("of", "i2"), ("facet", "i2"), ("", "u2")])
WINDOW = np.dtype([
    ("first", "u2"), ("last", "u2"), ("before", "i2"), ("kind", "i2"), ("youngest", "i4"), ("oldest", "i4")])
QUESTION = np.dtype([("measure", "u1"), ("statistic", "u1"), ("window", "u2"), ("out", "u4")])
assert FILTER.itemsize == sizeof(Filter)
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

    def __init__(self, *, windows, cuts, months, int today, day_facets, hour_facets, amount_cuts, amount_facets,
                 int64_t round_fen, dict facets):
        """`windows` dtype WINDOW; `cuts` int32 ages, rising; `months` uint16 (len(cuts) + 1,); facets uint64.

        `facets`: the bits that decoding needs or gives, by name.
        """
        self._windows, self._cuts, self._months = windows, cuts, months
        self._kept = day_facets, hour_facets, amount_cuts, amount_facets
        self.marks.today, self.marks.days, self.marks.cuts = today, len(day_facets), len(amount_cuts)
        self.marks.day_facets = <const uint64_t*> cnp.PyArray_DATA(day_facets)
        self.marks.hour_facets = <const uint64_t*> cnp.PyArray_DATA(hour_facets)
        self.marks.amount_facets = <const uint64_t*> cnp.PyArray_DATA(amount_facets)
        self.marks.amount_cuts = <const int64_t*> cnp.PyArray_DATA(amount_cuts)
        self.marks.round_fen = round_fen
        self.marks.receipt, self.marks.outflow = facets["receipt"], facets["outflow"]
        self.marks.returned = facets["returned"]
        self.marks.balance, self.marks.follows = facets["balance_told"], facets["balance_follows"]
        self.marks.overdrawn, self.marks.known = facets["overdrawn"], facets["known_payer"]
        self.marks.anonymous, self.marks.round = facets["anonymous"], facets["round"]
        self.marks.first_visit, self.marks.repeat_visit = facets["first_visit"], facets["repeat_visit"]


cdef class Plan:
    """Questions in the order of their filters."""

    cdef object _filters, _starts, _questions
    cdef int _payers
    cdef readonly int outputs

    def __init__(self, filters, starts, questions, bint payers):
        """`filters` dtype FILTER; `starts` int64 (filters + 1,) into `questions`, dtype QUESTION."""
        self._filters, self._starts, self._questions = filters, starts, questions
        self._payers, self.outputs = payers, len(questions)

    def answer(self, bytes state, Calendar calendar):
        """The answers, float64 (outputs,), NaN where missing. StateError where the state is none."""
        cdef CPlan plan
        cdef Header header
        cdef const uint8_t* content = <const uint8_t*> <const char*> state
        cdef const char* wrong = header_wrong(content, len(state), &header)
        if wrong:
            raise StateError("the state " + wrong.decode())
        plan.filters, plan.windows = len(self._filters), len(calendar._windows)
        plan.segments = len(calendar._cuts) + 1
        plan.days = 366
        plan.filter = <const Filter*> cnp.PyArray_DATA(self._filters)
        plan.window = <const Window*> cnp.PyArray_DATA(calendar._windows)
        plan.cuts = <const int32_t*> cnp.PyArray_DATA(calendar._cuts)
        plan.months = <const uint16_t*> cnp.PyArray_DATA(calendar._months)
        plan.starts = <const int64_t*> cnp.PyArray_DATA(self._starts)
        plan.questions = <const Question*> cnp.PyArray_DATA(self._questions)
        out = np.empty(self.outputs)
        cdef double* to = <double*> cnp.PyArray_DATA(out)
        with nogil:
            wrong = ask_plan(content, &header, &calendar.marks, &plan, self._payers, to)
        if wrong:
            raise StateError("the state " + wrong.decode())
        return out
