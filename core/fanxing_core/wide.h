/* All shapes that need wide registers, for one row. */

static inline __attribute__((always_inline)) void walk_wide(
    const Forest *forest, const WideRow *row, const uint8_t *two, double *leaves) {
    const int32_t *order = forest->order;
    walk_heaps6(forest, row, order, leaves);
    order += forest->of_shape[HEAP6];
    walk_heaps8(forest, row, two, order, leaves);
    order += forest->of_shape[HEAP8];
    walk_few_leaves(forest, row, order, leaves);
    order += forest->of_shape[FEW_LEAVES];
    walk_topped(forest, row, two, order, leaves);
}
