/* One merchant's payments, and what a plan asks of them. Filled by _windows.pyx; nothing here knows what is measured. */
#ifndef FANXING_WINDOWS_H
#define FANXING_WINDOWS_H
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GROUP 32 /* filters that are tallied together */

#define INLINE static inline __attribute__((always_inline))
typedef __int128 wide;

/* What rows are of. The values: what is left of a receipt; an outflow; what was sent back of a receipt; a balance. */
enum { RECEIPTS, OUTFLOWS, SENT_BACK, BALANCES, STREAMS };

typedef struct {
    int32_t age; /* local days before the day of the question */
    int32_t segment; /* the stretch of days between two bounds of windows */
    int64_t first, end; /* rows */
    int64_t most; /* the largest value, if some have more than one limb */
} Day;

/* A state's tags above this place are the lowest facets of a row's word, but for its very lowest, which all rows have. */
#define KEPT 3
#define ANY 1u

/* Rows of one kind, oldest first. A facet is a bit that a row has or has not. */
typedef struct {
    int64_t rows, days;
    uint32_t *absent; /* facets that a row has not */
    int64_t *values;
    uint32_t *payer, nobody; /* of receipts only: their payers' places, or that of nobody, which is the last */
    Day *day; /* those that have rows, oldest first */
    int64_t *from; /* (bounds + 1,) from which row on they are younger than the bound */
} Stream;

/* Segments from `first` to before `last`, which are the days of ages `youngest` to `oldest`. */
typedef struct {
    uint16_t first, last;
    int16_t before; /* the window as long that ends where this begins, or -1 */
    int16_t kind;
    int32_t youngest, oldest;
} Window;

/* Of windows: one that ends today, a calendar month before this one, any other. */
enum Kind { TO_TODAY, MONTH, OTHER };

enum { SPREAD = 1, DAILY = 2, ORDER = 4, PAYERS = 8 };

/* Filters of one stream, a lane each: rows that have all facets of `need`. */
typedef struct {
    uint32_t need[GROUP];
    int8_t facet[GROUP]; /* whose bit alone stands for the filter, or -1 */
    uint8_t stream, wants, lanes;
    uint8_t unused[5];
} Group;

enum Measure {
    COUNT, SUM, MEAN, DEVIATION, LEAST, MOST, LATEST, ACTIVE_DAYS, LONGEST_GAP, LOW, MEDIAN, HIGH, TOP_SHARE, CONCENTRATION,
    DISTINCT, NEWCOMERS, RETURNING, LOST, REPEATING
};
enum Statistic { VALUE, PER_ACTIVE_DAY, TO_BEFORE, SHARE, SLOPE, VOLATILITY, ZSCORE };

typedef struct {
    uint8_t measure, statistic, window, lane;
    uint32_t out;
} Question;

typedef struct {
    int64_t groups, windows, bounds;
    const Group *group; /* those of a stream stand together; what shares are taken of is lane 0 of the first */
    const Window *window;
    const int32_t *cuts; /* (bounds,) ages at which segments begin but for the first; from the last on nothing is asked */
    const uint16_t *months; /* (bounds + 1,) which month each segment is of, or 0 */
    const int64_t *starts; /* (groups + 1,) into questions */
    const Question *questions; /* by group; of those that need a lane's days, by lane */
    int64_t week; /* how many segments are the last seven days */
    int32_t counts; /* which passes over payers the questions need */
    int32_t counted; /* the first of COUNTED - 1 facets by which payers may be counted */
} Plan;

#endif
