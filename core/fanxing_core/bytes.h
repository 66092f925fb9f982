/* A row to bytes. Included for each type in which values meet cuts: REAL, AT_MOST, and the tables' fields by CUTS(). */

/* How many of the sorted cuts are at most x; branch-free. */
static inline int64_t FN(TYPED(rank))(const REAL *cuts, int64_t count, REAL x) {
    int64_t below = 0;
    while (count > 0) {
        int64_t half = (count + 1) / 2;
        below += cuts[below + half - 1] <= x ? half : 0;
        count -= half;
    }
    return below;
}

/* Branch-free: what is missing, and what is below all cuts, comes as it likes. */
static inline uint8_t FN(TYPED(plain_byte))(const REAL *pivots, const REAL *lines, REAL x) {
    int line = AT_MOST(pivots, x);
    line -= line > 0;
    return (uint8_t)((LINE * line + AT_MOST(lines + LINE * line, x)) | -(x != x));
}

/* The bytes of a feature with several columns: each counts its own range of the cuts. */
static inline void FN(TYPED(split_bytes))(const Forest *forest, int64_t place, REAL x, uint8_t *bytes) {
    int64_t start = forest->split_starts[place], count = forest->split_starts[place + 1] - start;
    int64_t left = FN(TYPED(rank))(CUTS(forest->split_cuts) + start, count, x);
    for (int64_t column = 0; column * CUTS_MAX < count; column++, left -= CUTS_MAX)
        bytes[column] = x != x ? MISSING : left > CUTS_MAX ? CUTS_MAX : left > 0 ? (uint8_t)left : 0;
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
