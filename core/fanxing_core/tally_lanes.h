/* What tally.h compiles once a width of registers: LANES filters at once; FN(name) is the name there. Lanes never meet, so
   that no width changes a bit. */

#define Lanes FN(Lanes_)
#define Reals FN(Reals_)
typedef int64_t Lanes __attribute__((vector_size(8 * LANES), aligned(8)));
typedef double Reals __attribute__((vector_size(8 * LANES), aligned(8)));
#define TOGETHER 4 /* so many Lanes, and what is added to them, fit into the registers */
#define BLOCK (TOGETHER * LANES)

/* sum + value, least of least and value, most of most and value, where nothing that is needed is absent. */
#if LANES == 8
#define WHERE _mm512_testn_epi64_mask((__m512i)need, _mm512_set1_epi64((int64_t)absent))
INLINE Lanes FN(add_where)(Lanes need, uint64_t absent, Lanes sum, int64_t value) {
    return (Lanes)_mm512_mask_add_epi64((__m512i)sum, WHERE, (__m512i)sum, _mm512_set1_epi64(value));
}
INLINE Lanes FN(least_where)(Lanes need, uint64_t absent, Lanes least, int64_t value) {
    return (Lanes)_mm512_mask_min_epi64((__m512i)least, WHERE, (__m512i)least, _mm512_set1_epi64(value));
}
INLINE Lanes FN(most_where)(Lanes need, uint64_t absent, Lanes most, int64_t value) {
    return (Lanes)_mm512_mask_max_epi64((__m512i)most, WHERE, (__m512i)most, _mm512_set1_epi64(value));
}
#undef WHERE
#else
#define WHERE ((need & (int64_t)absent) == 0)
INLINE Lanes FN(add_where)(Lanes need, uint64_t absent, Lanes sum, int64_t value) { return sum + (WHERE & value); }
INLINE Lanes FN(least_where)(Lanes need, uint64_t absent, Lanes least, int64_t value) {
    Lanes less = WHERE & (value < least);
    return (least & ~less) | (less & value);
}
INLINE Lanes FN(most_where)(Lanes need, uint64_t absent, Lanes most, int64_t value) {
    Lanes more = WHERE & (value > most);
    return (most & ~more) | (more & value);
}
#undef WHERE
#endif

INLINE void FN(store)(OfGroup *to, int64_t at, int64_t lane, const Lanes *from) {
    for (int k = 0; k < TOGETHER; k++) *(Lanes *)(to[at] + lane + k * LANES) = from[k];
}

/* A day's rows, added up from `packed`. */
INLINE void FN(tally_day)(
    const Stream *stream, const int64_t *packed, Day day, const Lanes *need, Lanes *count, Lanes *sum) {
    for (int64_t first = day.first; first < day.end; first += ROWS_AT_ONCE) {
        int64_t end = day.end - first > ROWS_AT_ONCE ? first + ROWS_AT_ONCE : day.end;
        Lanes both[TOGETHER] = {{0}};
        for (int64_t row = first; row < end; row++)
            for (int k = 0; k < TOGETHER; k++)
                both[k] = FN(add_where)(need[k], stream->absent[row], both[k], packed[row]);
        for (int k = 0; k < TOGETHER; k++) count[k] += both[k] >> COUNT_AT, sum[k] += both[k] & (ONE - 1);
    }
}

