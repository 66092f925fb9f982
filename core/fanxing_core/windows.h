/* One merchant's payments, and what a plan asks of them. Filled by _windows.pyx; nothing here knows what is measured. */
#ifndef FANXING_WINDOWS_H
#define FANXING_WINDOWS_H
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX
#define FACETS 64
typedef __int128 wide;

/* Rows, oldest first. A facet is a bit that a row has or has not; values[0] is what flowed, net of what was sent back;
   values[1] what was sent back; values[2] the balance told. */
typedef struct {
    int64_t rows, payers;
    int32_t *age; /* local days before the day of the question */
    uint16_t *segment; /* the stretch of days between two bounds of windows */
    uint64_t *facets;
    uint32_t *payer; /* or NOBODY */
    int64_t *values[3];
} Payments;

/* Segments from `first` to before `last`, which are the days of ages `youngest` to `oldest`. */
typedef struct {
    uint16_t first, last;
    int16_t before; /* the window as long that ends where this begins, or -1 */
    int16_t kind;
    int32_t youngest, oldest;
} Window;

/* Of windows: one that ends today, a calendar month before this one, any other. */
enum Kind { TO_TODAY, MONTH, OTHER };

enum { SPREAD = 1, DAILY = 4, ORDER = 8, PAYERS = 16, WHOLE = 32 };

/* Rows that have all facets of `need`; `of` is the filter (before this one) that shares are taken of. */
typedef struct {
    uint64_t need;
    uint8_t value, wants;
    int16_t of, facet; /* facet: whose bit stands for this filter where payers are counted, or -1 */
} Filter;

enum Measure {
    COUNT, SUM, MEAN, DEVIATION, LEAST, MOST, LATEST, ACTIVE_DAYS, LONGEST_GAP, LOW, MEDIAN, HIGH, TOP_SHARE, CONCENTRATION,
    DISTINCT, NEWCOMERS, RETURNING, LOST, REPEATING, MEASURES
};
enum Statistic { VALUE, PER_ACTIVE_DAY, TO_BEFORE, SHARE, SLOPE, VOLATILITY, ZSCORE, STATISTICS };

typedef struct {
    uint8_t measure, statistic;
    uint16_t window;
    uint32_t out;
} Question;

typedef struct {
    int64_t filters, windows, segments, days; /* days: that daily series may need */
    const Filter *filter;
    const Window *window;
    const int32_t *cuts; /* (segments - 1,) ages at which segments begin but for the first */
    const uint16_t *months; /* (segments,) which month each is of, or 0 */
    const int64_t *starts; /* (filters + 1,) into questions */
    const Question *questions;
} Plan;

#endif
