/* What a filter's rows come to: segment by segment, then window by window. All sums are exact. */
#ifndef FANXING_TALLY_H
#define FANXING_TALLY_H
#include "windows.h"

typedef struct {
    int64_t count, active_days, least, most, latest;
    wide sum, squares;
} Tally;

static const Tally NOTHING = {.least = INT64_MAX, .most = INT64_MIN};

/* Returns how many days have rows; their ages, youngest first, are written to `days`. */
static int64_t tally_rows(
    const Payments *payments, const Filter *filter, const int32_t *chosen, int64_t many, Tally *cells, int32_t *days) {
    const int64_t *values = payments->values[filter->value];
    int32_t last_age = -1;
    int64_t many_days = 0;
    for (int64_t k = many - 1; k >= 0; k--) {
        int32_t row = chosen[k];
        Tally *cell = cells + payments->segment[row];
        int64_t value = values[row];
        if (!cell->count++) cell->latest = value;
        cell->sum += value;
        cell->active_days += payments->age[row] != last_age;
        days[many_days] = last_age = payments->age[row];
        many_days += k == 0 || payments->age[chosen[k - 1]] != last_age;
    }
    if (!(filter->wants & SPREAD)) return many_days;
    for (int64_t k = 0; k < many; k++) {
        Tally *cell = cells + payments->segment[chosen[k]];
        int64_t value = values[chosen[k]];
        cell->squares += (wide)value * value;
        cell->least = value < cell->least ? value : cell->least;
        cell->most = value > cell->most ? value : cell->most;
    }
    return many_days;
}

/* sums[k]: of all segments before k, so that a window's is the difference of two. */
static void sum_up(const Tally *cells, int64_t segments, Tally *sums) {
    sums[0] = NOTHING;
    for (int64_t k = 0; k < segments; k++) {
        sums[k + 1].count = sums[k].count + cells[k].count;
        sums[k + 1].active_days = sums[k].active_days + cells[k].active_days;
        sums[k + 1].sum = sums[k].sum + cells[k].sum;
        sums[k + 1].squares = sums[k].squares + cells[k].squares;
    }
}

static void tally_window(const Tally *cells, const Tally *sums, const Window *window, int spread, Tally *to) {
    const Tally *start = sums + window->first, *end = sums + window->last;
    *to = NOTHING;
    to->count = end->count - start->count;
    to->active_days = end->active_days - start->active_days;
    to->sum = end->sum - start->sum;
    if (!spread || !to->count) return;
    to->squares = end->squares - start->squares;
    for (int segment = window->last - 1; segment >= window->first; segment--) {
        const Tally *cell = cells + segment;
        if (!cell->count) continue;
        to->latest = cell->latest;
        to->least = cell->least < to->least ? cell->least : to->least;
        to->most = cell->most > to->most ? cell->most : to->most;
    }
}

/* n squares - sum^2: of what 128 bits hold exact, whatever the parts modulo 2^128 are; else nearly. */
static double spread_of(int64_t n, wide sum, wide squares) {
    typedef unsigned __int128 whole;
    whole exact = (whole)n * (whole)squares - (whole)sum * (whole)sum;
    wide most = (wide)1 << 62;
    if (n < 1ll << 31 && sum < most && sum > -most && squares < (wide)1 << 95) return (double)exact;
    __float128 nearly = (__float128)n * (__float128)squares - (__float128)sum * (__float128)sum;
    return nearly < 0x1p120 ? (double)exact : (double)nearly;
}

static double of_tally(const Tally *tally, int measure) {
    double n = (double)tally->count;
    switch (measure) {
        case COUNT: return n;
        case SUM: return (double)tally->sum;
        case ACTIVE_DAYS: return (double)tally->active_days;
    }
    if (!tally->count) return NAN;
    switch (measure) {
        case MEAN: return (double)tally->sum / n;
        case DEVIATION: return sqrt(spread_of(tally->count, tally->sum, tally->squares)) / n;
        case LEAST: return (double)tally->least;
        case MOST: return (double)tally->most;
        case LATEST: return (double)tally->latest;
    }
    return NAN;
}

#endif
