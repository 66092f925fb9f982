/* Everything that is compiled once a kind of machine: FN(name) is its name there. */
#include "count.h"

#define REAL float
#define TYPED(name) name##_f
#define AT_MOST FN(at_most_f)
#define CUTS(field) field##32
#include "bytes.h"
#define BIN_ROW bin_floats
#define ROW float
#include "bin.h"
#undef BIN_ROW
#undef ROW
#define BIN_ROW bin_rounded
#define ROW double
#include "bin.h"
#undef BIN_ROW
#undef REAL
#undef TYPED
#undef AT_MOST
#undef CUTS
#define REAL double
#define TYPED(name) name##_d
#define AT_MOST FN(at_most_d)
#define CUTS(field) field##64
#include "bytes.h"
#define BIN_ROW bin_doubles
#include "bin.h"
#undef BIN_ROW
#undef ROW
#undef REAL
#undef TYPED
#undef AT_MOST
#undef CUTS

#include "steps.h"
#if WIDE
#include "heaps.h"
#include "few_leaves.h"
#include "wide.h"
#include "dense.h"
#include "spread.h"
#endif

/* The bytes of row `index` of rows of floats or doubles. */
static inline void FN(bin_row)(const Forest *forest, const void *rows, int is_float, int64_t index, uint8_t *bytes) {
    int64_t start = index * forest->features_wide;
    if (is_float) FN(bin_floats)(forest, (const float *)rows + start, bytes);
    else if (forest->cuts64) FN(bin_doubles)(forest, (const double *)rows + start, bytes);
    else FN(bin_rounded)(forest, (const double *)rows + start, bytes);
}

/* The leaf of every tree for one row, in the order of the trees. */
static inline void FN(leaves_of)(const Forest *forest, uint8_t *bytes, uint8_t *two, double *leaves) {
    if (forest->needs_two) FN(double_bytes)(bytes, forest->columns, two);
#if WIDE
    if (forest->of_shape[STEPS] < forest->trees) {
        WideRow row = wide_row(bytes);
        walk_wide(forest, &row, two, leaves);
    }
#endif
    FN(walk_steps)(forest, two, forest->order + forest->trees - forest->of_shape[STEPS], leaves);
}

/* One row after the other. */
static void FN(margins_by_row)(
    const Forest *forest, const void *rows, int is_float, int64_t count, const Scratch *scratch, double *out) {
    for (int64_t index = 0; index < count; index++) {
        FN(bin_row)(forest, rows, is_float, index, scratch->bytes);
        FN(leaves_of)(forest, scratch->bytes, scratch->two, scratch->leaves);
        add_leaves(forest, scratch->leaves, out + index * forest->outputs);
    }
}

static inline void FN(bin_block)(
    const Forest *forest, const void *rows, int is_float, int64_t first, int64_t count, uint8_t *block, uint8_t *bytes) {
    int64_t start = first * forest->features_wide;
    if (is_float) FN(BLOCK(bin_floats))(forest, (const float *)rows + start, count, block, bytes);
    else if (forest->cuts64) FN(BLOCK(bin_doubles))(forest, (const double *)rows + start, count, block, bytes);
    else FN(BLOCK(bin_rounded))(forest, (const double *)rows + start, count, block, bytes);
}

/* Adds one tree's leaves to the sums of a block. */
static inline void FN(add_tree)(const Forest *forest, int64_t tree, const uint8_t *block, float *sums32, double *sums64) {
    int64_t place = forest->places[tree];
#if WIDE
    int64_t heaps6 = forest->of_shape[HEAP6], heaps8 = forest->of_shape[HEAP8], rest = place - heaps6 - heaps8;
    if (place < heaps6) add_dense6(forest, place, block, sums32, sums64);
    else if (place < heaps6 + heaps8) add_dense8(forest, place - heaps6, block, sums32, sums64);
    else if (forest->spread_starts[rest + 1] > forest->spread_starts[rest])
        add_spread(forest, rest, block, sums32, sums64);
    else
#endif
        FN(add_steps)(
            forest, place - (forest->trees - forest->of_shape[STEPS] - forest->of_shape[TOPPED]), block, sums32,
            sums64);
}

/* Many rows: blocks of ROWS, BLOCKS of them at a time, so that a few trees stay near while all of them pass. */
static void FN(margins_by_block)(
    const Forest *forest, const void *rows, int is_float, int64_t count, const Scratch *scratch, double *out) {
    int64_t outputs = forest->outputs, block_bytes = ROWS * forest->columns;
    for (int64_t first = 0; first < count; first += BLOCKS * ROWS) {
        int64_t many = count - first < BLOCKS * ROWS ? count - first : BLOCKS * ROWS, blocks = (many + ROWS - 1) / ROWS;
        for (int64_t block = 0; block < blocks; block++) {
            int64_t start = block * ROWS, rows_there = many - start < ROWS ? many - start : ROWS;
            FN(bin_block)(forest, rows, is_float, first + start, rows_there, scratch->blocks + block * block_bytes,
                          scratch->bytes);
        }
        start_sums(forest, blocks * ROWS, scratch);
        for (int64_t tree = 0; tree < forest->trees; tree += TREES_NEAR)
            for (int64_t block = 0; block < blocks; block++)
                for (int64_t near = tree; near < tree + TREES_NEAR && near < forest->trees; near++) {
                    int64_t sums = (forest->tree_outputs[near] * BLOCKS + block) * ROWS;
                    FN(add_tree)(forest, near, scratch->blocks + block * block_bytes,
                                 forest->sum32 ? scratch->sums32 + sums : 0, scratch->sums64 + sums);
                }
        for (int64_t row = 0; row < many; row++)
            for (int64_t output = 0; output < outputs; output++)
                out[(first + row) * outputs + output] = finished_sum(forest, scratch, output * BLOCKS * ROWS + row);
    }
}

static void FN(margins)(
    const Forest *forest, const void *rows, int is_float, int64_t count, const Scratch *scratch, double *out) {
    if (scratch->blocks) FN(margins_by_block)(forest, rows, is_float, count, scratch, out);
    else FN(margins_by_row)(forest, rows, is_float, count, scratch, out);
}
