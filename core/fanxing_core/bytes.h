/* A row to bytes. Included for each type in which values meet cuts: REAL, AT_MOST, and the tables' fields by CUTS(). */

/* Branch-free: what is missing, and what is below all cuts, comes as it likes. */
static inline uint8_t FN(TYPED(plain_byte))(const REAL *pivots, const REAL *lines, REAL x) {
    int line = AT_MOST(pivots, x);
    line -= line > 0;
    return (uint8_t)((LINE * line + AT_MOST(lines + LINE * line, x)) | -(x != x));
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
