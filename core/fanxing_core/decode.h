/* A merchant's state, as bytes, to payments. The layout stands in fanxing/indicators/state.py. */
#ifndef FANXING_DECODE_H
#define FANXING_DECODE_H
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

/* Bits of facets that decoding needs or gives. Amounts from amount_cuts[k] to the next have amount_facets[k + 1]. */
typedef struct {
    int32_t today;
    int64_t days, cuts, round_fen;
    const uint64_t *day_facets, *hour_facets, *amount_facets; /* (days,) by age, (24,), (cuts + 1,) */
    const int64_t *amount_cuts;
    uint64_t receipt, outflow, returned, balance, follows, overdrawn, known, anonymous;
    uint64_t round, first_visit, repeat_visit;
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

static int64_t next_of(const uint8_t *section, uint32_t *used, uint32_t many) {
    int64_t value = 0;
    if (*used < many) memcpy(&value, section + 8 * (size_t)*used, 8);
    ++*used;
    return value;
}

/* Fills `payments`, whose arrays have header->rows places. Null, or what is wrong. `seen`: a byte a payer, zero. */
static const char *decode(const uint8_t *state, const Header *header, const Marks *marks, uint8_t *seen, Payments *payments) {
    size_t at[8];
    sections(header, at);
    uint32_t large = 0, returned = 0, balances = 0, row = 0;
    int64_t day = header->first_day, last_balance = 0;
    for (uint32_t k = 0; k < header->days; k++) {
        uint16_t pair[2];
        memcpy(pair, state + at[2] + 4 * (size_t)k, 4);
        day += pair[0];
        if (pair[1] > header->rows - row || day > marks->today + 1) return "has days that do not fit its rows";
        if (day > marks->today) break; /* a clock put back over midnight: such rows stand last, and are of no window yet */
        int32_t age = (int32_t)(marks->today - day);
        uint64_t of_day = marks->day_facets[age % marks->days]; /* weeks repeat */
        for (uint32_t end = row + pair[1]; row < end; row++) {
            uint64_t word = 0;
            uint32_t payer = 0;
            memcpy(&word, state + at[0] + ROW_BYTES * (size_t)row, ROW_BYTES);
            memcpy(&payer, state + at[1] + (size_t)header->payer_bytes * row, header->payer_bytes);
            if (header->payer_bytes == 2 && payer == UINT16_MAX) payer = NOBODY;
            if (payer != NOBODY && payer >= header->payers) return "names a payer that it has not";
            uint64_t facets = (word >> SECONDS & ((1u << TAGS) - 1)) | of_day;
            uint64_t hour = (word & ((1u << SECONDS) - 1)) / 3600;
            int64_t amount = (int64_t)(word >> (SECONDS + TAGS));
            if (amount == AMOUNT_LARGE) amount = next_of(state + at[3], &large, header->large);
            int64_t back = facets & marks->returned ? next_of(state + at[4], &returned, header->returned) : 0;
            int64_t balance = 0;
            if (facets & marks->follows)
                balance = (int64_t)((uint64_t)last_balance + (uint64_t)(facets & marks->receipt ? amount : -amount));
            else if (facets & marks->balance) balance = next_of(state + at[5], &balances, header->balances);
            last_balance = balance;
            if (!(facets & marks->receipt)) facets |= marks->outflow;
            if (facets & marks->balance && balance < 0) facets |= marks->overdrawn;
            facets |= payer == NOBODY ? marks->anonymous : marks->known;
            if (hour > 23) return "has an hour that no day has";
            int64_t band = 0;
            while (band < marks->cuts && amount >= marks->amount_cuts[band]) band++;
            facets |= marks->hour_facets[hour] | marks->amount_facets[band];
            if (amount % marks->round_fen == 0) facets |= marks->round;
            if (payer != NOBODY && facets & marks->receipt) {
                facets |= seen[payer] ? marks->repeat_visit : marks->first_visit;
                seen[payer] |= back < amount;
            }
            if (back >= amount) facets &= ~marks->receipt;
            payments->age[row] = age;
            payments->facets[row] = facets;
            payments->payer[row] = payer;
            payments->values[0][row] = amount - back;
            payments->values[1][row] = back < amount ? back : amount;
            payments->values[2][row] = balance;
        }
    }
    int whole = row == header->rows && large == header->large && returned == header->returned && balances == header->balances;
    if (day <= marks->today && !whole)
        return "has sections that do not fit its rows";
    payments->rows = row;
    payments->payers = header->payers;
    return 0;
}

/* Each row's stretch of days: how many cuts are at most its age. */
static void cut_days(Payments *payments, const int32_t *cuts, int64_t many) {
    int64_t segment = 0;
    for (int64_t row = payments->rows - 1; row >= 0; row--) {
        while (segment < many && payments->age[row] >= cuts[segment]) segment++;
        payments->segment[row] = (uint16_t)segment;
    }
}

#endif
