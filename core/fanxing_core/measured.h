/* One answer, of what was tallied of its group. */
#ifndef FANXING_MEASURED_H
#define FANXING_MEASURED_H
#include "days.h"
#include "kernels.h"

/* What one call writes to. */
typedef struct {
    uint32_t *packed;
    Tallies tallies;
    Spreads spreads;
    Shares shares;
    Daily daily;
    Order order;
    Seen seen;
    Visits visits;
    double (*quantiles)[3]; /* (windows, GROUP) */
    uint32_t (*ordered)[3]; /* (windows,) lanes whose quantiles are asked for */
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

INLINE int64_t between_bounds(const OfGroup *sums, int lane, const Window *window) {
    return sums[window->last][lane] - sums[window->first][lane];
}

INLINE wide sum_of(const Asked *asked, const Window *window, int64_t count) {
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
INLINE double measured(const Asked *asked, int which, int measure) {
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

INLINE double answer_by(const Asked *asked, const Question *question, int measure, int32_t first_age) {
    const Window *window = asked->plan->window + question->window;
    if (question->statistic >= SLOPE) {
        if (first_age < window->oldest) return NAN;
        const Tallies *tallies = &asked->scratch->tallies;
        const Daily *daily = &asked->scratch->daily;
        wide all[3], of_week[3];
        series_of(tallies, daily, asked->lane, question->measure, window->last, all);
        series_of(tallies, daily, asked->lane, question->measure, asked->plan->week, of_week);
        return of_days(window->oldest + 1, all, of_week, question->statistic);
    }
    double value = measured(asked, question->window, measure);
    switch (question->statistic) {
        case PER_ACTIVE_DAY: return ratio(value, measured(asked, question->window, ACTIVE_DAYS));
        case SHARE: return ratio(value, asked->scratch->whole[measure != COUNT][question->window]);
        case TO_BEFORE: return window->before < 0 ? NAN : ratio(value, measured(asked, window->before, measure));
    }
    return value;
}

/* What is asked most is compiled for itself. */
static double answer(const Asked *asked, const Question *question, int32_t first_age) {
    switch (question->measure) {
        case COUNT: return answer_by(asked, question, COUNT, first_age);
        case SUM: return answer_by(asked, question, SUM, first_age);
        case MEAN: return answer_by(asked, question, MEAN, first_age);
        case ACTIVE_DAYS: return answer_by(asked, question, ACTIVE_DAYS, first_age);
        default: return answer_by(asked, question, question->measure, first_age);
    }
}

#endif
