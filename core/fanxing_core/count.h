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
