/* Blocks of 64 rows down a heap: every node is compared for all rows at once, one mask a node; the masks of a level are
   narrowed by those above until one is left, which is each row's bit of its way down; leaves are looked up by the bits. */

static inline uint64_t pick(uint64_t right, uint64_t low, uint64_t high) { return low ^ ((low ^ high) & right); }

#define MASK(node) \
    _mm512_cmpge_epu8_mask( \
        _mm512_load_si512(block + ROWS * (size_t)nodes[node].where), _mm512_set1_epi8((char)nodes[node].bin))

/* The way of a level: its masks, narrowed by the ways of the levels above. */
static inline __attribute__((always_inline)) void dense_level(
    const Dense *nodes, const uint8_t *block, int level, uint64_t *ways) {
    uint64_t masks[128];
#pragma GCC unroll 128
    for (int k = 0; k < 1 << level; k++) masks[k] = MASK((1 << level) + k);
    int half = 1 << level;
#pragma GCC unroll 8
    for (int above = 0; above < level; above++) {
        half /= 2;
#pragma GCC unroll 64
        for (int k = 0; k < half; k++) masks[k] = pick(ways[above], masks[k], masks[k + half]);
    }
    ways[level] = masks[0];
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
    const Dense *nodes = forest->dense6 + TOP * tree;
    uint64_t ways[6];
    dense_level(nodes, block, 0, ways);
    dense_level(nodes, block, 1, ways);
    dense_level(nodes, block, 2, ways);
    dense_level(nodes, block, 3, ways);
    dense_level(nodes, block, 4, ways);
    dense_level(nodes, block, 5, ways);
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

static void add_dense8(const Forest *forest, int64_t tree, const uint8_t *block, float *sums32, double *sums64) {
    const Dense *nodes = forest->dense8 + 4 * TOP * tree;
    uint64_t ways[8];
    dense_level(nodes, block, 0, ways);
    dense_level(nodes, block, 1, ways);
    dense_level(nodes, block, 2, ways);
    dense_level(nodes, block, 3, ways);
    dense_level(nodes, block, 4, ways);
    dense_level(nodes, block, 5, ways);
    dense_level(nodes, block, 6, ways);
    dense_level(nodes, block, 7, ways);
    uint8_t numbers[ROWS] __attribute__((aligned(64)));
    _mm512_store_si512(numbers, dense_numbers(ways, 8));
    /* A slot is eight leaves long, of which the last four are leaves: 4 n + k stands at 8 n + 4 + k. */
    if (forest->narrow) {
        const float *slots = (const float *)(forest->slot32 + TOP * tree);
        for (int part = 0; part < 4; part++) {
            __m512i number = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(numbers + 16 * part)));
            __m512i place = _mm512_add_epi32(number, _mm512_and_si512(number, _mm512_set1_epi32(~3)));
            add_narrow(_mm512_i32gather_ps(place, slots + 4, 4), part, sums32, sums64);
        }
    } else {
        const double *slots = (const double *)(forest->slot64 + TOP * tree);
        for (int part = 0; part < 8; part++) {
            __m512i number = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(numbers + 8 * part)));
            __m512i place = _mm512_add_epi64(number, _mm512_and_si512(number, _mm512_set1_epi64(~3ll)));
            add_wide(_mm512_i64gather_pd(place, slots + 4, 8), part, sums64);
        }
    }
}
#undef MASK
