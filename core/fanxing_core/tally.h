/* What the rows of a group's filters come to, by bounds of segments, so that a window's is the difference of two. */
#ifndef FANXING_TALLY_H
#define FANXING_TALLY_H
#include "windows.h"

/* Counts and sums are added as one number, ONE + value, of values that have LIMB bits; wider values limb by limb. Of
   ROWS_AT_ONCE rows the sum does not reach the count, nor that the end of 32 bits. */
#define LIMB 20
#define LIMBS 4
#define COUNT_AT 26
#define ONE (1u << COUNT_AT)
#define ROWS_AT_ONCE 63
#define SQUARE_LIMB 32
#define SQUARE_LIMBS 4
#define NARROW_ROWS (1ll << 23) /* of so many, squares of values of one LIMB come to less than 2^63 */
#define PAYER_LANES 16

typedef int64_t OfGroup[GROUP];

/* Of daily counts, of daily sums: the squares, and the products with ages. */
enum { COUNTS_SQUARED, SUMS_SQUARED, COUNTS_AGED, SUMS_AGED, SERIES };

/* (bounds + 1, GROUP): of all rows younger than the bound. By day of the stream: what that day alone comes to. */
typedef struct {
    int64_t base; /* sums are of values less this */
    int limbs;
    int narrow; /* the squares of daily sums come to less than 2^64; else there are no series */
    OfGroup *count, *active_days, *sum[LIMBS], *day_count, *day_sum[LIMBS], *series[SERIES];
} Tallies;

/* Of rows younger than the bound: the squares of values less the base, in limbs, one if values are narrow. Of the segment
   after it: the least and the most value. */
typedef struct {
    int limbs;
    OfGroup *squares[SQUARE_LIMBS], *least, *most;
} Spreads;

/* Of rows younger than the bound: the largest known payer's sum, and the sum of squares of all payers' sums. */
typedef struct {
    double (*by_payer)[PAYER_LANES], (*top)[PAYER_LANES], (*squares)[PAYER_LANES];
} Shares;

/* Of all values of a stream, and 0. */
typedef struct {
    int64_t least, most;
    int64_t wider; /* not 0 if one has not 31 bits */
    uint64_t sum; /* if none has */
} Range;

static void most_of_days(Stream *stream) {
    for (int64_t day = 0; day < stream->days; day++) {
        int64_t most = INT64_MIN;
        for (int64_t row = stream->day[day].first; row < stream->day[day].end; row++)
            most = stream->values[row] > most ? stream->values[row] : most;
        stream->day[day].most = most;
    }
}

/* How many limbs the values need, counted from `base`, which is 0 or the least. */
static void choose_limbs(Stream *stream, Range range, Tallies *tallies, Spreads *spreads) {
    uint64_t widest = (uint64_t)range.most - (uint64_t)range.least;
    tallies->base = range.least;
    tallies->narrow = !range.wider && range.sum <= UINT32_MAX;
    tallies->limbs = 1;
    while (tallies->limbs < LIMBS && widest >> (LIMB * tallies->limbs)) tallies->limbs++;
    spreads->limbs = widest >> SQUARE_LIMB ? SQUARE_LIMBS : 2;
    if (tallies->limbs == 1 && stream->rows < NARROW_ROWS) spreads->limbs = 1;
    if (tallies->limbs > 1) most_of_days(stream);
}

static void limb_of(const Stream *stream, int64_t base, int limb, uint32_t *packed) {
    for (int64_t row = 0; row < stream->rows; row++) {
        uint64_t value = (uint64_t)stream->values[row] - (uint64_t)base;
        packed[row] = ONE + (uint32_t)(value >> (LIMB * limb) & ((1 << LIMB) - 1));
    }
}

/* n squares - sum^2: of what 128 bits hold exact, whatever the parts modulo 2^128 are; else nearly. */
static double spread_of(int64_t n, wide sum, wide squares) {
    typedef unsigned __int128 whole;
    whole exact = (whole)n * (whole)squares - (whole)sum * (whole)sum;
    wide most = (wide)1 << 62;
    if (n < 1ll << 31 && sum < most && sum > -most && squares < (wide)1 << 95) return (double)exact;
    __float128 nearly = (__float128)n * (__float128)squares - (__float128)sum * (__float128)sum;
    return nearly < 0x1p120 ? (double)exact : (double)nearly;
}

/* The sum of values less the base. */
static wide sum_above(const Tallies *tallies, int lane, int64_t first, int64_t last) {
    wide sum = tallies->sum[0][last][lane] - tallies->sum[0][first][lane];
    for (int limb = 1; limb < tallies->limbs; limb++)
        sum += (wide)(tallies->sum[limb][last][lane] - tallies->sum[limb][first][lane]) << (LIMB * limb);
    return sum;
}

static wide squares_above(const Spreads *spreads, int lane, int64_t first, int64_t last) {
    unsigned __int128 sum = 0; /* modulo 2^128 */
    for (int limb = 0; limb < spreads->limbs; limb++)
        sum += (unsigned __int128)(spreads->squares[limb][last][lane] - spreads->squares[limb][first][lane])
            << (SQUARE_LIMB * limb);
    return (wide)sum;
}

#endif
