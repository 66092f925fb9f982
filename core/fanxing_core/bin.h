/* All bytes of a row of floats or doubles (ROW); values are rounded to REAL first, as the library does that trained. */

/* Category questions. */
static void FN(REST(BIN_ROW))(const Forest *forest, const ROW *row, uint8_t *bytes) {
    for (int64_t column = forest->numeric; column < forest->columns; column++)
        bytes[column] = FN(TYPED(answer))(forest, column - forest->numeric, (REAL)row[forest->features[column]]);
}

static void FN(BIN_ROW)(const Forest *forest, const ROW *row, uint8_t *bytes) {
    const int32_t *feature = forest->features;
    const REAL *pivots = CUTS(forest->pivots), *lines = CUTS(forest->cuts);
    const int64_t *line = forest->lines, numeric = forest->numeric;
    for (int64_t column = 0; column < numeric; column++)
        bytes[column] =
            FN(TYPED(byte_of))(pivots + LINE * column, lines + LINE * line[column], (REAL)row[feature[column]]);
    if (forest->columns > forest->numeric) FN(REST(BIN_ROW))(forest, row, bytes);
}

/* The bytes of up to ROWS rows, column by column: block[column][row]. Rows are read NEAR columns at a time, which stand on
   one cache line of each or two; the next is on its way meanwhile. */
static void FN(BLOCK(BIN_ROW))(const Forest *forest, const ROW *rows, int64_t count, uint8_t *block, uint8_t *bytes) {
    int64_t wide = forest->features_wide;
    REAL values[NEAR][ROWS] = {0};
    for (int64_t first = 0; first < forest->numeric; first += NEAR) {
        int64_t many = forest->numeric - first < NEAR ? forest->numeric - first : NEAR;
        int64_t next = first + NEAR < forest->numeric ? forest->features[first + NEAR] : forest->features[first];
        for (int64_t row = 0; row < count; row++) {
            __builtin_prefetch(rows + row * wide + next);
            for (int64_t k = 0; k < many; k++) values[k][row] = (REAL)rows[row * wide + forest->features[first + k]];
        }
        for (int64_t k = 0; k < many; k++)
            FN(TYPED(bytes_of))(
                CUTS(forest->pivots) + LINE * (first + k), CUTS(forest->cuts) + LINE * forest->lines[first + k],
                values[k], block + ROWS * (first + k));
    }
    if (forest->columns == forest->numeric) return;
    for (int64_t row = 0; row < count; row++) {
        FN(REST(BIN_ROW))(forest, rows + row * wide, bytes);
        for (int64_t column = forest->numeric; column < forest->columns; column++)
            block[ROWS * column + row] = bytes[column];
    }
}
