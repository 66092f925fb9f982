/* Answers a plan: group by group, so that only what is asked for is computed. */
#ifndef FANXING_ANSWER_H
#define FANXING_ANSWER_H
#include "days.h"
#include "order.h"
#include "payers.h"
#include "tally.h"

/* What one call writes to. */
typedef struct {
    int64_t payers, *packed;
    Tallies tallies;
    Spreads spreads;
    Shares shares;
    Daily daily;
    Order order;
    Seen seen;
    Visits *visits;
    double (*quantiles)[3]; /* (windows, GROUP) */
    uint32_t *ordered; /* (windows,) lanes whose quantiles are asked for */
    double *whole[2]; /* (windows,) the counts and the sums that shares are taken of */
} Scratch;

/* What is asked of one lane. */
typedef struct {
    const Stream *stream;
    const Plan *plan;
    const Group *group;
    Scratch *scratch;
    int lane;
} Asked;

/* The quantiles that are asked for, of windows that reach today, which only grow from one to the next. */
static void quantiles_of(const Stream *stream, const Plan *plan, const Group *group, uint64_t facets, Scratch *scratch) {
    Order *order = &scratch->order;
    int64_t day = stream->days - 1;
    for (int64_t segment = 0; segment <= plan->bounds; segment++) {
        int64_t from = day < 0 ? 0 : stream->day[day].end;
        int summed = 0;
        for (int64_t each = 0; each < plan->windows; each++) {
            if (!scratch->ordered[each] || plan->window[each].last != segment) continue;
            if (!summed++) sum_far(order);
            for (int lane = 0; lane < GROUP; lane++)
                for (int which = 0; scratch->ordered[each] >> lane & 1 && which < 3; which++)
                    scratch->quantiles[GROUP * each + lane][which] = quantile(
                        stream, order, group->facet[lane], from, scratch->tallies.count[segment][lane],
                        (int[]){10, 50, 90}[which]);
        }
        for (; day >= 0 && stream->day[day].segment == segment; day--)
            for (int64_t row = stream->day[day].first; row < stream->day[day].end; row++)
                add_rank(order, row, ~stream->absent[row], facets);
    }
}

static int64_t between_bounds(const OfGroup *sums, int lane, const Window *window) {
    return sums[window->last][lane] - sums[window->first][lane];
}

static wide sum_of(const Asked *asked, const Window *window, int64_t count) {
    const Tallies *tallies = &asked->scratch->tallies;
    return sum_above(tallies, asked->lane, window->first, window->last) + (wide)tallies->base * count;
}

static double deviation_of(const Asked *asked, const Window *window, int64_t count) {
    wide sum = sum_above(&asked->scratch->tallies, asked->lane, window->first, window->last);
    wide squares = squares_above(&asked->scratch->spreads, asked->lane, window->first, window->last);
    return sqrt(spread_of(count, sum, squares)) / (double)count;
}

/* The least or the most of a window, which has rows. */
static double extreme_of(const Asked *asked, const Window *window, int most) {
    const OfGroup *of = most ? asked->scratch->spreads.most : asked->scratch->spreads.least;
    int64_t found = of[window->first][asked->lane];
    for (int segment = window->first + 1; segment < window->last; segment++) {
        int64_t value = of[segment][asked->lane];
        found = (most ? value > found : value < found) ? value : found;
    }
    return (double)found;
}

/* The last value of a window, which has rows. */
static double latest_of(const Asked *asked, const Window *window) {
    const Stream *stream = asked->stream;
    for (int64_t day = stream->days; day-- > 0;) {
        if (stream->day[day].segment < window->first) continue;
        for (int64_t row = stream->day[day].end; row-- > stream->day[day].first;)
            if (!(asked->group->need[asked->lane] & stream->absent[row])) return (double)stream->values[row];
    }
    return NAN;
}

static double concentration_of(const Asked *asked, const Window *window, wide sum, int measure) {
    const Shares *shares = &asked->scratch->shares;
    if (window->kind != TO_TODAY || sum <= 0) return NAN;
    /* Payers' sums are added as doubles, so that all of them may come to a little more than the whole. */
    if (measure == TOP_SHARE) return fmin(1, shares->top[window->last][asked->lane] / (double)sum);
    return fmin(1, shares->squares[window->last][asked->lane] / ((double)sum * (double)sum));
}

