/* A row to bytes. Included for each type in which values meet cuts: REAL, AT_MOST, and the tables' fields by CUTS(). */

/* The line is the one after whose first cut the value comes, or the first. */
static inline uint8_t FN(TYPED(count_of))(const REAL *pivots, const REAL *lines, REAL x) {
    int line = LINE * AT_MOST(pivots, x, 1);
    return (uint8_t)(line + AT_MOST(lines + line, x, 0));
}

static inline uint8_t FN(TYPED(byte_of))(const REAL *pivots, const REAL *lines, REAL x) {
    return (uint8_t)(FN(TYPED(count_of))(pivots, lines, x) | -(x != x)); /* 255 if missing, without a branch */
}

/* The bytes of a column of a block. */
static __attribute__((noinline)) void FN(TYPED(bytes_of))(
    const REAL *pivots, const REAL *lines, const REAL *values, uint8_t *bytes) {
#if WIDE
    int32_t first[ROWS] __attribute__((aligned(64)));
    TYPED(lines_of)(pivots, values, first);
    for (int row = 0; row < ROWS; row++)
        bytes[row] = (uint8_t)(first[row] + AT_MOST(lines + first[row], values[row], 0));
#else
    for (int row = 0; row < ROWS; row++) bytes[row] = FN(TYPED(count_of))(pivots, lines, values[row]);
#endif
    for (int row = 0; row < ROWS; row++) bytes[row] |= (uint8_t)-(values[row] != values[row]);
}

/* 1 where a value goes right: by the set, or where it is missing by default. */
static inline uint8_t FN(TYPED(answer))(const Forest *forest, int64_t place, REAL x) {
    int32_t set = forest->asked[2 * place], flags = forest->asked[2 * place + 1];
    if (x != x) return !(flags & MISSING_LEFT);
    int64_t words = forest->category_offsets[set + 1] - forest->category_offsets[set];
    int within = 0;
    if (words && (flags & CATEGORY_RIGHT ? x >= 0 : x > -1) && (double)x < (double)(32 * words)) {
        int64_t category = (int64_t)x;
        within = forest->category_words[forest->category_offsets[set] + category / 32] >> category % 32 & 1;
    }
    return (uint8_t)(within ^ !(flags & CATEGORY_RIGHT));
}
