/* Answers a plan: filter by filter, so that only what is asked for is computed. */
#ifndef FANXING_ANSWER_H
#define FANXING_ANSWER_H
#include "days.h"
#include "order.h"
#include "payers.h"
#include "tally.h"

/* What one call writes to. */
typedef struct {
    uint64_t *bits; /* (FACETS, words) */
    int32_t *chosen, *days; /* rows of a filter; the ages of its days, youngest first */
    int64_t words, many_days;
    Tally *cells, *sums, *windows; /* (segments,), (segments + 1,), (WHOLES, windows) of filters that shares are taken of */
    Daily daily;
    Order order;
    double *quantiles; /* (windows, 3) */
    wide *by_payer;
    double *top, *squares;
    Seen seen;
    uint8_t *whole_of; /* (filters,) which of `windows` holds a filter's */
} Scratch;
#define WHOLES 8

/* One bit a row for each facet of `needed`: (FACETS, words). */
static void set_bits(const Payments *payments, uint64_t needed, int64_t words, uint64_t *bits) {
    for (; needed; needed &= needed - 1) {
        int facet = __builtin_ctzll(needed);
        for (int64_t word = 0; word < words; word++) {
            int64_t first = 64 * word, many = payments->rows - first < 64 ? payments->rows - first : 64;
            uint64_t found = 0;
            for (int64_t k = 0; k < many; k++) found |= (payments->facets[first + k] >> facet & 1) << k;
            bits[facet * words + word] = found;
        }
    }
}

/* The rows that have all facets of a filter, oldest first. */
static int64_t choose(const uint64_t *bits, int64_t words, uint64_t need, int32_t *chosen) {
    int64_t many = 0;
    for (int64_t word = 0; word < words; word++) {
        uint64_t found = ~0ull;
        for (uint64_t rest = need; rest; rest &= rest - 1) found &= bits[__builtin_ctzll(rest) * words + word];
        for (; found; found &= found - 1) chosen[many++] = (int32_t)(64 * word + __builtin_ctzll(found));
    }
    return many;
}

/* The quantiles of windows that reach today, which only grow from one to the next. */
static void quantiles_of(
    const Payments *payments, const Plan *plan, const int32_t *chosen, int64_t many, Order *order, double *quantiles) {
    memset(order->seen, 0, sizeof(int32_t) * (size_t)(order->many + 1));
    memset(order->seen_together, 0, sizeof(int32_t) * (size_t)(order->many / TOGETHER_PLACES + 1));
    int64_t k = many - 1, count = 0;
    for (int64_t segment = 0; segment <= plan->segments; segment++) {
        for (int64_t each = 0; each < plan->windows; each++) {
            const Window *window = plan->window + each;
            if (window->kind != TO_TODAY || window->last != segment) continue;
            quantiles[3 * each] = quantile(order, count, 10);
            quantiles[3 * each + 1] = quantile(order, count, 50);
            quantiles[3 * each + 2] = quantile(order, count, 90);
        }
        for (; k >= 0 && payments->segment[chosen[k]] == segment; k--, count++) {
            int32_t place = order->place[chosen[k]];
            order->seen[place]++;
            order->seen_together[place / TOGETHER_PLACES]++;
        }
    }
}

static double squared(wide sum) { /* rounded once, lest shares exceed it */
    return sum < (wide)1 << 63 ? (double)((unsigned __int128)sum * (unsigned __int128)sum) : (double)sum * (double)sum;
}

/* The value of a measure of one filter and window. */
static double measured(
    const Payments *payments, const Plan *plan, const Filter *filter, const Tally *tally, int which, int measure,
    Scratch *scratch) {
    const Window *window = plan->window + which;
    const Window *before = window->before < 0 ? 0 : plan->window + window->before;
    switch (measure) {
        case LONGEST_GAP: return longest_gap(scratch->days, scratch->many_days, window);
        case LOW: case MEDIAN: case HIGH:
            return window->kind == TO_TODAY ? scratch->quantiles[3 * which + measure - LOW] : NAN;
        case TOP_SHARE:
            return window->kind == TO_TODAY && tally->sum > 0 ? scratch->top[window->last - 1] / (double)tally->sum : NAN;
        case CONCENTRATION:
            if (window->kind != TO_TODAY || tally->sum <= 0) return NAN;
            return scratch->squares[window->last - 1] / squared(tally->sum);
        case DISTINCT: case NEWCOMERS: case RETURNING: case LOST: case REPEATING:
            return of_payers(&scratch->seen, plan->segments, filter->facet, window, before, measure);
    }
    return of_tally(tally, measure);
}

static double ratio(double part, double whole) { return whole > 0 ? part / whole : NAN; }

static double answer(
    const Payments *payments, const Plan *plan, const Filter *filter, const Tally *tallies, const Tally *wholes,
    const Question *question, Scratch *scratch) {
    int which = question->window;
    const Window *window = plan->window + which;
    if (question->statistic >= SLOPE) {
        int known = payments->rows && payments->age[0] >= window->oldest;
        return known ? of_days(&scratch->daily, window, question->measure, question->statistic) : NAN;
    }
    double value = measured(payments, plan, filter, tallies + which, which, question->measure, scratch);
    switch (question->statistic) {
        case PER_ACTIVE_DAY: return ratio(value, (double)tallies[which].active_days);
        case SHARE: return ratio(value, of_tally(wholes + which, question->measure));
        case TO_BEFORE:
            if (window->before < 0) return NAN;
            return ratio(value, measured(
                payments, plan, filter, tallies + window->before, window->before, question->measure, scratch));
    }
    return value;
}

static void answer_all(const Payments *payments, const Plan *plan, Scratch *scratch, double *out) {
    int wholes = 1; /* the first is for those that are none */
    for (int64_t which = 0; which < plan->filters; which++) {
        const Filter *filter = plan->filter + which;
        int64_t many = choose(scratch->bits, scratch->words, filter->need, scratch->chosen);
        for (int64_t k = 0; k < plan->segments; k++) scratch->cells[k] = NOTHING;
        scratch->many_days = tally_rows(payments, filter, scratch->chosen, many, scratch->cells, scratch->days);
        sum_up(scratch->cells, plan->segments, scratch->sums);
        int mine = filter->wants & WHOLE ? wholes++ : 0;
        scratch->whole_of[which] = (uint8_t)mine;
        Tally *tallies = scratch->windows + mine * plan->windows;
        for (int64_t k = 0; k < plan->windows; k++)
            tally_window(scratch->cells, scratch->sums, plan->window + k, filter->wants & SPREAD, tallies + k);
        if (filter->wants & DAILY) daily_rows(payments, filter, scratch->chosen, many, &scratch->daily);
        if (filter->wants & ORDER)
            quantiles_of(payments, plan, scratch->chosen, many, &scratch->order, scratch->quantiles);
        if (filter->wants & PAYERS)
            concentration(payments, filter, scratch->chosen, many, plan->segments, scratch->by_payer, scratch->top,
                          scratch->squares);
        const Tally *shared = filter->of < 0 ? tallies : scratch->windows + scratch->whole_of[filter->of] * plan->windows;
        for (int64_t k = plan->starts[which]; k < plan->starts[which + 1]; k++)
            out[plan->questions[k].out] =
                answer(payments, plan, filter, tallies, shared, plan->questions + k, scratch);
    }
}

#endif
