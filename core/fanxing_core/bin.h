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

/* The bytes of up to ROWS rows, column by column: block[2 column][row], and one more in block[2 column + 1][row]. */
static void FN(BLOCK(BIN_ROW))(const Forest *forest, const ROW *rows, int64_t count, uint8_t *block, uint8_t *bytes) {
    int64_t wide = forest->features_wide;
    REAL values[ROWS] = {0};
    for (int64_t column = 0; column < forest->numeric; column++) {
        const ROW *from = rows + forest->features[column];
        for (int64_t row = 0; row < count; row++) values[row] = (REAL)from[row * wide];
        FN(TYPED(bytes_of))(
            CUTS(forest->pivots) + LINE * column, CUTS(forest->cuts) + LINE * forest->lines[column], values,
            block + 2 * ROWS * column);
    }
    if (forest->columns == forest->numeric) return;
    for (int64_t row = 0; row < count; row++) {
        FN(REST(BIN_ROW))(forest, rows + row * wide, bytes);
        for (int64_t column = forest->numeric; column < forest->columns; column++) {
            block[2 * ROWS * column + row] = bytes[column];
            block[2 * ROWS * column + ROWS + row] = (uint8_t)(bytes[column] + 1);
        }
    }
}
