/* Counts and sums: two filters share a lane of 64 bits while the rows of a day are added up. */

#define TOGETHER (LANES == 8 ? 2 : 4) /* so many Halves, and what is added to them, fit into the registers */
#define BLOCK (2 * TOGETHER * LANES)

static Range FN(range_of)(const Stream *stream) {
    int64_t least = 0, most = 0, wider = 0;
    uint64_t sum = 0;
    for (int64_t row = 0; row < stream->rows; row++) {
        int64_t value = stream->values[row];
        least = value < least ? value : least;
        most = value > most ? value : most;
        wider |= value >> 31;
        sum += value & INT32_MAX;
    }
    return (Range){least, most, wider, sum};
}

/* sum + value where nothing that is needed is absent. */
INLINE Halves FN(add_half_where)(Halves need, uint32_t absent, Halves sum, uint32_t value) {
#if LANES == 8
    __mmask16 where = _mm512_testn_epi32_mask((__m512i)need, _mm512_set1_epi32((int32_t)absent));
    return (Halves)_mm512_mask_add_epi32((__m512i)sum, where, (__m512i)sum, _mm512_set1_epi32((int32_t)value));
#else
    return sum + (((need & (int32_t)absent) == 0) & (int32_t)value);
#endif
}

INLINE void FN(add_parts)(Lanes both, Lanes *count, Lanes *sum) {
    *count += both >> COUNT_AT;
    *sum += both & (ONE - 1);
}

/* A day's rows, added up from `packed`. */
INLINE void FN(tally_day)(
    const Stream *stream, const uint32_t *packed, Day day, const Halves *need, Lanes *count, Lanes *sum) {
    for (int64_t first = day.first; first < day.end; first += ROWS_AT_ONCE) {
        int64_t end = day.end - first > ROWS_AT_ONCE ? first + ROWS_AT_ONCE : day.end;
        Halves both[TOGETHER] = {{0}};
        for (int64_t row = first; row < end; row++)
            for (int k = 0; k < TOGETHER; k++)
                both[k] = FN(add_half_where)(need[k], stream->absent[row], both[k], packed[row]);
        for (int k = 0; k < TOGETHER; k++) {
            Lanes upper = ((Lanes)both[k] >> 32) & UINT32_MAX;
            FN(add_parts)((Lanes)both[k] & UINT32_MAX, count + 2 * k, sum + 2 * k);
            FN(add_parts)(upper, count + 2 * k + 1, sum + 2 * k + 1);
        }
    }
}

/* Sums of the limb that `packed` holds, and with the first counts and days with rows; where they are wanted, of every day
   too. */
static void FN(tally)(
    const Stream *stream, const Group *group, const uint32_t *packed, int64_t bounds, int limb, Tallies *to) {
    for (int64_t lane = 0; lane < group->lanes; lane += BLOCK) {
        Halves need[TOGETHER];
        Lanes count[2 * TOGETHER] = {{0}}, sum[2 * TOGETHER] = {{0}}, active[2 * TOGETHER] = {{0}};
        FN(pair)(group->need + lane, need, TOGETHER);
        int64_t day = stream->days - 1;
        for (int64_t at = 0; at <= bounds; at++) {
            FN(store)(to->sum[limb], at, lane, sum, 2 * TOGETHER);
            if (!limb) {
                FN(store)(to->count, at, lane, count, 2 * TOGETHER);
                FN(store)(to->active_days, at, lane, active, 2 * TOGETHER);
            }
            for (; at < bounds && day >= 0 && stream->day[day].segment == at; day--) {
                Lanes of_day[2 * TOGETHER] = {{0}}, sum_of_day[2 * TOGETHER] = {{0}};
                if (!limb || ((uint64_t)stream->day[day].most - (uint64_t)to->base) >> (LIMB * limb))
                    FN(tally_day)(stream, packed, stream->day[day], need, of_day, sum_of_day);
                for (int k = 0; k < 2 * TOGETHER; k++) {
                    count[k] += of_day[k];
                    sum[k] += sum_of_day[k];
                    active[k] -= of_day[k] > 0;
                }
                if (!(group->wants & DAILY)) continue;
                FN(store)(to->day_sum[limb], day, lane, sum_of_day, 2 * TOGETHER);
                if (!limb) FN(store)(to->day_count, day, lane, of_day, 2 * TOGETHER);
            }
        }
    }
}

/* What daily counts and sums come to by bound, squared and times age. */
static void FN(sum_days)(const Stream *stream, const Group *group, int64_t bounds, Tallies *to) {
    for (int64_t lane = 0; lane < group->lanes; lane += LANES) {
        Lanes series[SERIES] = {{0}};
        int64_t day = stream->days - 1;
        for (int64_t at = 0; at <= bounds; at++) {
            for (int k = 0; k < SERIES; k++) *(Lanes *)(to->series[k][at] + lane) = series[k];
            for (; at < bounds && day >= 0 && stream->day[day].segment == at; day--) {
                Lanes count = *(Lanes *)(to->day_count[day] + lane), sum = *(Lanes *)(to->day_sum[0][day] + lane);
                if (to->limbs > 1) sum += *(Lanes *)(to->day_sum[1][day] + lane) << LIMB;
                series[COUNTS_SQUARED] += count * count;
                series[SUMS_SQUARED] += sum * sum;
                series[COUNTS_AGED] += count * stream->day[day].age;
                series[SUMS_AGED] += sum * stream->day[day].age;
            }
        }
    }
}

#undef TOGETHER
#undef BLOCK
