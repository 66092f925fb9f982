/* Margins of rows. The same bits on every kind of machine: leaves are found exactly and summed in the trees' order. */
#ifndef FANXING_WALK_H
#define FANXING_WALK_H
#include <stdlib.h>

#include "forest.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum Machine { PORTABLE, MACHINE_AVX2, MACHINE_AVX512 };

#define AHEAD 32 /* trees that go down together, or between finding exits and reading what lies there */
#define BLOCKS 16
#define TREES_NEAR 16
#define COLUMNS_BLOCK_MAX 2048 /* beyond that a block of rows would not stay near */
#define OUTPUTS_BLOCK_MAX 1024 /* nor their sums, which would be of 8 KB an output */

/* What one call writes to: a row's bytes, doubled, and its leaves; or, for many rows (else null), blocks of bytes and
   the sums (outputs, BLOCKS, ROWS), as float32 or float64. */
typedef struct {
    uint8_t *bytes, *two;
    double *leaves;
    uint8_t *blocks;
    float *sums32;
    double *sums64;
} Scratch;

static void start_sums(const Forest *forest, int64_t rows, const Scratch *scratch) {
    for (int64_t output = 0; output < forest->outputs; output++)
        for (int64_t row = 0; row < rows; row++) {
            int64_t place = output * BLOCKS * ROWS + row;
            if (forest->sum32) scratch->sums32[place] = (float)forest->base[output];
            else scratch->sums64[place] = forest->base[output];
        }
}

static inline double finished_sum(const Forest *forest, const Scratch *scratch, int64_t place) {
    if (forest->sum32) return scratch->sums32[place] / (float)forest->divisor;
    return scratch->sums64[place] / forest->divisor;
}

static void add_leaves(const Forest *forest, const double *leaves, double *out) {
    if (forest->outputs == 1 && forest->sum32) {
        float sum = (float)forest->base[0];
        for (int64_t tree = 0; tree < forest->trees; tree++) sum += (float)leaves[tree];
        out[0] = forest->divisor == 1 ? sum : sum / (float)forest->divisor;
    } else if (forest->outputs == 1) {
        double sum = forest->base[0];
        for (int64_t tree = 0; tree < forest->trees; tree++) sum += leaves[tree];
        out[0] = sum / forest->divisor;
    } else {
        memcpy(out, forest->base, sizeof(double) * (size_t)forest->outputs);
        for (int64_t tree = 0; tree < forest->trees; tree++) {
            double *to = out + forest->tree_outputs[tree];
            *to = forest->sum32 ? (double)((float)*to + (float)leaves[tree]) : *to + leaves[tree];
        }
        for (int64_t output = 0; output < forest->outputs; output++)
            out[output] = forest->sum32 ? (double)((float)out[output] / (float)forest->divisor)
                                        : out[output] / forest->divisor;
    }
}

#define FN(name) FN_(name, _portable)
#define FN_(name, suffix) FN__(name, suffix)
#define FN__(name, suffix) name##suffix
#define REST(name) FN_(rest_of_, name)
#define BLOCK(name) FN_(block_of_, name)
#include "machine.h"
#undef FN

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2,lzcnt,popcnt")
#define FN(name) FN_(name, _avx2)
#define AVX2 1
#include "machine.h"
#undef AVX2
#undef FN
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,fma,bmi,bmi2,lzcnt,popcnt")
#define FN(name) FN_(name, _avx512)
#define WIDE 1
#include "machine.h"
#undef WIDE
#undef FN
#pragma GCC pop_options
#endif

static int best_machine(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2"))
        return MACHINE_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
        return MACHINE_AVX2;
#endif
    return PORTABLE;
}

#define STACK_BYTES (24 << 10)

static size_t in_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

static void bin_row_on(const Forest *forest, int machine, const void *row, int is_float, uint8_t *bytes) {
#if defined(__x86_64__)
    if (machine == MACHINE_AVX512) bin_row_avx512(forest, row, is_float, 0, bytes);
    else if (machine == MACHINE_AVX2) bin_row_avx2(forest, row, is_float, 0, bytes);
    else
#endif
        bin_row_portable(forest, row, is_float, 0, bytes);
}

static void leaves_on(const Forest *forest, int machine, uint8_t *bytes, uint8_t *two, double *leaves) {
#if defined(__x86_64__)
    if (machine == MACHINE_AVX512) leaves_of_avx512(forest, bytes, two, leaves);
    else if (machine == MACHINE_AVX2) leaves_of_avx2(forest, bytes, two, leaves);
    else
#endif
        leaves_of_portable(forest, bytes, two, leaves);
}

/* Margins, float64 (count, outputs), of C-contiguous rows; -1 where there is no memory for the scratch. */
static int forest_margins(
    const Forest *forest, int machine, const void *rows, int is_float, int64_t count, double *out) {
    uint8_t stack[STACK_BYTES] __attribute__((aligned(64)));
    int by_block = count >= ROWS / 2 && forest->columns <= COLUMNS_BLOCK_MAX && forest->outputs <= OUTPUTS_BLOCK_MAX;
    size_t columns = in_lines((size_t)(forest->columns > WIDE_MAX ? forest->columns : WIDE_MAX));
    size_t sizes[] = {columns, 2 * columns, in_lines(sizeof(double) * (size_t)forest->trees),
                      by_block ? (size_t)(BLOCKS * ROWS * (forest->columns + 1)) : 0, /* of leaves alone, it reads one */
                      by_block ? (size_t)(sizeof(double) * BLOCKS * ROWS) * (size_t)forest->outputs : 0};
    size_t needed = 0;
    for (int k = 0; k < 5; k++) needed += sizes[k];
    uint8_t *memory = needed <= STACK_BYTES ? stack : aligned_alloc(64, needed);
    if (!memory) return -1;
    Scratch scratch = {.bytes = memory};
    scratch.two = scratch.bytes + sizes[0];
    scratch.leaves = (double *)(scratch.two + sizes[1]);
    uint8_t *blocks = (uint8_t *)scratch.leaves + sizes[2];
    scratch.blocks = by_block ? blocks : 0;
    scratch.sums64 = (double *)(blocks + sizes[3]);
    scratch.sums32 = (float *)scratch.sums64;
    if (forest->columns < WIDE_MAX) memset(memory + forest->columns, 0, (size_t)(WIDE_MAX - forest->columns));
#if defined(__x86_64__)
    if (machine == MACHINE_AVX512) margins_avx512(forest, rows, is_float, count, &scratch, out);
    else if (machine == MACHINE_AVX2) margins_avx2(forest, rows, is_float, count, &scratch, out);
    else
#endif
        margins_portable(forest, rows, is_float, count, &scratch, out);
    if (memory != stack) free(memory);
    return 0;
}

#endif
