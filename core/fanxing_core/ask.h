/* One call: the memory that it needs, then decoding, then the answers. */
#ifndef FANXING_ASK_H
#define FANXING_ASK_H
#include "answer.h"

/* Pieces of one allocation, each at a multiple of 64 bytes; with no memory yet, only counts. */
typedef struct {
    uint8_t *memory;
    size_t used;
} Arena;

static void *take(Arena *arena, size_t bytes) {
    void *piece = arena->memory ? arena->memory + arena->used : 0;
    arena->used += (bytes + 63) / 64 * 64;
    return piece;
}

/* Places beyond the rows: a row is written before it is known whether it is one. */
static void lay_streams(Arena *arena, const Header *header, size_t bounds, Stream *streams) {
    size_t rows = (size_t)header->rows + 1;
    for (int which = 0; which < STREAMS; which++) {
        streams[which] = (Stream){0};
        streams[which].absent = take(arena, sizeof(uint32_t) * rows);
        streams[which].values = take(arena, sizeof(int64_t) * rows);
        streams[which].day = take(arena, sizeof(Day) * header->days);
        streams[which].from = take(arena, sizeof(int64_t) * bounds);
    }
    streams[RECEIPTS].nobody = header->payers;
    streams[RECEIPTS].payer = take(arena, sizeof(uint32_t) * rows);
}

static void lay_rows(Arena *arena, const Header *header, Rows *rows) {
    uint32_t **each[] = {&rows->word, &rows->amount, &rows->facets, &rows->payer};
    for (int k = 0; k < 4; k++) *each[k] = take(arena, sizeof(uint32_t) * header->rows);
}

static void lay_tallies(Arena *arena, const Header *header, size_t bounds, Scratch *scratch) {
    Tallies *tallies = &scratch->tallies;
    Spreads *spreads = &scratch->spreads;
    scratch->packed = take(arena, sizeof(uint32_t) * header->rows);
    OfGroup **by_bound[] = {&tallies->count, &tallies->active_days, &spreads->least, &spreads->most};
    for (int k = 0; k < 4; k++) *by_bound[k] = take(arena, sizeof(OfGroup) * bounds);
    for (int k = 0; k < SQUARE_LIMBS; k++) spreads->squares[k] = take(arena, sizeof(OfGroup) * bounds);
    for (int k = 0; k < SERIES; k++) tallies->series[k] = take(arena, sizeof(OfGroup) * bounds);
    tallies->day_count = take(arena, sizeof(OfGroup) * header->days);
    for (int k = 0; k < LIMBS; k++) {
        tallies->sum[k] = take(arena, sizeof(OfGroup) * bounds);
        tallies->day_sum[k] = take(arena, sizeof(OfGroup) * header->days);
    }
    scratch->daily.ages = take(arena, sizeof(int32_t) * (header->days + 1ull));
    for (int k = 0; k < 2; k++) scratch->daily.of[k] = take(arena, sizeof(wide[3]) * bounds);
}

static void lay_order(Arena *arena, const Header *header, Order *order) {
    size_t rows = header->rows, nears = rows / NEAR + 1;
    order->rows = take(arena, sizeof(int32_t) * rows);
    order->rank = take(arena, sizeof(int32_t) * rows);
    order->spare = take(arena, sizeof(int32_t) * rows);
    order->near = take(arena, sizeof(ByFacet) * nears);
    order->far = take(arena, sizeof(ByFacet) * (nears / FAR + 1));
}

static void lay_scratch(Arena *arena, const Header *header, const Plan *plan, Scratch *scratch) {
    size_t bounds = (size_t)plan->bounds + 1, windows = (size_t)plan->windows;
    lay_tallies(arena, header, bounds, scratch);
    lay_order(arena, header, &scratch->order);
    scratch->shares.top = take(arena, sizeof(double[PAYER_LANES]) * bounds);
    scratch->shares.squares = take(arena, sizeof(double[PAYER_LANES]) * bounds);
    scratch->ordered = take(arena, sizeof(uint32_t[3]) * windows);
    scratch->quantiles = take(arena, sizeof(double[3]) * GROUP * windows);
    for (int measure = COUNT; measure <= SUM; measure++) scratch->whole[measure] = take(arena, sizeof(double) * windows);
}

static void lay_payers(Arena *arena, const Header *header, const Plan *plan, Scratch *scratch) {
    Seen *of = &scratch->seen;
    int32_t (**counts[])[COUNTED] = {&of->last, &of->last_but_one, &of->first, &of->any};
    size_t payers = header->payers + 1ull; /* and nobody */
    scratch->visits.back = take(arena, sizeof(uint32_t) * payers);
    scratch->visits.on = take(arena, sizeof(uint32_t) * payers);
    scratch->shares.by_payer = take(arena, sizeof(double[PAYER_LANES]) * payers);
    for (int k = 0; k < 4; k++) *counts[k] = take(arena, sizeof(int32_t[COUNTED]) * ((size_t)plan->bounds + 1));
}

/* Null, or what is wrong with the state. */
static const char *ask_plan(
    const uint8_t *bytes, const Header *header, const Marks *marks, const Plan *plan, int machine, double *out) {
    Stream streams[STREAMS];
    Scratch scratch;
    Arena arena = {0};
    Rows rows;
    uint8_t *seen;
    State state = {.state = bytes, .header = header, .marks = marks};
    const char *wrong = measure_state(&state);
    if (wrong) return wrong;
    Kernels kernels = kernels_of(machine);
    for (int round = 0; round < 2; round++) {
        lay_streams(&arena, header, (size_t)plan->bounds + 1, streams);
        lay_rows(&arena, header, &rows);
        lay_scratch(&arena, header, plan, &scratch);
        lay_payers(&arena, header, plan, &scratch);
        seen = take(&arena, header->payers + 1ull);
        if (round) break;
        arena.memory = malloc(arena.used + 64);
        if (!arena.memory) return "needs more memory than there is";
        arena.used = (size_t)(-(uintptr_t)arena.memory % 64);
    }
    memset(seen, 0, header->payers + 1ull);
    kernels.unpack(&state, &rows);
    int balances = 0;
    for (int64_t which = 0; which < plan->groups; which++) balances |= plan->group[which].stream == BALANCES;
    wrong = decode(&state, &rows, seen, balances, streams);
    if (!wrong) {
        for (int which = 0; which < STREAMS; which++) cut_days(streams + which, plan->cuts, plan->bounds);
        if (plan->counts) kernels.see_payers(streams + RECEIPTS, plan, &scratch.visits, &scratch.seen);
        answer_all(&kernels, streams, plan, state.first_age, &scratch, out);
    }
    free(arena.memory);
    return wrong;
}

#endif
