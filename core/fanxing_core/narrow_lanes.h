/* Least and most values and squares, where values less the base have LIMB bits: two filters share a lane of 64 bits. */

#define TOGETHER (LANES == 8 ? 2 : 1)
#define BLOCK (2 * TOGETHER * LANES)
#define SQUARES_AT_ONCE (1 << (32 - LIMB)) /* rows of which each half of the squares adds up to less than 32 bits */
#define Narrow FN(Narrow_)
typedef struct {
    Halves least, most, lower, upper; /* halves of squares, LIMB bits each */
} Narrow;

/* Where nothing that is needed is absent. */
INLINE void FN(add_narrow)(Halves need, uint32_t absent, int32_t value, Narrow *to) {
    int64_t square = (int64_t)value * value;
    int32_t lower = (int32_t)square & ((1 << LIMB) - 1), upper = (int32_t)(square >> LIMB);
#if LANES == 8
    __mmask16 where = _mm512_testn_epi32_mask((__m512i)need, _mm512_set1_epi32((int32_t)absent));
    __m512i least = (__m512i)to->least, most = (__m512i)to->most;
    to->least = (Halves)_mm512_mask_min_epi32(least, where, least, _mm512_set1_epi32(value));
    to->most = (Halves)_mm512_mask_max_epi32(most, where, most, _mm512_set1_epi32(value));
    to->lower = (Halves)_mm512_mask_add_epi32((__m512i)to->lower, where, (__m512i)to->lower, _mm512_set1_epi32(lower));
    to->upper = (Halves)_mm512_mask_add_epi32((__m512i)to->upper, where, (__m512i)to->upper, _mm512_set1_epi32(upper));
#else
    Halves where = (need & (int32_t)absent) == 0, less = where & (value < to->least), more = where & (value > to->most);
    to->least = (to->least & ~less) | (less & value);
    to->most = (to->most & ~more) | (more & value);
    to->lower += where & lower;
    to->upper += where & upper;
#endif
}

/* The rows of a segment; `packed` holds values less the base. */
INLINE void FN(narrow_segment)(
    const Stream *stream, const uint32_t *packed, int64_t segment, const Halves *need, Narrow *of, Lanes *squares) {
    for (int k = 0; k < TOGETHER; k++) of[k].least = (Halves){0} + INT32_MAX, of[k].most = (Halves){0} + INT32_MIN;
    for (int64_t first = stream->from[segment + 1], end; first < stream->from[segment]; first = end) {
        end = stream->from[segment] - first > SQUARES_AT_ONCE ? first + SQUARES_AT_ONCE : stream->from[segment];
        for (int k = 0; k < TOGETHER; k++) of[k].lower = of[k].upper = (Halves){0};
        for (int64_t row = first; row < end; row++)
            for (int k = 0; k < TOGETHER; k++)
                FN(add_narrow)(need[k], stream->absent[row], (int32_t)(packed[row] & (ONE - 1)), of + k);
        for (int k = 0; k < TOGETHER; k++) {
            Lanes lower = (Lanes)of[k].lower, upper = (Lanes)of[k].upper;
            squares[2 * k] += (lower & UINT32_MAX) + ((upper & UINT32_MAX) << LIMB);
            squares[2 * k + 1] += (lower >> 32 & UINT32_MAX) + ((upper >> 32 & UINT32_MAX) << LIMB);
        }
    }
}

/* Each half, in lanes of its own, and more by the base. */
INLINE void FN(store_halves)(OfGroup *to, int64_t at, int64_t lane, Halves halves, int64_t base) {
    Lanes parts[2] = {((Lanes)halves << 32 >> 32) + base, ((Lanes)halves >> 32) + base};
    FN(store)(to, at, lane, parts, 2);
}

static void FN(spread_narrow)(
    const Stream *stream, const Group *group, const uint32_t *packed, int64_t bounds, int64_t base, Spreads *to) {
    for (int64_t lane = 0; lane < group->lanes; lane += BLOCK) {
        Halves need[TOGETHER];
        Narrow of[TOGETHER];
        Lanes squares[2 * TOGETHER] = {{0}};
        FN(pair)(group->need + lane, need, TOGETHER);
        for (int64_t segment = 0; segment <= bounds; segment++) {
            FN(store)(to->squares[0], segment, lane, squares, 2 * TOGETHER);
            if (segment == bounds) break;
            FN(narrow_segment)(stream, packed, segment, need, of, squares);
            for (int k = 0; k < TOGETHER; k++) {
                FN(store_halves)(to->least, segment, lane + 2 * k * LANES, of[k].least, base);
                FN(store_halves)(to->most, segment, lane + 2 * k * LANES, of[k].most, base);
            }
        }
    }
}

#undef TOGETHER
#undef BLOCK
#undef SQUARES_AT_ONCE
#undef Narrow
