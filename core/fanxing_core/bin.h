/* All bytes of a row of floats or doubles (ROW); values are rounded to REAL first, as the library does that trained. */

/* Split features and category questions. */
static void FN(REST(BIN_ROW))(const Forest *forest, const ROW *row, uint8_t *bytes) {
    const int32_t *feature = forest->features + forest->plain;
    for (int64_t place = 0; place < forest->split; place++)
        FN(TYPED(split_bytes))(
            forest, place, (REAL)row[feature[place]], bytes + forest->first_column[forest->plain + place]);
    feature += forest->split;
    for (int64_t place = 0; place < forest->questions; place++)
        bytes[forest->columns - forest->questions + place] =
            FN(TYPED(answer))(forest, place, (REAL)row[feature[place]]);
}

static void FN(BIN_ROW)(const Forest *forest, const ROW *row, uint8_t *bytes) {
    const int32_t *feature = forest->features;
    const REAL *pivots = CUTS(forest->pivots), *lines = CUTS(forest->cuts);
    const int64_t *line = forest->lines, plain = forest->plain;
    for (int64_t place = 0; place < plain; place++)
        bytes[place] =
            FN(TYPED(plain_byte))(pivots + LINE * place, lines + LINE * line[place], (REAL)row[feature[place]]);
    if (forest->columns > forest->plain) FN(REST(BIN_ROW))(forest, row, bytes);
}

/* The bytes of up to ROWS rows, column by column: block[2 column][row], and one more in block[2 column + 1][row]. */
static void FN(BLOCK(BIN_ROW))(const Forest *forest, const ROW *rows, int64_t count, uint8_t *block, uint8_t *bytes) {
    const int32_t *feature = forest->features;
    int64_t wide = forest->features_wide;
    for (int64_t place = 0; place < forest->plain; place++) {
        const REAL *pivots = CUTS(forest->pivots) + LINE * place;
        const REAL *lines = CUTS(forest->cuts) + LINE * forest->lines[place];
        const ROW *from = rows + feature[place];
        uint8_t *to = block + 2 * ROWS * place;
        for (int64_t row = 0; row < count; row++) to[row] = FN(TYPED(plain_byte))(pivots, lines, (REAL)from[row * wide]);
        for (int64_t row = 0; row < ROWS; row++) to[ROWS + row] = (uint8_t)(to[row] + 1);
    }
    if (forest->columns == forest->plain) return;
    for (int64_t row = 0; row < count; row++) {
        FN(REST(BIN_ROW))(forest, rows + row * wide, bytes);
        for (int64_t column = forest->plain; column < forest->columns; column++) {
            block[2 * ROWS * column + row] = bytes[column];
            block[2 * ROWS * column + ROWS + row] = (uint8_t)(bytes[column] + 1);
        }
    }
}
