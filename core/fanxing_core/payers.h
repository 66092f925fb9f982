/* Who paid: known payers counted by facet, and how receipts are spread over them. */
#ifndef FANXING_PAYERS_H
#define FANXING_PAYERS_H
#include "windows.h"

/* How many payers have their last, last but one or first row with a facet in a segment; and how many have any in a
   month. (FACETS, segments) each. */
typedef struct {
    int32_t *last, *last_but_one, *first, *any;
} Seen;

static inline void count_bits(uint64_t bits, int32_t *counts, int64_t segments, int64_t segment) {
    for (; bits; bits &= bits - 1) counts[__builtin_ctzll(bits) * segments + segment]++;
}

/* `marks`: three words a payer, all zero. `months` tells for each segment its month, or 0. */
static void see_payers(
    const Payments *payments, uint64_t kind, const uint16_t *months, int64_t segments, uint64_t *marks, Seen *seen) {
    uint64_t *once = marks, *twice = marks + payments->payers, *earlier = marks + 2 * payments->payers;
    for (int64_t row = payments->rows - 1; row >= 0; row--) {
        uint32_t payer = payments->payer[row];
        uint64_t facets = payments->facets[row];
        if (payer == NOBODY || !(facets & kind)) continue;
        count_bits(facets & ~once[payer], seen->last, segments, payments->segment[row]);
        count_bits(facets & once[payer] & ~twice[payer], seen->last_but_one, segments, payments->segment[row]);
        twice[payer] |= facets & once[payer];
        once[payer] |= facets;
    }
    for (int64_t row = 0; row < payments->rows; row++) {
        uint32_t payer = payments->payer[row];
        uint64_t facets = payments->facets[row];
        if (payer == NOBODY || !(facets & kind)) continue;
        count_bits(facets & ~earlier[payer], seen->first, segments, payments->segment[row]);
        earlier[payer] |= facets;
    }
    memset(once, 0, sizeof(uint64_t) * (size_t)(2 * payments->payers));
    uint64_t *month = twice; /* whose marks a payer has in `once` */
    for (int64_t row = 0; row < payments->rows; row++) {
        uint32_t payer = payments->payer[row];
        uint64_t facets = payments->facets[row], now = months[payments->segment[row]];
        if (payer == NOBODY || !now || !(facets & kind)) continue;
        if (month[payer] != now) month[payer] = now, once[payer] = 0;
        count_bits(facets & ~once[payer], seen->any, segments, payments->segment[row]);
        once[payer] |= facets;
    }
}

static double sum_of(const int32_t *counts, int64_t segments, int facet, int first, int last) {
    int64_t sum = 0;
    for (int segment = first; segment < last; segment++) sum += counts[facet * segments + segment];
    return (double)sum;
}

/* Known payers of a window that reaches today, or of a month. Lost: of the window before, and not of this. */
static double of_payers(
    const Seen *seen, int64_t segments, int facet, const Window *window, const Window *before, int measure) {
    if (window->kind == MONTH && measure == DISTINCT)
        return sum_of(seen->any, segments, facet, window->first, window->last);
    if (window->kind != TO_TODAY) return NAN;
    double distinct = sum_of(seen->last, segments, facet, window->first, window->last);
    switch (measure) {
        case DISTINCT: return distinct;
        case NEWCOMERS: return sum_of(seen->first, segments, facet, window->first, window->last);
        case RETURNING: return distinct - sum_of(seen->first, segments, facet, window->first, window->last);
        case LOST: return before ? sum_of(seen->last, segments, facet, before->first, before->last) : NAN;
        case REPEATING:
            return distinct > 0 ? sum_of(seen->last_but_one, segments, facet, window->first, window->last) / distinct : NAN;
    }
    return NAN;
}

/* Of each segment, counted from today: the largest known payer's sum and the sum of squares of all, in all rows since. */
static void concentration(
    const Payments *payments, const Filter *filter, const int32_t *chosen, int64_t many, int64_t segments, wide *by_payer,
    double *top, double *squares) {
    wide most = 0;
    unsigned __int128 total = 0; /* exact where 128 bits hold it */
    double nearly = 0;
    int64_t segment = 0;
    memset(by_payer, 0, sizeof(wide) * (size_t)payments->payers);
    for (int64_t k = many - 1; k >= 0; k--) {
        int32_t row = chosen[k];
        for (; segment < payments->segment[row]; segment++)
            top[segment] = (double)most, squares[segment] = nearly < 0x1p127 ? (double)total : nearly;
        uint32_t payer = payments->payer[row];
        if (payer == NOBODY) continue;
        wide value = payments->values[filter->value][row], sum = by_payer[payer];
        total += (unsigned __int128)value * (unsigned __int128)(2 * sum + value);
        nearly += (double)value * (double)(2 * sum + value);
        by_payer[payer] = sum + value;
        most = sum + value > most ? sum + value : most;
    }
    for (; segment < segments; segment++)
        top[segment] = (double)most, squares[segment] = nearly < 0x1p127 ? (double)total : nearly;
}

#endif
