/* How many of a line of sorted cuts, from cut `from` on, are at most x, on each kind of machine. A NaN, as x or as
   padding, is not. */

#if WIDE
static inline int FN(at_most_f)(const float *line, float x, int from) {
    return __builtin_popcount((unsigned)_mm512_cmp_ps_mask(_mm512_loadu_ps(line), _mm512_set1_ps(x), _CMP_LE_OQ) >> from);
}
static inline int FN(at_most_d)(const double *line, double x, int from) {
    __m512d v = _mm512_set1_pd(x);
    unsigned low = _mm512_cmp_pd_mask(_mm512_loadu_pd(line), v, _CMP_LE_OQ);
    unsigned high = _mm512_cmp_pd_mask(_mm512_loadu_pd(line + 8), v, _CMP_LE_OQ);
    return __builtin_popcount((low | high << 8) >> from);
}

/* Where each of ROWS values has its line, by halving: a line's first cut is fetched from the pivots by its number. */
static inline void lines_of_f(const float *pivots, const float *values, int32_t *first) {
    __m512 pivot = _mm512_load_ps(pivots);
    for (int row = 0; row < ROWS; row += 16) {
        __m512 x = _mm512_loadu_ps(values + row);
        __m512i line = _mm512_setzero_si512();
        for (int half = LINE / 2; half; half /= 2) {
            __m512i next = _mm512_or_si512(line, _mm512_set1_epi32(half));
            __mmask16 reached = _mm512_cmp_ps_mask(_mm512_permutexvar_ps(next, pivot), x, _CMP_LE_OQ);
            line = _mm512_mask_mov_epi32(line, reached, next);
        }
        _mm512_store_si512(first + row, _mm512_slli_epi32(line, 4));
    }
}
static inline void lines_of_d(const double *pivots, const double *values, int32_t *first) {
    __m512d low = _mm512_load_pd(pivots), high = _mm512_load_pd(pivots + 8);
    for (int row = 0; row < ROWS; row += 8) {
        __m512d x = _mm512_loadu_pd(values + row);
        __m512i line = _mm512_setzero_si512();
        for (int half = LINE / 2; half; half /= 2) {
            __m512i next = _mm512_or_si512(line, _mm512_set1_epi64(half));
            __mmask8 reached = _mm512_cmp_pd_mask(_mm512_permutex2var_pd(low, next, high), x, _CMP_LE_OQ);
            line = _mm512_mask_mov_epi64(line, reached, next);
        }
        _mm256_store_si256((__m256i *)(first + row), _mm512_cvtepi64_epi32(_mm512_slli_epi64(line, 4)));
    }
}
#elif AVX2
static inline int FN(at_most_f)(const float *line, float x, int from) {
    __m256 v = _mm256_set1_ps(x);
    unsigned low = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(line), v, _CMP_LE_OQ));
    unsigned high = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(line + 8), v, _CMP_LE_OQ));
    return __builtin_popcount((low | high << 8) >> from);
}
static inline int FN(at_most_d)(const double *line, double x, int from) {
    __m256d v = _mm256_set1_pd(x);
    unsigned mask = 0;
    for (int k = 0; k < 4; k++)
        mask |= (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(_mm256_loadu_pd(line + 4 * k), v, _CMP_LE_OQ)) << 4 * k;
    return __builtin_popcount(mask >> from);
}
#else
static inline int FN(at_most_f)(const float *line, float x, int from) {
    int count = 0;
    for (int k = from; k < LINE; k++) count += line[k] <= x;
    return count;
}
static inline int FN(at_most_d)(const double *line, double x, int from) {
    int count = 0;
    for (int k = from; k < LINE; k++) count += line[k] <= x;
    return count;
}
#endif
