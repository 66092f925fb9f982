/* What needs a filter's days one by one: gaps, and daily series. */
#ifndef FANXING_DAYS_H
#define FANXING_DAYS_H
#include "tally.h"

/* By age: what the days from today to that one come to, in counts and in sums: the sum, the sum of squares, and the sum of
   values times age. */
typedef struct {
    wide (*of[2])[3];
    int64_t days;
} Daily;

static void daily_rows(const Payments *payments, const Filter *filter, const int32_t *chosen, int64_t many, Daily *daily) {
    int64_t k = many - 1;
    wide running[2][3] = {{0}};
    for (int32_t age = 0; age < daily->days; age++) {
        wide value[2] = {0};
        for (; k >= 0 && payments->age[chosen[k]] == age; k--) {
            value[0]++;
            value[1] += payments->values[filter->value][chosen[k]];
        }
        for (int which = 0; which < 2; which++) {
            running[which][0] += value[which];
            running[which][1] += value[which] * value[which];
            running[which][2] += value[which] * age;
            memcpy(daily->of[which][age], running[which], sizeof running[which]);
        }
    }
}

/* The longest run of days without a row since the first row of all; NaN where there is none by then. */
static double longest_gap(const int32_t *ages, int64_t many, const Window *window) {
    if (!many || ages[many - 1] < window->youngest) return NAN;
    int32_t first = ages[many - 1], from = first < window->oldest ? first : window->oldest;
    int32_t last = window->youngest - 1, longest = 0; /* the day after the window, as if it had a row */
    for (int64_t k = 0; k < many && ages[k] <= window->oldest; k++) {
        if (ages[k] < window->youngest) continue;
        longest = ages[k] - last - 1 > longest ? ages[k] - last - 1 : longest;
        last = ages[k];
    }
    return from - last > longest ? from - last : longest;
}

/* Statistics of the days of a window that ends today, days without a row included: change a day by least squares,
   deviation over mean, and how many deviations the mean of the last seven days is above that of all. */
static double of_days(const Daily *daily, const Window *window, int measure, int statistic) {
    const wide (*of)[3] = (const wide(*)[3])daily->of[measure == COUNT ? 0 : 1];
    int64_t n = window->oldest + 1;
    const wide *all = of[n - 1];
    double days = (double)n, sum = (double)all[0], spread = sqrt(spread_of(n, all[0], all[1]));
    switch (statistic) {
        case SLOPE: { /* ages fall as time goes on: n^2 (n^2 - 1) / 12 is n times the sum of squares of their deviations */
            double along = (double)((n - 1) * all[0] - 2 * all[2]) / 2;
            return n > 1 ? along / (days * (days * days - 1) / 12) : NAN;
        }
        case VOLATILITY: return sum > 0 ? spread / sum : NAN;
        case ZSCORE: return spread > 0 && n >= 7 ? (double)(n * of[6][0] - 7 * all[0]) / (7 * spread) : NAN;
    }
    return NAN;
}

#endif
