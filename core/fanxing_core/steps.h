/* Trees of any shape, on any machine: several go down together, so that one's loads hide the other's. */
#define TOGETHER 16

/* Bytes and, beside each, the byte plus one, for nodes whose missing values go left. */
static inline void FN(double_bytes)(const uint8_t *bytes, int64_t columns, uint8_t *two) {
    for (int64_t column = 0; column < columns; column++) {
        two[2 * column] = bytes[column];
        two[2 * column + 1] = (uint8_t)(bytes[column] + 1);
    }
}

static inline uint32_t FN(step)(const Step *steps, uint32_t at, const uint8_t *two) {
    Step step = steps[at];
    return step.left + (two[step.where_bin >> 9] >= (step.where_bin & 511));
}

/* The leaves that a row falls into in STEPS trees. `depths` fall, so trees that go together are about equally deep. */
static void FN(walk_steps)(const Forest *forest, const uint8_t *two, const int32_t *order, double *leaves) {
    int64_t count = forest->of_shape[STEPS], tree = 0;
    const Step *steps = forest->steps;
    const uint32_t *roots = forest->roots + forest->of_shape[TOPPED];
    const int32_t *depths = forest->depths + forest->of_shape[TOPPED];
    for (; tree + TOGETHER <= count; tree += TOGETHER) {
        uint32_t at[TOGETHER];
        for (int k = 0; k < TOGETHER; k++) at[k] = roots[tree + k];
        for (int32_t depth = depths[tree]; depth > 0; depth--)
            for (int k = 0; k < TOGETHER; k++) at[k] = FN(step)(steps, at[k], two);
        for (int k = 0; k < TOGETHER; k++) leaves[order[tree + k]] = forest->step_leaf[at[k]];
    }
    for (; tree < count; tree++) {
        uint32_t at = roots[tree];
        for (int32_t depth = depths[tree]; depth > 0; depth--) at = FN(step)(steps, at, two);
        leaves[order[tree]] = forest->step_leaf[at];
    }
}

/* Adds a tree's leaves to the sums of a block of rows. */
static inline void FN(add_steps)(
    const Forest *forest, int64_t tree, const uint8_t *block, float *sums32, double *sums64) {
    const Step *steps = forest->steps;
    int32_t depth = forest->depths[tree];
    for (int64_t row = 0; row < ROWS; row += TOGETHER) {
        uint32_t at[TOGETHER];
        for (int k = 0; k < TOGETHER; k++) at[k] = forest->roots[tree];
        for (int32_t level = 0; level < depth; level++)
            for (int k = 0; k < TOGETHER; k++) {
                Step step = steps[at[k]];
                uint8_t byte = block[(step.where_bin >> 10) * ROWS + (uint32_t)(row + k)];
                at[k] = step.left + ((uint8_t)(byte + (step.where_bin >> 9 & 1)) >= (step.where_bin & 511));
            }
        if (sums32)
            for (int k = 0; k < TOGETHER; k++) sums32[row + k] += (float)forest->step_leaf[at[k]];
        else
            for (int k = 0; k < TOGETHER; k++) sums64[row + k] += forest->step_leaf[at[k]];
    }
}