/* Counts, sums of the limb that `packed` holds and days with rows; of every day too where `daily`. */
static void FN(tally)(
    const Stream *stream, const Group *group, const int64_t *packed, int64_t bounds, int limb, Tallies *to) {
    for (int64_t lane = 0; lane < GROUP; lane += BLOCK) {
        Lanes need[TOGETHER], count[TOGETHER] = {{0}}, sum[TOGETHER] = {{0}}, active[TOGETHER] = {{0}};
        memcpy(need, group->need + lane, sizeof need);
        int64_t at = -1;
        for (int64_t day = stream->days; day-- > 0 && stream->day[day].segment < bounds;) {
            while (at < stream->day[day].segment) {
                ++at;
                FN(store)(to->count, at, lane, count);
                FN(store)(to->active_days, at, lane, active);
                FN(store)(to->sum[limb], at, lane, sum);
            }
            Lanes of_day[TOGETHER] = {{0}}, sum_of_day[TOGETHER] = {{0}};
            FN(tally_day)(stream, packed, stream->day[day], need, of_day, sum_of_day);
            for (int k = 0; k < TOGETHER; k++) {
                count[k] += of_day[k];
                sum[k] += sum_of_day[k];
                active[k] -= of_day[k] > 0;
            }
            if (!(group->wants & DAILY)) continue;
            FN(store)(to->day_count, day, lane, of_day);
            FN(store)(to->day_sum[limb], day, lane, sum_of_day);
        }
        while (at < bounds) {
            ++at;
            FN(store)(to->count, at, lane, count);
            FN(store)(to->active_days, at, lane, active);
            FN(store)(to->sum[limb], at, lane, sum);
        }
    }
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
    for (int64_t lane = 0; lane < GROUP; lane += BLOCK) {
        Lanes need[TOGETHER], squares[SQUARE_LIMBS][TOGETHER] = {{{0}}};
        memcpy(need, group->need + lane, sizeof need);
        int64_t day = stream->days - 1;
        for (int64_t segment = 0; segment <= bounds; segment++) {
            for (int limb = 0; limb < limbs; limb++) FN(store)(to->squares[limb], segment, lane, squares[limb]);
            Lanes least[TOGETHER], most[TOGETHER];
            for (int k = 0; k < TOGETHER; k++) least[k] = (Lanes){0} + INT64_MAX, most[k] = (Lanes){0} + INT64_MIN;
            for (; segment < bounds && day >= 0 && stream->day[day].segment == segment; day--)
                FN(spread_day)(stream, base, limbs, stream->day[day], need, least, most, squares);
            FN(store)(to->least, segment, lane, least);
            FN(store)(to->most, segment, lane, most);
        }
    }
}

static void FN(spread)(const Stream *stream, const Group *group, int64_t bounds, int64_t base, Spreads *to) {
    if (to->limbs == 2) FN(spread_in_limbs)(stream, group, bounds, base, 2, to);
    else FN(spread_in_limbs)(stream, group, bounds, base, SQUARE_LIMBS, to);
}

/* Of the first PAYER_LANES filters; sums by payer begin at 0. */
static void FN(concentrate)(const Stream *stream, const Group *group, int64_t bounds, Shares *to) {
    Reals top[PAYER_LANES / LANES] = {{0}}, squares[PAYER_LANES / LANES] = {{0}};
    int64_t day = stream->days - 1;
    for (int64_t segment = 0; segment <= bounds; segment++) {
        memcpy(to->top[segment], top, sizeof top);
        memcpy(to->squares[segment], squares, sizeof squares);
        for (; segment < bounds && day >= 0 && stream->day[day].segment == segment; day--)
            for (int64_t row = stream->day[day].end; row-- > stream->day[day].first;) {
                if (stream->payer[row] == NOBODY) continue;
                Reals *sums = (Reals *)to->by_payer[stream->payer[row]];
                Reals value = (Reals){0} + (double)stream->values[row];
                for (int k = 0; k < PAYER_LANES / LANES; k++) {
                    Lanes need = *(const Lanes *)(group->need + k * LANES);
                    Reals part = (Reals)((Lanes)value & ((need & (int64_t)stream->absent[row]) == 0)), sum = sums[k] + part;
                    squares[k] += part * (sums[k] + sum);
                    sums[k] = sum;
                    Lanes more = sum > top[k];
                    top[k] = (Reals)(((Lanes)top[k] & ~more) | ((Lanes)sum & more));
                }
            }
    }
}

#undef Lanes
#undef Reals
#undef TOGETHER
#undef BLOCK
