/* Rows of seven bytes to what they say by themselves, many at once. Arrays end at multiples of 64 bytes. */

/* n is a multiple of odd times 2^k if n times the inverse of odd, modulo 2^32 and rotated right by k places, is at most
   UINT32_MAX over that (Granlund and Montgomery 1994). */
INLINE uint32_t FN(odd_inverse)(uint32_t odd) {
    uint32_t inverse = odd; /* of 3 bits; every round doubles them */
    for (int round = 0; round < 4; round++) inverse *= 2 - odd * inverse;
    return inverse;
}

/* Rows and payers of the bytes, and of places beyond to the end of a register, which say nothing. */
INLINE void FN(split)(const State *state, Rows *rows) {
    const uint8_t *word_at = state->state + state->at[0], *payer_at = state->state + state->at[1];
    for (int64_t row = 0; row < state->many; row++) {
        uint64_t word; /* the payers follow, so there is an eighth byte */
        memcpy(&word, word_at + ROW_BYTES * row, 8);
        rows->word[row] = (uint32_t)word & ((1u << (SECONDS + TAGS)) - 1);
        rows->amount[row] = (uint32_t)(word >> (SECONDS + TAGS)) & AMOUNT_LARGE;
    }
    if (state->header->payer_bytes == 4) memcpy(rows->payer, payer_at, 4 * (size_t)state->many);
    else for (int64_t row = 0; row < state->many; row++) {
        uint16_t narrow;
        memcpy(&narrow, payer_at + 2 * row, 2);
        rows->payer[row] = narrow == UINT16_MAX ? UINT32_MAX : narrow;
    }
    for (int64_t row = state->many; row % (2 * LANES); row++)
        rows->word[row] = rows->amount[row] = 0, rows->payer[row] = UINT32_MAX;
}

static void FN(unpack)(const State *state, Rows *rows) {
    const Marks marks = *state->marks;
    uint32_t even = (uint32_t)__builtin_ctz(marks.round_fen), inverse = FN(odd_inverse)(marks.round_fen >> even);
    uint32_t most = UINT32_MAX / marks.round_fen, payers = state->header->payers;
    Words wrong_hour = {0}, wrong_payer = {0}, told = {0};
    FN(split)(state, rows);
    for (int64_t row = 0; row < state->many; row += 2 * LANES) {
        Words word = *(Words *)(rows->word + row), amount = *(Words *)(rows->amount + row);
        Words second = word & ((1u << SECONDS) - 1), times = amount * inverse;
        Words payer = *(Words *)(rows->payer + row), known = (Words)(payer != UINT32_MAX);
        Words facets = (word >> (SECONDS + KEPT)) | (ANY | marks.hour_facets[0] | marks.amount_facets[0]);
        for (int k = 0; k < CUTS; k++) {
            facets ^= (Words)(second >= marks.hour_cuts[k]) & (marks.hour_facets[k] ^ marks.hour_facets[k + 1]);
            facets ^= (Words)(amount >= marks.amount_cuts[k]) & (marks.amount_facets[k] ^ marks.amount_facets[k + 1]);
        }
        facets |= (Words)((times >> even | times << (31 - even) << 1) <= most) & marks.round;
        *(Words *)(rows->facets + row) = facets | (known & marks.known) | (~known & marks.anonymous);
        told -= (Words)((word >> SECONDS & (marks.balance | marks.follows)) == marks.balance);
        wrong_hour |= (Words)(second >= DAY_SECONDS);
        wrong_payer |= known & (Words)(payer >= payers);
        *(Words *)(rows->payer + row) = (payer & known) | (payers & ~known);
    }
    rows->wrong_hour = rows->wrong_payer = rows->told = 0;
    for (int lane = 0; lane < 2 * LANES; lane++) {
        rows->wrong_hour |= wrong_hour[lane];
        rows->wrong_payer |= wrong_payer[lane];
        rows->told += told[lane];
    }
}
