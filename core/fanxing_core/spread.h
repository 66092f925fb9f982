/* Blocks of 64 rows down a tree of any shape with at most 256 leaves: which rows reach a node, parted by its comparison
   into those that reach its children, until every leaf has its rows. */

static void add_spread(
    const Forest *forest, int64_t tree, const uint8_t *block, float *sums32, double *sums64) {
    uint64_t reach[2 * SPREAD_LEAVES];
    uint8_t numbers[ROWS] __attribute__((aligned(64)));
    const Spread *spread = forest->spread + forest->spread_starts[tree];
    int64_t inner = forest->spread_starts[tree + 1] - forest->spread_starts[tree];
    reach[0] = ~0ull;
    for (int64_t at = 0; at < inner; at++) {
        __m512i bytes = _mm512_load_si512(block + ROWS * (size_t)(spread[at].where >> 1));
        bytes = _mm512_add_epi8(bytes, _mm512_set1_epi8((char)(spread[at].where & 1)));
        uint64_t right = _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8((char)spread[at].bin));
        reach[spread[at].left] = reach[at] & ~right;
        reach[spread[at].right] = reach[at] & right;
    }
    __m512i number = _mm512_setzero_si512();
    for (int64_t leaf = 0; leaf <= inner; leaf++)
        number = _mm512_mask_set1_epi8(number, reach[inner + leaf], (char)leaf);
    _mm512_store_si512(numbers, number);
    const double *leaves = forest->spread_leaf + forest->spread_starts[tree] + tree;
    for (int part = 0; part < 8; part++) {
        __m512i place = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(numbers + 8 * part)));
        __m512d leaf = _mm512_i64gather_pd(place, leaves, 8);
        if (!sums32) add_wide(leaf, part, sums64);
        else {
            float *to = sums32 + 8 * part;
            _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm512_cvtpd_ps(leaf)));
        }
    }
}
