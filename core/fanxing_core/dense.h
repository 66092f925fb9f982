/* Blocks of 64 rows down a heap: every node is compared for all rows at once, one mask a node; the masks of a level are
   narrowed by those above until one is left, which is each row's bit of its way down; leaves are looked up by the bits. */

static inline uint64_t pick(uint64_t right, uint64_t low, uint64_t high) { return low ^ ((low ^ high) & right); }

static inline __m512i pick8(__m512i right, __m512i low, __m512i high) {
    return _mm512_ternarylogic_epi64(right, high, low, 0xca); /* right ? high : low, bit by bit */
}

/* The masks of all nodes of a heap. */
static inline __attribute__((always_inline)) void dense_masks(
    const Dense *nodes, const uint8_t *block, int levels, uint64_t *masks) {
#pragma GCC unroll 8
    for (int at = 1; at < 1 << levels; at++)
        masks[at] = _mm512_cmpge_epu8_mask(
            _mm512_load_si512(block + ROWS * (size_t)nodes[at].where), _mm512_set1_epi8((char)nodes[at].bin));
}

/* The way of each level: its masks, halved by the ways of the levels above until one is left; eight at a time. */
static inline __attribute__((always_inline)) void dense_ways(const uint64_t *masks, int levels, uint64_t *ways) {
    __m512i wide[8];
    ways[0] = masks[1];
    ways[1] = pick(ways[0], masks[2], masks[3]);
    ways[2] = pick(ways[1], pick(ways[0], masks[4], masks[6]), pick(ways[0], masks[5], masks[7]));
    for (int level = 0; level < 3; level++) wide[level] = _mm512_set1_epi64((long long)ways[level]);
#pragma GCC unroll 8
    for (int level = 3; level < levels; level++) {
        __m512i eights[16];
        int count = (1 << level) / 8, above = 0;
#pragma GCC unroll 16
        for (int k = 0; k < count; k++) eights[k] = _mm512_load_si512(masks + (1 << level) + 8 * k);
#pragma GCC unroll 8
        for (; count > 1; above++) {
            count /= 2;
#pragma GCC unroll 8
            for (int k = 0; k < count; k++) eights[k] = pick8(wide[above], eights[k], eights[k + count]);
        }
        __m512i last = eights[0];
        last = pick8(wide[above], last, _mm512_shuffle_i64x2(last, last, 0x4e));
        last = pick8(wide[above + 1], last, _mm512_shuffle_i64x2(last, last, 0xb1));
        last = pick8(wide[above + 2], last, _mm512_permutex_epi64(last, 0xb1));
        wide[level] = _mm512_broadcastq_epi64(_mm512_castsi512_si128(last));
        ways[level] = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(last));
    }
}

/* The numbers of the leaves, a byte a row, but for the first bit, which is ways[0]. */
static inline __attribute__((always_inline)) __m512i dense_numbers(const uint64_t *ways, int levels) {
    __m512i numbers = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int level = 0; level < levels; level++)
        numbers = _mm512_or_si512(numbers, _mm512_maskz_set1_epi8(ways[level], (char)(1 << (levels - 1 - level))));
    return numbers;
}

static inline __attribute__((always_inline)) void add_narrow(__m512 leaf, int part, float *sums32, double *sums64) {
    if (sums32) {
        _mm512_storeu_ps(sums32 + 16 * part, _mm512_add_ps(_mm512_loadu_ps(sums32 + 16 * part), leaf));
    } else {
        double *to = sums64 + 16 * part;
        __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(leaf));
        __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(leaf, 1));
        _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), low));
        _mm512_storeu_pd(to + 8, _mm512_add_pd(_mm512_loadu_pd(to + 8), high));
    }
}

static inline void add_wide(__m512d leaf, int part, double *sums64) {
    _mm512_storeu_pd(sums64 + 8 * part, _mm512_add_pd(_mm512_loadu_pd(sums64 + 8 * part), leaf));
}

static void add_dense6(const Forest *forest, int64_t tree, const uint8_t *block, float *sums32, double *sums64) {
    uint64_t masks[1 << 6] __attribute__((aligned(64))), ways[6];
    dense_masks(forest->dense6 + TOP * tree, block, 6, masks);
    dense_ways(masks, 6, ways);
    if (forest->narrow) {
        __m512i numbers = dense_numbers(ways, 6);
        const float *leaf = forest->leaf32 + TOP * tree;
        __m512 leaves[4];
        for (int k = 0; k < 4; k++) leaves[k] = _mm512_load_ps(leaf + 16 * k);
#define PART(part) { \
            __m512i number = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(numbers, part)); \
            __m512 low = _mm512_permutex2var_ps(leaves[0], number, leaves[1]); \
            __m512 high = _mm512_permutex2var_ps(leaves[2], number, leaves[3]); \
            add_narrow(_mm512_mask_mov_ps(low, (__mmask16)(ways[0] >> 16 * part), high), part, sums32, sums64); \
        }
        PART(0) PART(1) PART(2) PART(3)
#undef PART
    } else {
        uint8_t numbers[ROWS] __attribute__((aligned(64)));
        _mm512_store_si512(numbers, dense_numbers(ways, 6));
        for (int part = 0; part < 8; part++) {
            __m512i number = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(numbers + 8 * part)));
            add_wide(_mm512_i64gather_pd(number, forest->leaf64 + TOP * tree, 8), part, sums64);
        }
    }
}

/* Of 256 leaves those with these numbers: each 32 by their last five bits, then one of the eight by the first ways. */
static inline __attribute__((always_inline)) __m512 leaf_of_256(
    const float *leaf, __m512i number, const uint64_t *ways, int shift) {
    __m512 found[8];
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++)
        found[k] = _mm512_permutex2var_ps(_mm512_load_ps(leaf + 32 * k), number, _mm512_load_ps(leaf + 32 * k + 16));
#pragma GCC unroll 3
    for (int way = 2, half = 1; way >= 0; way--, half *= 2) {
        __mmask16 right = (__mmask16)(ways[way] >> shift);
#pragma GCC unroll 4
        for (int k = 0; k < 8; k += 2 * half) found[k] = _mm512_mask_mov_ps(found[k], right, found[k + half]);
    }
    return found[0];
}

static void add_dense8(const Forest *forest, int64_t tree, const uint8_t *block, float *sums32, double *sums64) {
    uint64_t masks[1 << 8] __attribute__((aligned(64))), ways[8];
    dense_masks(forest->dense8 + 4 * TOP * tree, block, 8, masks);
    dense_ways(masks, 8, ways);
    if (forest->narrow) {
        __m512i numbers = dense_numbers(ways, 8);
        const float *leaf = forest->dense_leaf32 + 4 * TOP * tree;
#define PART(part) \
        add_narrow(leaf_of_256(leaf, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(numbers, part)), ways, 16 * part), \
                   part, sums32, sums64);
        PART(0) PART(1) PART(2) PART(3)
#undef PART
    } else {
        /* A slot is eight leaves long, of which the last four are leaves: 4 n + k stands at 8 n + 4 + k. */
        uint8_t numbers[ROWS] __attribute__((aligned(64)));
        _mm512_store_si512(numbers, dense_numbers(ways, 8));
        const double *slots = (const double *)(forest->slot64 + TOP * tree);
        for (int part = 0; part < 8; part++) {
            __m512i number = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(numbers + 8 * part)));
            __m512i place = _mm512_add_epi64(number, _mm512_and_si512(number, _mm512_set1_epi64(~3ll)));
            add_wide(_mm512_i64gather_pd(place, slots + 4, 8), part, sums64);
        }
    }
}
