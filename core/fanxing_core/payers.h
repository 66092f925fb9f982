/* Who paid: known payers counted by facet. */
#ifndef FANXING_PAYERS_H
#define FANXING_PAYERS_H
#include "by_facet.h"
#include "windows.h"

#define COUNTED 16 /* facets that payers are counted by; the last stands for all receipts */

/* By bound: how many payers have their last, last but one or first row with a facet in a younger segment; and how many have
   any, counted anew in every month. */
typedef struct {
    int32_t (*last)[COUNTED], (*last_but_one)[COUNTED], (*first)[COUNTED], (*any)[COUNTED];
} Seen;

/* With which facets a payer was seen: once or twice on the way back, ever or in a month on the way on. */
typedef struct {
    uint16_t once, twice, ever, of_month, month;
} Visits;

static inline uint16_t counted_facets(const Stream *stream, const Plan *plan, int64_t row) {
    return (uint16_t)(~stream->absent[row] >> plan->counted | 1u << (COUNTED - 1));
}

/* Up to 255 sets of facets, added up. */
typedef struct {
    uint64_t bytes[2];
} Some;

static inline void count_some(Some *some, uint16_t facets) {
    some->bytes[0] += spread_bits[facets & 255];
    some->bytes[1] += spread_bits[facets >> 8];
}

static inline void flush(Some *some, int32_t *counts) {
    for (int facet = 0; facet < COUNTED; facet++) counts[facet] += (int32_t)(some->bytes[facet / 8] >> 8 * (facet % 8) & 255);
    *some = (Some){{0}};
}

static void count_back(const Stream *stream, const Plan *plan, const Day *day, Visits *visits, Seen *seen) {
    Some last = {{0}}, last_but_one = {{0}};
    for (int64_t row = day->end; row-- > day->first;) {
        if (stream->payer[row] != NOBODY) {
            Visits *payer = visits + stream->payer[row];
            uint16_t facets = counted_facets(stream, plan, row), again = facets & payer->once;
            count_some(&last, facets & ~payer->once);
            count_some(&last_but_one, again & ~payer->twice);
            payer->twice |= again;
            payer->once |= facets;
        }
        if ((day->end - row) % 255 && row > day->first) continue;
        flush(&last, seen->last[day->segment + 1]);
        flush(&last_but_one, seen->last_but_one[day->segment + 1]);
    }
}

static void count_on(const Stream *stream, const Plan *plan, const Day *day, Visits *visits, Seen *seen) {
    Some first = {{0}}, any = {{0}};
    uint16_t month = plan->months[day->segment];
    for (int64_t row = day->first; row < day->end; row++) {
        if (stream->payer[row] != NOBODY) {
            Visits *payer = visits + stream->payer[row];
            uint16_t facets = counted_facets(stream, plan, row);
            count_some(&first, facets & ~payer->ever);
            payer->ever |= facets;
            if (payer->month != month) payer->month = month, payer->of_month = 0;
            count_some(&any, facets & ~payer->of_month);
            payer->of_month |= facets;
        }
        if ((row - day->first) % 255 != 254 && row + 1 < day->end) continue;
        if (day->segment < plan->bounds) {
            flush(&first, seen->first[day->segment + 1]);
            if (month) flush(&any, seen->any[day->segment + 1]);
        }
        first = any = (Some){{0}};
    }
}

static void see_payers(const Stream *stream, const Plan *plan, int64_t payers, Visits *visits, Seen *seen) {
    int32_t (*each[])[COUNTED] = {seen->last, seen->last_but_one, seen->first, seen->any};
    for (int which = 0; which < 4; which++) memset(each[which], 0, sizeof(int32_t[COUNTED]) * (size_t)(plan->bounds + 1));
    memset(visits, 0, sizeof(Visits) * (size_t)payers);
    for (int64_t day = stream->days; day-- > 0 && stream->day[day].segment < plan->bounds;)
        count_back(stream, plan, stream->day + day, visits, seen);
    for (int64_t day = 0; day < stream->days; day++) count_on(stream, plan, stream->day + day, visits, seen);
    for (int which = 0; which < 4; which++)
        for (int64_t at = 0; at < plan->bounds; at++)
            for (int facet = 0; facet < COUNTED; facet++) each[which][at + 1][facet] += each[which][at][facet];
}

static double between(const int32_t (*counts)[COUNTED], int facet, int first, int last) {
    return (double)(counts[last][facet] - counts[first][facet]);
}

/* Known payers of a window that reaches today, or of a month. Lost: of the window before, and not of this. */
static double of_payers(const Seen *seen, int facet, const Window *window, const Window *before, int measure) {
    if (window->kind == MONTH && measure == DISTINCT) return between(seen->any, facet, window->first, window->last);
    if (window->kind != TO_TODAY) return NAN;
    double distinct = between(seen->last, facet, window->first, window->last);
    double newcomers = between(seen->first, facet, window->first, window->last);
    switch (measure) {
        case DISTINCT: return distinct;
        case NEWCOMERS: return newcomers;
        case RETURNING: return distinct - newcomers;
        case LOST: return before ? between(seen->last, facet, before->first, before->last) : NAN;
        case REPEATING:
            return distinct > 0 ? between(seen->last_but_one, facet, window->first, window->last) / distinct : NAN;
    }
    return NAN;
}

#endif
