/* Many forests, one wide row: every column that any of them reads becomes bytes once, and each forest picks its own. */
#ifndef FANXING_PANEL_H
#define FANXING_PANEL_H
#include "transform.h"
#include "walk.h"

typedef struct {
    Forest columns; /* all columns of all forests; no trees */
    int64_t forests;
    const Forest *const *forest;
    const int64_t *starts; /* (forests + 1,) into picks */
    const int32_t *picks; /* for each forest the columns that its own columns are */
} Panel;

static inline void pick_bytes(const Panel *panel, int64_t which, const uint8_t *all, uint8_t *bytes) {
    const int32_t *picks = panel->picks + panel->starts[which];
    int64_t count = panel->starts[which + 1] - panel->starts[which];
    for (int64_t column = 0; column < count; column++) bytes[column] = all[picks[column]];
}

/* Predictions or margins of one row, float64 (sum of the forests' outputs,); -1 where there is no memory. */
static int panel_predict(
    const Panel *panel, int machine, const void *row, int is_float, int margins_only, double *out) {
    int64_t trees = 0, columns = WIDE_MAX;
    for (int64_t which = 0; which < panel->forests; which++) {
        const Forest *forest = panel->forest[which];
        trees = forest->trees > trees ? forest->trees : trees;
        columns = forest->columns > columns ? forest->columns : columns;
    }
    size_t all_bytes = in_lines((size_t)panel->columns.columns), own_bytes = in_lines((size_t)columns);
    uint8_t *memory = aligned_alloc(64, all_bytes + 3 * own_bytes + in_lines(sizeof(double) * (size_t)trees));
    if (!memory) return -1;
    uint8_t *bytes = memory + all_bytes, *two = bytes + own_bytes;
    double *leaves = (double *)(two + 2 * own_bytes);
    memset(bytes, 0, own_bytes);
    bin_row_on(&panel->columns, machine, row, is_float, memory);
    for (int64_t which = 0; which < panel->forests; which++) {
        const Forest *forest = panel->forest[which];
        pick_bytes(panel, which, memory, bytes);
        leaves_on(forest, machine, bytes, two, leaves);
        add_leaves(forest, leaves, out);
        if (!margins_only) transform(forest, out);
        out += forest->outputs;
    }
    free(memory);
    return 0;
}

#endif