/* The value of a measure in a window. */
static double measured(const Asked *asked, int which, int measure) {
    Scratch *scratch = asked->scratch;
    const Window *window = asked->plan->window + which;
    int64_t count = between_bounds(scratch->tallies.count, asked->lane, window);
    switch (measure) {
        case COUNT: return (double)count;
        case SUM: return (double)sum_of(asked, window, count);
        case ACTIVE_DAYS: return (double)between_bounds(scratch->tallies.active_days, asked->lane, window);
        case LONGEST_GAP: return longest_gap(&scratch->daily, window);
        case TOP_SHARE: case CONCENTRATION: return concentration_of(asked, window, sum_of(asked, window, count), measure);
        case DISTINCT: case NEWCOMERS: case RETURNING: case LOST: case REPEATING: {
            int facet = asked->group->facet[asked->lane] - (int)asked->plan->counted;
            const Window *before = window->before < 0 ? 0 : asked->plan->window + window->before;
            return of_payers(&scratch->seen, facet < 0 ? COUNTED - 1 : facet, window, before, measure);
        }
    }
    if (!count) return NAN;
    switch (measure) {
        case MEAN: return (double)sum_of(asked, window, count) / (double)count;
        case DEVIATION: return deviation_of(asked, window, count);
        case LEAST: case MOST: return extreme_of(asked, window, measure == MOST);
        case LATEST: return latest_of(asked, window);
        case LOW: case MEDIAN: case HIGH:
            return window->kind == TO_TODAY ? scratch->quantiles[GROUP * which + asked->lane][measure - LOW] : NAN;
    }
    return NAN;
}

static double ratio(double part, double whole) { return whole > 0 ? part / whole : NAN; }

static double answer(const Asked *asked, const Question *question, int32_t first_age) {
    const Window *window = asked->plan->window + question->window;
    if (question->statistic >= SLOPE) {
        if (first_age < window->oldest) return NAN;
        return of_days(&asked->scratch->daily, window, asked->plan->week, question->measure, question->statistic);
    }
    double value = measured(asked, question->window, question->measure);
    switch (question->statistic) {
        case PER_ACTIVE_DAY: return ratio(value, measured(asked, question->window, ACTIVE_DAYS));
        case SHARE: return ratio(value, asked->scratch->whole[question->measure][question->window]);
        case TO_BEFORE: return window->before < 0 ? NAN : ratio(value, measured(asked, window->before, question->measure));
    }
    return value;
}

static int needs_days(const Question *question) {
    return question->statistic >= SLOPE || question->measure == LONGEST_GAP;
}

/* Lane 0 is what shares of this stream are taken of. */
static void keep_whole(Asked *asked) {
    asked->lane = 0;
    for (int64_t window = 0; window < asked->plan->windows; window++)
        for (int measure = COUNT; measure <= SUM; measure++)
            asked->scratch->whole[measure][window] = measured(asked, (int)window, measure);
}

static void tally_group(const Kernels *kernels, const Stream *stream, const Plan *plan, const Group *group, Scratch *scratch) {
    Tallies *tallies = &scratch->tallies;
    for (int limb = 0; limb < tallies->limbs; limb++) {
        if (tallies->limbs > 1) limb_of(stream, tallies->base, limb, scratch->packed);
        kernels->tally(stream, group, scratch->packed, plan->bounds, limb, tallies);
    }
    if (group->wants & SPREAD) kernels->spread(stream, group, plan->bounds, tallies->base, &scratch->spreads);
    if (!(group->wants & PAYERS)) return;
    memset(scratch->shares.by_payer, 0, sizeof(double[PAYER_LANES]) * (size_t)scratch->payers);
    kernels->concentrate(stream, group, plan->bounds, &scratch->shares);
}

static void order_group(const Stream *stream, const Plan *plan, int64_t which, Scratch *scratch) {
    const Group *group = plan->group + which;
    uint64_t facets = 0;
    memset(scratch->ordered, 0, sizeof(uint32_t) * (size_t)plan->windows);
    for (int64_t k = plan->starts[which]; k < plan->starts[which + 1]; k++) {
        const Question *question = plan->questions + k;
        if (question->measure < LOW || question->measure > HIGH) continue;
        if (plan->window[question->window].kind != TO_TODAY) continue;
        scratch->ordered[question->window] |= 1u << question->lane;
        facets |= 1ull << group->facet[question->lane];
    }
    order_rows(stream, &scratch->order);
    quantiles_of(stream, plan, group, facets, scratch);
}

static void answer_all(
    const Kernels *kernels, const Stream *streams, const Plan *plan, int32_t first_age, Scratch *scratch, double *out) {
    for (int64_t which = 0; which < plan->groups; which++) {
        const Group *group = plan->group + which;
        int begins = !which || group[-1].stream != group->stream, days_of = -1;
        Asked asked = {streams + group->stream, plan, group, scratch, 0};
        if (begins) {
            choose_limbs(asked.stream, &scratch->tallies, &scratch->spreads);
            limb_of(asked.stream, scratch->tallies.base, 0, scratch->packed);
        }
        tally_group(kernels, asked.stream, plan, group, scratch);
        if (group->wants & ORDER) order_group(asked.stream, plan, which, scratch);
        if (begins) keep_whole(&asked);
        for (int64_t k = plan->starts[which]; k < plan->starts[which + 1]; k++) {
            const Question *question = plan->questions + k;
            asked.lane = question->lane;
            if (needs_days(question) && days_of != asked.lane) {
                daily_of(asked.stream, group, &scratch->tallies, asked.lane, plan->bounds, &scratch->daily);
                days_of = asked.lane;
            }
            out[question->out] = answer(&asked, question, first_age);
        }
    }
}

#endif
