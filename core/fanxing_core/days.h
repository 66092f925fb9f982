/* What needs the days of one filter one by one: gaps, and daily series. */
#ifndef FANXING_DAYS_H
#define FANXING_DAYS_H
#include "tally.h"

/* The days with rows of one lane, youngest first. And where there are no series: by bound, in counts and in sums, what the
   days younger than it come to: the sum, the sum of squares, and the sum of values times age. */
typedef struct {
    int64_t many;
    int32_t *ages;
    wide (*of[2])[3];
} Daily;

static wide sum_of_day(const Tallies *tallies, int lane, int64_t day) {
    wide sum = (wide)tallies->base * tallies->day_count[day][lane];
    for (int limb = 0; limb < tallies->limbs; limb++) sum += (wide)tallies->day_sum[limb][day][lane] << (LIMB * limb);
    return sum;
}

/* The age of a lane's oldest row of all, if that is older than all windows; or -1. */
static int32_t oldest_age(const Stream *stream, uint32_t need, int64_t bounds) {
    for (int64_t day = 0; day < stream->days && stream->day[day].segment == bounds; day++)
        for (int64_t row = stream->day[day].first; row < stream->day[day].end; row++)
            if (!(need & stream->absent[row])) return stream->day[day].age;
    return -1;
}

static inline void add_day(wide *running, wide value, int32_t age) {
    int64_t narrow = (int64_t)value;
    running[0] += value;
    running[1] += narrow == value ? (wide)narrow * narrow : value * value;
    running[2] += narrow == value ? (wide)narrow * age : value * age;
}

static void ages_of(
    const Stream *stream, const Group *group, const Tallies *tallies, int lane, int64_t bounds, Daily *daily) {
    daily->many = 0;
    for (int64_t day = stream->days - 1; day >= 0 && stream->day[day].segment < bounds; day--)
        if (tallies->day_count[day][lane]) daily->ages[daily->many++] = stream->day[day].age;
    int32_t oldest = oldest_age(stream, group->need[lane], bounds);
    if (oldest >= 0) daily->ages[daily->many++] = oldest;
}

static void wide_series_of(const Stream *stream, const Tallies *tallies, int lane, int64_t bounds, Daily *daily) {
    wide running[2][3] = {{0}};
    int64_t day = stream->days - 1;
    for (int64_t at = 0; at <= bounds; at++) {
        for (int which = 0; which < 2; which++) memcpy(daily->of[which][at], running[which], sizeof running[which]);
        for (; at < bounds && day >= 0 && stream->day[day].segment == at; day--) {
            add_day(running[0], tallies->day_count[day][lane], stream->day[day].age);
            add_day(running[1], sum_of_day(tallies, lane, day), stream->day[day].age);
        }
    }
}

/* What the daily counts or sums of days younger than a bound come to: the sum, the squares, the products with ages. */
static void series_of(const Tallies *tallies, const Daily *daily, int lane, int measure, int64_t bound, wide *to) {
    int which = measure != COUNT;
    if (!tallies->narrow) memcpy(to, daily->of[which][bound], sizeof daily->of[which][bound]);
    else {
        to[0] = which ? sum_above(tallies, lane, 0, bound) : tallies->count[bound][lane];
        to[1] = (uint64_t)tallies->series[COUNTS_SQUARED + which][bound][lane];
        to[2] = tallies->series[COUNTS_AGED + which][bound][lane];
    }
}

/* The longest run of days without a row since the first row of all; NaN where there is none by then. */
static double longest_gap(const Daily *daily, const Window *window) {
    int64_t many = daily->many;
    const int32_t *ages = daily->ages;
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
static double of_days(int64_t n, const wide *all, const wide *of_week, int statistic) {
    double days = (double)n, sum = (double)all[0], spread = sqrt(spread_of(n, all[0], all[1]));
    switch (statistic) {
        case SLOPE: { /* ages fall as time goes on: n^2 (n^2 - 1) / 12 is n times the sum of squares of their deviations */
            double along = (double)((n - 1) * all[0] - 2 * all[2]) / 2;
            return n > 1 ? along / (days * (days * days - 1) / 12) : NAN;
        }
        case VOLATILITY: return sum > 0 ? spread / sum : NAN;
        case ZSCORE: return spread > 0 && n >= 7 ? (double)(n * of_week[0] - 7 * all[0]) / (7 * spread) : NAN;
    }
    return NAN;
}

#endif
