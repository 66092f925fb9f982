/* Least and most values, squares, and payers' shares: lanes of 64 bits, a filter each. */

#define TOGETHER 4 /* so many Lanes, and what is added to them, fit into the registers */
#define BLOCK (TOGETHER * LANES)

/* sum + value, least of least and value, most of most and value, where nothing that is needed is absent. */
#if LANES == 8
#define WHERE _mm512_testn_epi64_mask((__m512i)need, _mm512_set1_epi64((int64_t)(uint64_t)absent))
INLINE Lanes FN(add_where)(Lanes need, uint32_t absent, Lanes sum, int64_t value) {
    return (Lanes)_mm512_mask_add_epi64((__m512i)sum, WHERE, (__m512i)sum, _mm512_set1_epi64(value));
}
INLINE Lanes FN(least_where)(Lanes need, uint32_t absent, Lanes least, int64_t value) {
    return (Lanes)_mm512_mask_min_epi64((__m512i)least, WHERE, (__m512i)least, _mm512_set1_epi64(value));
}
INLINE Lanes FN(most_where)(Lanes need, uint32_t absent, Lanes most, int64_t value) {
    return (Lanes)_mm512_mask_max_epi64((__m512i)most, WHERE, (__m512i)most, _mm512_set1_epi64(value));
}
#undef WHERE
#else
#define WHERE ((need & (int64_t)(uint64_t)absent) == 0)
INLINE Lanes FN(add_where)(Lanes need, uint32_t absent, Lanes sum, int64_t value) { return sum + (WHERE & value); }
INLINE Lanes FN(least_where)(Lanes need, uint32_t absent, Lanes least, int64_t value) {
    Lanes less = WHERE & (value < least);
    return (least & ~less) | (less & value);
}
INLINE Lanes FN(most_where)(Lanes need, uint32_t absent, Lanes most, int64_t value) {
    Lanes more = WHERE & (value > most);
    return (most & ~more) | (more & value);
}
#undef WHERE
#endif

INLINE void FN(widen)(const uint32_t *need, Lanes *to) {
    int64_t wider[BLOCK];
    for (int lane = 0; lane < BLOCK; lane++) wider[lane] = need[lane];
    memcpy(to, wider, sizeof wider);
}

INLINE void FN(spread_day)(
    const Stream *stream, int64_t base, int limbs, Day day, const Lanes *need, Lanes *least, Lanes *most,
    Lanes (*squares)[TOGETHER]) {
    for (int64_t row = day.first; row < day.end; row++) {
        int64_t value = stream->values[row];
        unsigned __int128 square = (unsigned __int128)((uint64_t)value - (uint64_t)base) * ((uint64_t)value - (uint64_t)base);
        for (int k = 0; k < TOGETHER; k++) {
            least[k] = FN(least_where)(need[k], stream->absent[row], least[k], value);
            most[k] = FN(most_where)(need[k], stream->absent[row], most[k], value);
            for (int limb = 0; limb < limbs; limb++)
                squares[limb][k] = FN(add_where)(
                    need[k], stream->absent[row], squares[limb][k], (int64_t)(uint32_t)(square >> (SQUARE_LIMB * limb)));
        }
    }
}

/* Least, most, and squares in `limbs` limbs: 2, or SQUARE_LIMBS, known when this is compiled. */
INLINE void FN(spread_in_limbs)(
    const Stream *stream, const Group *group, int64_t bounds, int64_t base, int limbs, Spreads *to) {
    for (int64_t lane = 0; lane < group->lanes; lane += BLOCK) {
        Lanes need[TOGETHER], squares[SQUARE_LIMBS][TOGETHER] = {{{0}}};
        FN(widen)(group->need + lane, need);
        int64_t day = stream->days - 1;
        for (int64_t segment = 0; segment <= bounds; segment++) {
            for (int limb = 0; limb < limbs; limb++) FN(store)(to->squares[limb], segment, lane, squares[limb], TOGETHER);
            Lanes least[TOGETHER], most[TOGETHER];
            for (int k = 0; k < TOGETHER; k++) least[k] = (Lanes){0} + INT64_MAX, most[k] = (Lanes){0} + INT64_MIN;
            for (; segment < bounds && day >= 0 && stream->day[day].segment == segment; day--)
                FN(spread_day)(stream, base, limbs, stream->day[day], need, least, most, squares);
            FN(store)(to->least, segment, lane, least, TOGETHER);
            FN(store)(to->most, segment, lane, most, TOGETHER);
        }
    }
}

static void FN(spread)(const Stream *stream, const Group *group, int64_t bounds, int64_t base, Spreads *to) {
    if (to->limbs == 2) FN(spread_in_limbs)(stream, group, bounds, base, 2, to);
    else FN(spread_in_limbs)(stream, group, bounds, base, SQUARE_LIMBS, to);
}

/* Of the first PAYER_LANES filters; sums by payer begin at 0, and nobody's stays there. */
static void FN(concentrate)(const Stream *stream, const Group *group, int64_t bounds, Shares *to) {
    Reals top[PAYER_LANES / LANES] = {{0}}, squares[PAYER_LANES / LANES] = {{0}};
    Lanes needs[GROUP / LANES];
    for (int k = 0; k < GROUP / LANES; k += TOGETHER) FN(widen)(group->need + k * LANES, needs + k);
    int64_t day = stream->days - 1;
    for (int64_t segment = 0; segment <= bounds; segment++) {
        memcpy(to->top[segment], top, sizeof top);
        memcpy(to->squares[segment], squares, sizeof squares);
        for (; segment < bounds && day >= 0 && stream->day[day].segment == segment; day--)
            for (int64_t row = stream->day[day].end; row-- > stream->day[day].first;) {
                Reals *sums = (Reals *)to->by_payer[stream->payer[row]];
                int64_t known = -(int64_t)(stream->payer[row] != stream->nobody);
                Reals value = (Reals){0} + (double)(stream->values[row] & known);
                for (int k = 0; k < PAYER_LANES / LANES; k++) {
                    Lanes where = (needs[k] & (int64_t)(uint64_t)stream->absent[row]) == 0;
                    Reals part = (Reals)((Lanes)value & where), sum = sums[k] + part;
                    squares[k] += part * (sums[k] + sum);
                    sums[k] = sum;
                    Lanes more = sum > top[k];
                    top[k] = (Reals)(((Lanes)top[k] & ~more) | ((Lanes)sum & more));
                }
            }
    }
}

#undef TOGETHER
#undef BLOCK
