/* What is compiled once a width of registers: LANES numbers of 64 bits; FN(name) is the name there. Lanes never meet, so
   that no width changes a bit. */
#ifndef FANXING_KERNELS_H
#define FANXING_KERNELS_H
#include "decode.h"
#include "order.h"
#include "payers.h"
#include "tally.h"

#define FN(name) name##_portable
#define LANES 2
#include "lanes.h"
#undef FN
#undef LANES
#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2")
#define FN(name) name##_avx2
#define LANES 4
#include "lanes.h"
#undef FN
#undef LANES
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl")
#include <immintrin.h>
#define FN(name) name##_avx512
#define LANES 8
#include "lanes.h"
#undef FN
#undef LANES
#pragma GCC pop_options
#endif

typedef struct {
    void (*unpack)(const State *, Rows *);
    Range (*range_of)(const Stream *);
    void (*tally)(const Stream *, const Group *, const uint32_t *, int64_t, int, Tallies *);
    void (*sum_days)(const Stream *, const Group *, int64_t, Tallies *);
    void (*spread_narrow)(const Stream *, const Group *, const uint32_t *, int64_t, int64_t, Spreads *);
    void (*spread)(const Stream *, const Group *, int64_t, int64_t, Spreads *);
    void (*concentrate)(const Stream *, const Group *, int64_t, Shares *);
    void (*see_payers)(const Stream *, const Plan *, const Visits *, Seen *);
    void (*add_ranks)(const Stream *, int64_t, int64_t, Order *);
    void (*sum_far)(Order *);
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

#define ALL_OF(machine) { \
    unpack_##machine, range_of_##machine, tally_##machine, sum_days_##machine, spread_narrow_##machine, spread_##machine, \
    concentrate_##machine, see_payers_##machine, add_ranks_##machine, sum_far_##machine}

/* All give the same bits. */
static Kernels kernels_of(int machine) {
#if defined(__x86_64__)
    if (machine == 2) return (Kernels)ALL_OF(avx512);
    if (machine == 1) return (Kernels)ALL_OF(avx2);
#endif
    (void)machine;
    return (Kernels)ALL_OF(portable);
}

#endif
