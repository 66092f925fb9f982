/* A state to streams of rows. */
#ifndef FANXING_DECODE_H
#define FANXING_DECODE_H
#include "state.h"

/* What a row says by itself. Facets lack those of its day and of its payer's visits. */
typedef struct {
    uint32_t *word, *amount, *facets, *payer; /* second and tags; fen, cut off at AMOUNT_LARGE */
    uint32_t wrong_hour, wrong_payer; /* not 0 if any is */
    uint32_t told; /* how many balances the section of them should have */
} Rows;

/* Sections of what few rows have. */
enum { LARGE, BACK, TOLD, RARE };
typedef struct {
    const uint8_t *section[RARE];
    uint32_t many[RARE], used[RARE];
} Reader;

/* The next of a section, if it is `really` read; 0 where there is none. */
static inline int64_t next_of(Reader *reader, int which, int really) {
    int64_t value = 0;
    uint32_t at = reader->used[which];
    if (at < reader->many[which]) memcpy(&value, reader->section[which] + 8 * (size_t)at, 8);
    reader->used[which] += (uint32_t)really;
    return -(int64_t)really & value;
}

static inline void append(Stream *stream, int really, uint32_t facets, int64_t value) {
    stream->absent[stream->rows] = ~facets;
    stream->values[stream->rows] = value;
    stream->rows += really;
}

static uint32_t facets_of_amount(const Marks *marks, int64_t amount) {
    int band = 0;
    for (int k = 0; k < CUTS; k++) band += amount >= (int64_t)marks->amount_cuts[k];
    return marks->amount_facets[band] | (amount % (int64_t)marks->round_fen ? 0 : marks->round);
}

/* What seen payers have: the first bit if a receipt of theirs was seen, the second if they are nobody. */
enum { SEEN = 1, IS_NOBODY = 2 };

/* A row that is no plain receipt, to the streams of what was paid. */
static void decode_other(
    Reader *reader, const Marks *marks, const Rows *rows, int64_t row, uint8_t *before, Stream *streams) {
    uint32_t facets = rows->facets[row], tags = rows->word[row] >> SECONDS;
    int64_t amount = rows->amount[row];
    if (amount == AMOUNT_LARGE) {
        facets ^= facets_of_amount(marks, amount);
        amount = next_of(reader, LARGE, 1);
        facets |= facets_of_amount(marks, amount);
    }
    int64_t back = next_of(reader, BACK, (tags & marks->returned) != 0);
    int receipt = (tags & marks->receipt) != 0, left = receipt && back < amount;
    if (!receipt) facets |= marks->outflow;
    else if (!(*before & IS_NOBODY)) facets |= *before ? marks->repeat_visit : marks->first_visit;
    *before |= left ? SEEN : 0;
    rows->facets[row] = facets;
    streams[RECEIPTS].payer[streams[RECEIPTS].rows] = rows->payer[row];
    append(streams + RECEIPTS, left, facets, amount - back);
    append(streams + OUTFLOWS, !receipt, facets, amount);
    append(streams + SENT_BACK, (tags & marks->returned) != 0, facets, back < amount ? back : amount);
}

/* Rows of a day with these facets to the streams of what was paid. `seen`: a byte a payer; the last is nobody's. */
INLINE void decode_paid(
    Reader *reader, const Marks *marks, const Rows *rows, Day day, uint32_t of_day, uint8_t *seen, Stream *streams) {
    const Rows from = *rows; /* copies, which no pointer leads to, may stay in registers */
    Stream receipts = streams[RECEIPTS];
    uint32_t visits[] = {marks->first_visit, marks->repeat_visit, 0, 0};
    uint32_t plain = marks->receipt, tags = marks->receipt | marks->returned;
    for (int64_t row = day.first; row < day.end; row++) {
        uint32_t amount = from.amount[row], facets = from.facets[row] | of_day;
        uint8_t *before = seen + from.payer[row];
        if ((from.word[row] >> SECONDS & tags) == plain && amount - 1 < AMOUNT_LARGE - 1) {
            from.facets[row] = facets |= visits[*before];
            *before |= SEEN;
            receipts.payer[receipts.rows] = from.payer[row];
            append(&receipts, 1, facets, amount);
        } else {
            from.facets[row] = facets;
            streams[RECEIPTS].rows = receipts.rows;
            decode_other(reader, marks, rows, row, before, streams);
            receipts.rows = streams[RECEIPTS].rows;
        }
    }
    streams[RECEIPTS].rows = receipts.rows;
}

