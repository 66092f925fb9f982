/* Who paid: known payers counted by facet. */
#ifndef FANXING_PAYERS_H
#define FANXING_PAYERS_H
#include "by_facet.h"
#include "windows.h"

#define COUNTED 16 /* facets that payers are counted by; the last stands for all receipts */

/* Passes over the rows: from the youngest back, from the oldest on. */
enum { COUNT_BACK = 1, COUNT_ON = 2 };

/* By bound: how many payers have their last, last but one or first row with a facet in a younger segment; and how many have
   any, counted anew in every month. */
typedef struct {
    int32_t (*last)[COUNTED], (*last_but_one)[COUNTED], (*first)[COUNTED], (*any)[COUNTED];
} Seen;

/* With which facets payers were seen, in halves: on the way back once, and twice; on the way on ever, and in a month. Nobody
   was seen with all of them, so that nobody is counted. */
typedef struct {
    uint32_t *back, *on;
} Visits;

#define LATER 16 /* where the upper half begins */
#define SOME 255 /* so many are added up in bytes */

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
