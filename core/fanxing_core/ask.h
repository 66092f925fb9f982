/* One call: the memory that it needs, then decoding, then the answers. */
#ifndef FANXING_ASK_H
#define FANXING_ASK_H
#include "answer.h"
#include "decode.h"

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

static void lay_payments(Arena *arena, const Header *header, Payments *payments) {
    size_t rows = header->rows;
    payments->age = take(arena, sizeof(int32_t) * rows);
    payments->segment = take(arena, sizeof(uint16_t) * rows);
    payments->facets = take(arena, sizeof(uint64_t) * rows);
    payments->payer = take(arena, sizeof(uint32_t) * rows);
    for (int k = 0; k < 3; k++) payments->values[k] = take(arena, sizeof(int64_t) * rows);
}

static void lay_scratch(Arena *arena, const Header *header, const Plan *plan, Scratch *scratch) {
    size_t rows = header->rows, payers = header->payers, segments = (size_t)plan->segments;
    scratch->words = (int64_t)(rows + 63) / 64;
    scratch->bits = take(arena, sizeof(uint64_t) * FACETS * (size_t)scratch->words);
    scratch->chosen = take(arena, sizeof(int32_t) * (rows + 1));
    scratch->days = take(arena, sizeof(int32_t) * (rows + 1));
    scratch->cells = take(arena, sizeof(Tally) * segments);
    scratch->sums = take(arena, sizeof(Tally) * (segments + 1));
    scratch->windows = take(arena, sizeof(Tally) * WHOLES * (size_t)plan->windows);
    scratch->whole_of = take(arena, (size_t)plan->filters);
    scratch->daily.days = plan->days;
    for (int k = 0; k < 2; k++) scratch->daily.of[k] = take(arena, sizeof(wide[3]) * (size_t)plan->days);
    scratch->order.distinct = take(arena, sizeof(int64_t) * (rows + 1));
    scratch->order.rows = take(arena, sizeof(int32_t) * rows);
    scratch->order.spare = take(arena, sizeof(int32_t) * rows);
    scratch->order.place = take(arena, sizeof(int32_t) * rows);
    scratch->order.seen = take(arena, sizeof(int32_t) * (rows + 1));
    scratch->order.seen_together = take(arena, sizeof(int32_t) * (rows / TOGETHER_PLACES + 1));
    scratch->quantiles = take(arena, sizeof(double) * 3 * (size_t)plan->windows);
    scratch->by_payer = take(arena, sizeof(wide) * payers);
    scratch->top = take(arena, sizeof(double) * segments);
    scratch->squares = take(arena, sizeof(double) * segments);
    int32_t **counts[] = {&scratch->seen.last, &scratch->seen.last_but_one, &scratch->seen.first, &scratch->seen.any};
    for (int k = 0; k < 4; k++) *counts[k] = take(arena, sizeof(int32_t) * FACETS * segments);
}

/* Orders the receipts if any filter wants it. */
static void order_receipts(const Payments *payments, const Plan *plan, uint64_t receipt, Scratch *scratch) {
    int wanted = 0;
    for (int64_t k = 0; k < plan->filters; k++) wanted |= plan->filter[k].wants & ORDER;
    if (!wanted) return;
    int64_t many = choose(scratch->bits, scratch->words, receipt, scratch->order.rows);
    order_rows(payments->values[0], many, &scratch->order);
}

/* Null, or what is wrong with the state. */
static const char *ask_plan(
    const uint8_t *state, const Header *header, const Marks *marks, const Plan *plan, int payers, double *out) {
    Payments payments;
    Scratch scratch;
    Arena arena = {0};
    uint64_t *seen_marks;
    uint8_t *seen;
    for (int round = 0; round < 2; round++) {
        lay_payments(&arena, header, &payments);
        lay_scratch(&arena, header, plan, &scratch);
        seen_marks = take(&arena, sizeof(uint64_t) * 3 * header->payers);
        seen = take(&arena, header->payers);
        if (round) break;
        arena.memory = calloc(1, arena.used + 64);
        if (!arena.memory) return "needs more memory than there is";
        arena.used = (size_t)(-(uintptr_t)arena.memory % 64);
    }
    const char *wrong = decode(state, header, marks, seen, &payments);
    if (!wrong) {
        cut_days(&payments, plan->cuts, plan->segments - 1);
        uint64_t needed = marks->receipt;
        for (int64_t k = 0; k < plan->filters; k++) needed |= plan->filter[k].need;
        set_bits(&payments, needed, scratch.words, scratch.bits);
        order_receipts(&payments, plan, marks->receipt, &scratch);
        if (payers) see_payers(&payments, marks->receipt, plan->months, plan->segments, seen_marks, &scratch.seen);
        answer_all(&payments, plan, &scratch, out);
    }
    free(arena.memory);
    return wrong;
}

#endif