/* The balances that a day's rows tell, of `last` and the rows after it. */
INLINE int64_t decode_told(Reader *reader, const Marks *given, const Rows *rows, Day day, int64_t last, Stream *to) {
    const Marks marks = *given;
    const Rows from = *rows;
    Stream balances = *to;
    Reader rare = *reader;
    for (int64_t row = day.first; row < day.end; row++) {
        uint32_t tags = from.word[row] >> SECONDS;
        int64_t moved = from.amount[row];
        if (moved == AMOUNT_LARGE) moved = next_of(&rare, LARGE, 1);
        int told = (tags & marks.balance) != 0, follows = (tags & marks.follows) != 0;
        int64_t anew = next_of(&rare, TOLD, told & !follows);
        moved = tags & marks.receipt ? moved : -moved;
        last = anew | (-(int64_t)follows & (int64_t)((uint64_t)last + (uint64_t)moved));
        append(&balances, told, from.facets[row] | (-(uint32_t)(last < 0) & marks.overdrawn), last);
    }
    to->rows = balances.rows;
    *reader = rare;
    return last;
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

/* Fills the streams, each of which has header->rows + 1 places for rows, and header->days for days. Null, or what is wrong.
   `rows`: unpacked; `seen`: a byte a payer and one more, zero; `balances`: whether they are asked for. */
static const char *decode(const State *state, const Rows *rows, uint8_t *seen, int balances, Stream *streams) {
    const Header *header = state->header;
    const Marks *marks = state->marks;
    const uint8_t *begin = state->state;
    if (rows->wrong_payer) return "names a payer that it has not";
    if (rows->wrong_hour) return "has an hour that no day has";
    Reader paid = {
        {begin + state->at[3], begin + state->at[4], begin + state->at[5]},
        {header->large, header->returned, header->balances}, {0}};
    Reader told = paid;
    int64_t day = header->first_day, last = 0;
    seen[header->payers] = IS_NOBODY;
    Day run = {0};
    for (uint32_t k = 0; k < header->days && run.end < state->many; k++) {
        run.first = run.end;
        run.end += next_run(state, k, &day);
        run.age = (int32_t)(marks->today - day);
        int64_t like = run.age < marks->days ? run.age : marks->days - 7 + (run.age - marks->days) % 7;
        decode_paid(&paid, marks, rows, run, marks->day_facets[like], seen, streams);
        if (balances) last = decode_told(&told, marks, rows, run, last, streams + BALANCES);
        end_day(streams, run.age);
    }
    paid.used[TOLD] = rows->told;
    int whole = state->many == header->rows && !memcmp(paid.used, paid.many, sizeof paid.used);
    return whole || state->later ? 0 : "has sections that do not fit its rows";
}

/* Each day's segment: how many cuts are at most its age; and where the rows of segments begin. */
static void cut_days(Stream *stream, const int32_t *cuts, int64_t many) {
    int32_t segment = 0;
    stream->from[0] = stream->rows;
    for (int64_t day = stream->days - 1; day >= 0; day--) {
        for (; segment < many && stream->day[day].age >= cuts[segment]; segment++)
            stream->from[segment + 1] = stream->day[day].end;
        stream->day[day].segment = segment;
    }
    while (segment < many) stream->from[++segment] = 0;
}

#endif
