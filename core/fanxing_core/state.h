/* A merchant's state, as bytes: what it has and whether it can be. The layout stands in fanxing/indicators/state.py. */
#ifndef FANXING_STATE_H
#define FANXING_STATE_H
#include "windows.h"

typedef struct {
    char magic[8];
    uint64_t checksum;
    int64_t through_seq, newest_us;
    uint32_t rows, payers, days, large, returned, balances;
    int32_t first_day;
    uint32_t payer_bytes;
} Header;

#define ROW_BYTES 7
#define TAGS 13
#define SECONDS 17
#define AMOUNT_LARGE ((1u << 26) - 1)
#define DAY_SECONDS 86400u
#define CUTS 5

/* Bits of tags, and of facets that decoding gives. Amounts from amount_cuts[k] to the next have amount_facets[k + 1], hours
   likewise; days older than day_facets tells are as its last week. */
typedef struct {
    int32_t today;
    int64_t days;
    uint32_t round_fen;
    uint32_t receipt, returned, balance, follows;
    uint32_t outflow, overdrawn, known, anonymous, round, first_visit, repeat_visit;
    const uint32_t *day_facets, *hour_facets, *amount_facets; /* (days,) by age, (CUTS + 1,) */
    const uint32_t *hour_cuts, *amount_cuts; /* (CUTS,): seconds of the day, fen */
} Marks;

static size_t padded(size_t bytes) { return (bytes + 7) / 8 * 8; }

static uint64_t checksum_of(const uint8_t *bytes, size_t size) {
    uint64_t sum = size, of_sums = 0, word;
    for (size_t at = 0; at + 8 <= size; at += 8) {
        memcpy(&word, bytes + at, 8);
        sum += word;
        of_sums += sum;
    }
    return sum ^ (of_sums << 29 | of_sums >> 35);
}

/* Where each section begins, and the whole length last. */
static void sections(const Header *header, size_t *at) {
    at[0] = sizeof(Header);
    at[1] = at[0] + padded(ROW_BYTES * (size_t)header->rows);
    at[2] = at[1] + padded((size_t)header->payer_bytes * header->rows);
    at[3] = at[2] + padded(4 * (size_t)header->days);
    at[4] = at[3] + 8 * (size_t)header->large;
    at[5] = at[4] + 8 * (size_t)header->returned;
    at[6] = at[5] + 8 * (size_t)header->balances;
    at[7] = at[6] + 8 * (size_t)header->payers;
}

/* Null, or what is wrong. */
static const char *header_wrong(const uint8_t *state, size_t size, Header *header) {
    size_t at[8];
    if (size < sizeof(Header)) return "is too short";
    memcpy(header, state, sizeof(Header));
    if (memcmp(header->magic, "FXSTATE\1", 8)) return "is no state of version 1";
    if (header->payer_bytes != 2 && header->payer_bytes != 4) return "has payers of a strange width";
    sections(header, at);
    if (at[7] != size) return "has another length than its counts say";
    if (checksum_of(state + 16, size - 16) != header->checksum) return "has a wrong checksum";
    return 0;
}

/* What is to be read of a state. */
typedef struct {
    const uint8_t *state;
    const Header *header;
    const Marks *marks;
    size_t at[8];
    int64_t many; /* rows until today */
    int later; /* others are of a later day, as of a clock put back over midnight: of no window yet */
    int32_t first_age; /* of the first row of all, or -1 */
} State;

/* The next run of rows: its day and its rows, from `day` on. */
static inline uint32_t next_run(const State *state, uint32_t run, int64_t *day) {
    uint16_t pair[2];
    memcpy(pair, state->state + state->at[2] + 4 * (size_t)run, 4);
    *day += pair[0];
    return pair[1];
}

/* How many rows are to be read. Null, or what is wrong. */
static const char *measure_state(State *state) {
    int64_t day = state->header->first_day, today = state->marks->today;
    sections(state->header, state->at);
    state->many = 0, state->later = 0, state->first_age = -1;
    if (day < -1) return "begins before all time";
    for (uint32_t run = 0; run < state->header->days; run++) {
        uint32_t rows = next_run(state, run, &day);
        if (rows > state->header->rows - state->many || day > today + 1) return "has days that do not fit its rows";
        state->later = day > today;
        if (state->later) return 0;
        if (state->first_age < 0 && rows) state->first_age = (int32_t)(today - day);
        state->many += rows;
    }
    return 0;
}

#endif
