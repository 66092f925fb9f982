/* What the rows of a group's filters come to, by bounds of segments, so that a window's is the difference of two. */
#ifndef FANXING_TALLY_H
#define FANXING_TALLY_H
#include "windows.h"

/* Counts and sums are added as one number, ONE + value, of values that have LIMB bits; wider values limb by limb. Of
   ROWS_AT_ONCE rows the sum does not reach the count, nor that the sign. */
#define LIMB 26
#define LIMBS 3
#define COUNT_AT 40
#define ONE (1ll << COUNT_AT)
#define ROWS_AT_ONCE (1 << 14)
#define SQUARE_LIMB 32
#define SQUARE_LIMBS 4
#define PAYER_LANES 16

typedef int64_t OfGroup[GROUP];

/* (bounds + 1, GROUP): of all rows younger than the bound. By day of the stream: what that day alone comes to. */
typedef struct {
    int64_t base; /* sums are of values less this */
    int limbs;
    OfGroup *count, *active_days, *sum[LIMBS], *day_count, *day_sum[LIMBS];
} Tallies;

/* Of rows younger than the bound: the squares of values less the base, in limbs. Of the segment after it: the least and the
   most value. */
typedef struct {
    int limbs;
    OfGroup *squares[SQUARE_LIMBS], *least, *most;
} Spreads;

/* Of rows younger than the bound: the largest known payer's sum, and the sum of squares of all payers' sums. */
typedef struct {
    double (*by_payer)[PAYER_LANES], (*top)[PAYER_LANES], (*squares)[PAYER_LANES];
} Shares;

/* How many limbs the values need, counted from `base`, which is 0 or the least. */
static void choose_limbs(const Stream *stream, Tallies *tallies, Spreads *spreads) {
    int64_t least = 0, most = 0;
    for (int64_t row = 0; row < stream->rows; row++) {
        least = stream->values[row] < least ? stream->values[row] : least;
        most = stream->values[row] > most ? stream->values[row] : most;
    }
    tallies->base = least;
    tallies->limbs = 1;
    uint64_t widest = (uint64_t)most - (uint64_t)least;
    while (tallies->limbs < LIMBS && widest >> (LIMB * tallies->limbs)) tallies->limbs++;
    spreads->limbs = widest >> SQUARE_LIMB ? SQUARE_LIMBS : 2;
}

static void limb_of(const Stream *stream, int64_t base, int limb, int64_t *packed) {
    for (int64_t row = 0; row < stream->rows; row++) {
        uint64_t value = (uint64_t)stream->values[row] - (uint64_t)base;
        packed[row] = ONE + (int64_t)(value >> (LIMB * limb) & ((1 << LIMB) - 1));
    }
}

#define INLINE static inline __attribute__((always_inline))
#define FN(name) name##_portable
#define LANES 2
#include "tally_lanes.h"
#undef FN
#undef LANES
#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2")
#define FN(name) name##_avx2
#define LANES 4
#include "tally_lanes.h"
#undef FN
#undef LANES
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl")
#include <immintrin.h>
#define FN(name) name##_avx512
#define LANES 8
#include "tally_lanes.h"
#undef FN
#undef LANES
#pragma GCC pop_options
#endif

typedef struct {
    void (*tally)(const Stream *, const Group *, const int64_t *, int64_t, int, Tallies *);
    void (*spread)(const Stream *, const Group *, int64_t, int64_t, Spreads *);
    void (*concentrate)(const Stream *, const Group *, int64_t, Shares *);
} Kernels;

/* 0 portable, 1 with AVX2, 2 with AVX-512: the best that this processor can do. */
static int best_kernels(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}

/* All give the same bits. */
static Kernels kernels_of(int machine) {
#if defined(__x86_64__)
    if (machine == 2) return (Kernels){tally_avx512, spread_avx512, concentrate_avx512};
    if (machine == 1) return (Kernels){tally_avx2, spread_avx2, concentrate_avx2};
#endif
    (void)machine;
    return (Kernels){tally_portable, spread_portable, concentrate_portable};
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
    wide sum = 0;
    for (int limb = 0; limb < tallies->limbs; limb++)
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
