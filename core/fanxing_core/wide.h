/* All shapes that need wide registers, for one row. `narrow_row`: its columns fit half of them. */

static inline __attribute__((always_inline)) void walk_wide(
    const Forest *forest, const WideRow *row, int narrow_row, const uint8_t *two, double *leaves) {
    const int32_t *order = forest->order;
    walk_heaps6(forest, row, narrow_row, order, leaves);
    order += forest->of_shape[HEAP6];
    walk_heaps8(forest, row, narrow_row, two, order, leaves);
    order += forest->of_shape[HEAP8];
    walk_few_leaves(forest, row, narrow_row, order, leaves);
    order += forest->of_shape[FEW_LEAVES];
    walk_topped(forest, row, narrow_row, two, order, leaves);
}
