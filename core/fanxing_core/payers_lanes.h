/* Known payers, counted by facet. */

INLINE void FN(add_some)(const uint64_t *some, int32_t *lower, int32_t *upper) {
    const uint8_t *bytes = (const uint8_t *)some;
    for (int facet = 0; facet < COUNTED; facet++) lower[facet] += bytes[facet];
    for (int facet = 0; facet < COUNTED; facet++) upper[facet] += bytes[LATER + facet];
}

INLINE uint32_t FN(counted_facets)(const Stream *stream, const Plan *plan, int64_t row) {
    return (~stream->absent[row] >> plan->counted & ((1u << (COUNTED - 1)) - 1)) | 1u << (COUNTED - 1);
}

static void FN(count_back)(const Stream *stream, const Plan *plan, uint32_t *seen_with, Seen *seen) {
    for (int64_t segment = 0; segment < plan->bounds; segment++)
        for (int64_t end = stream->from[segment], first; end > stream->from[segment + 1]; end = first) {
            ByFacet some = {0};
            first = end - stream->from[segment + 1] > SOME ? end - SOME : stream->from[segment + 1];
            for (int64_t row = end; row-- > first;) {
                uint32_t *before = seen_with + stream->payer[row], facets = FN(counted_facets)(stream, plan, row);
                facets |= (facets & *before) << LATER;
                FN(add_facets)(some, facets & ~*before);
                *before |= facets;
            }
            FN(add_some)(some, seen->last[segment + 1], seen->last_but_one[segment + 1]);
        }
}

static void FN(count_on)(const Stream *stream, const Plan *plan, uint32_t *seen_with, Seen *seen) {
    for (int64_t row = 0; row < stream->from[plan->bounds]; row++)
        seen_with[stream->payer[row]] |= FN(counted_facets)(stream, plan, row);
    for (int64_t segment = plan->bounds; segment-- > 0;) {
        if (plan->months[segment] != plan->months[segment + 1])
            for (uint32_t payer = 0; payer < stream->nobody; payer++) seen_with[payer] &= (1 << LATER) - 1;
        for (int64_t first = stream->from[segment + 1], end; first < stream->from[segment]; first = end) {
            ByFacet some = {0};
            end = stream->from[segment] - first > SOME ? first + SOME : stream->from[segment];
            for (int64_t row = first; row < end; row++) {
                uint32_t *before = seen_with + stream->payer[row], facets = FN(counted_facets)(stream, plan, row);
                facets |= facets << LATER;
                FN(add_facets)(some, facets & ~*before);
                *before |= facets;
            }
            FN(add_some)(some, seen->first[segment + 1], seen->any[segment + 1]);
        }
    }
}

static void FN(see_payers)(const Stream *stream, const Plan *plan, const Visits *visits, Seen *seen) {
    int32_t (*each[])[COUNTED] = {seen->last, seen->last_but_one, seen->first, seen->any};
    for (int which = 0; which < 4; which++) memset(each[which], 0, sizeof(int32_t[COUNTED]) * (size_t)(plan->bounds + 1));
    memset(visits->back, 0, sizeof(uint32_t) * stream->nobody);
    memset(visits->on, 0, sizeof(uint32_t) * stream->nobody);
    visits->back[stream->nobody] = visits->on[stream->nobody] = UINT32_MAX;
    if (plan->counts & COUNT_BACK) FN(count_back)(stream, plan, visits->back, seen);
    if (plan->counts & COUNT_ON) FN(count_on)(stream, plan, visits->on, seen);
    for (int which = 0; which < 4; which++)
        for (int64_t at = 0; at < plan->bounds; at++)
            for (int facet = 0; facet < COUNTED; facet++) each[which][at + 1][facet] += each[which][at][facet];
}
