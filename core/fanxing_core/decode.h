/* A merchant's state, as bytes, to streams of rows. The layout stands in fanxing/indicators/state.py. */
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
#define CUTS 5

/* Bits of facets that decoding needs or gives. Amounts from amount_cuts[k] to the next have amount_facets[k + 1]; days
   older than day_facets tells are as its last week. */
typedef struct {
    int32_t today;
    int64_t days, round_fen;
    const uint64_t *day_facets, *hour_facets, *amount_facets; /* (days,) by age, (24,), (CUTS + 1,) */
    const int64_t *amount_cuts; /* (CUTS,) */
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

/* What decoding reads and has read. */
typedef struct {
    const uint8_t *rows, *payers, *section[3]; /* sections: large, returned, balances */
    uint32_t many[3], used[3], payer_bytes;
    int64_t last_balance;
    int wrong_hour, wrong_payer;
} Reader;

enum { LARGE, BACK, TOLD };

static inline int64_t next_of(Reader *reader, int which) {
    int64_t value = 0;
    if (reader->used[which] < reader->many[which]) memcpy(&value, reader->section[which] + 8 * (size_t)reader->used[which], 8);
    ++reader->used[which];
    return value;
}

static inline void append(Stream *stream, int really, uint64_t facets, int64_t value) {
    stream->absent[stream->rows] = ~facets;
    stream->values[stream->rows] = value;
    stream->rows += really;
}

static inline uint64_t facets_of_amount(const Marks *marks, int64_t amount) {
    int band = 0;
    for (int k = 0; k < CUTS; k++) band += amount >= marks->amount_cuts[k];
    /* Lemire, Kaser and Kurz 2019: n is a multiple of d if n times (2^64 / d, rounded up) is below that, modulo 2^64. */
    uint64_t inverse = UINT64_MAX / (uint64_t)marks->round_fen + 1;
    int round = amount <= UINT32_MAX ? inverse * (uint64_t)amount < inverse : amount % marks->round_fen == 0;
    return marks->amount_facets[band] | (round ? marks->round : 0);
}

static inline int64_t balance_of(Reader *reader, const Marks *marks, uint64_t facets, int64_t amount) {
    if (facets & marks->follows)
        return (int64_t)((uint64_t)reader->last_balance + (uint64_t)(facets & marks->receipt ? amount : -amount));
    return facets & marks->balance ? next_of(reader, TOLD) : 0;
}

/* Row `row` of a day with these facets to the streams it belongs to. `seen`: a byte a payer. */
static inline void decode_row(
    Reader *reader, const Marks *marks, uint32_t row, uint64_t of_day, uint32_t payers, uint8_t *seen, Stream *streams) {
    uint64_t word;
    uint32_t payer = 0;
    memcpy(&word, reader->rows + ROW_BYTES * (size_t)row, 8); /* the payers follow, so there is an eighth byte */
    if (reader->payer_bytes == 2) {
        uint16_t narrow;
        memcpy(&narrow, reader->payers + 2 * (size_t)row, 2);
        payer = narrow == UINT16_MAX ? NOBODY : narrow;
    } else memcpy(&payer, reader->payers + 4 * (size_t)row, 4);
    int known = payer != NOBODY;
    reader->wrong_payer |= known && payer >= payers;
    uint64_t facets = (word >> SECONDS & ((1u << TAGS) - 1)) | of_day;
    uint32_t hour = (uint32_t)(word & ((1u << SECONDS) - 1)) / 3600;
    reader->wrong_hour |= hour > 23;
    int64_t amount = (int64_t)(word >> (SECONDS + TAGS) & AMOUNT_LARGE);
    if (amount == AMOUNT_LARGE) amount = next_of(reader, LARGE);
    int64_t back = facets & marks->returned ? next_of(reader, BACK) : 0, balance = balance_of(reader, marks, facets, amount);
    reader->last_balance = balance;
    int receipt = (facets & marks->receipt) != 0, told = (facets & marks->balance) != 0, left = back < amount;
    facets |= receipt ? 0 : marks->outflow;
    facets |= told && balance < 0 ? marks->overdrawn : 0;
    facets |= known ? marks->known : marks->anonymous;
    facets |= marks->hour_facets[hour > 23 ? 23 : hour] | facets_of_amount(marks, amount);
    uint8_t *before = seen + (known && payer < payers ? payer : payers); /* the last is nobody's */
    facets |= known && receipt ? (*before ? marks->repeat_visit : marks->first_visit) : 0;
    *before |= receipt && left;
    streams[RECEIPTS].payer[streams[RECEIPTS].rows] = payer;
    append(streams + RECEIPTS, receipt && left, facets, amount - back);
    if (!receipt) append(streams + OUTFLOWS, 1, facets, amount);
    if (facets & marks->returned) append(streams + SENT_BACK, 1, facets, left ? back : amount);
    append(streams + BALANCES, told, facets, balance);
}

/* The rows that each stream has beyond those of its days are of this one. */
static void end_day(Stream *streams, int32_t age) {
    for (int which = 0; which < STREAMS; which++) {
        Stream *stream = streams + which;
        int64_t first = stream->days ? stream->day[stream->days - 1].end : 0;
        if (stream->rows == first) continue;
        if (stream->days && stream->day[stream->days - 1].age == age) stream->day[stream->days - 1].end = stream->rows;
        else stream->day[stream->days++] = (Day){.age = age, .first = first, .end = stream->rows};
    }
}

/* Fills the streams, each of which has header->rows + 1 places for rows, and header->days for days; `first_age` becomes
   that of the first row of all, or -1. Null, or what is wrong. `seen`: a byte a payer and one more, zero. */
static const char *decode(
    const uint8_t *state, const Header *header, const Marks *given, uint8_t *seen, Stream *to, int32_t *first_age) {
    const Marks mine = *given, *marks = &mine; /* what no pointer leads to may stay in registers */
    Stream streams[STREAMS];
    memcpy(streams, to, sizeof streams);
    size_t at[8];
    sections(header, at);
    Reader reader = {
        .rows = state + at[0], .payers = state + at[1], .section = {state + at[3], state + at[4], state + at[5]},
        .many = {header->large, header->returned, header->balances}, .payer_bytes = header->payer_bytes};
    uint32_t row = 0;
    int64_t day = header->first_day;
    *first_age = -1;
    if (day < -1) return "begins before all time";
    for (uint32_t k = 0; k < header->days; k++) {
        uint16_t pair[2];
        memcpy(pair, state + at[2] + 4 * (size_t)k, 4);
        day += pair[0];
        if (pair[1] > header->rows - row || day > marks->today + 1) return "has days that do not fit its rows";
        if (day > marks->today) break; /* a clock put back over midnight: such rows stand last, and are of no window yet */
        int32_t age = (int32_t)(marks->today - day);
        if (*first_age < 0 && pair[1]) *first_age = age;
        uint64_t of_day = marks->day_facets[age < marks->days ? age : marks->days - 7 + (age - marks->days) % 7];
        for (uint32_t end = row + pair[1]; row < end; row++)
            decode_row(&reader, marks, row, of_day, header->payers, seen, streams);
        end_day(streams, age);
    }
    if (reader.wrong_payer) return "names a payer that it has not";
    if (reader.wrong_hour) return "has an hour that no day has";
    int whole = row == header->rows;
    for (int which = 0; which < 3; which++) whole &= reader.used[which] == reader.many[which];
    if (day <= marks->today && !whole) return "has sections that do not fit its rows";
    memcpy(to, streams, sizeof streams);
    return 0;
}

/* Each day's segment: how many cuts are at most its age. */
static void cut_days(Stream *stream, const int32_t *cuts, int64_t many) {
    int32_t segment = 0;
    for (int64_t day = stream->days - 1; day >= 0; day--) {
        while (segment < many && stream->day[day].age >= cuts[segment]) segment++;
        stream->day[day].segment = segment;
    }
}

#endif
