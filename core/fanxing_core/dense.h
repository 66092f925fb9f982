/* Blocks of 64 rows down a heap, a level at a time: of all bytes that a level's nodes ask for, each row's own is picked
   by its answers so far, which stay in mask registers (to move 64 bits out of one costs as much as two comparisons), and
   all rows are compared at once with the bins of their nodes. */

#define PICKED(way, before) \
    static inline __attribute__((always_inline)) __m512i picked_by_##way( \
        const uint8_t *block, const uint16_t *offsets, const __mmask64 *right, int level, int at) { \
        return _mm512_mask_mov_epi8( \
            before(block, offsets, right, level, at), right[way], \
            before(block, offsets, right, level, at + (1 << (level - 1 - way)))); \
    }
/* Bytes of the node `at` of a level; of the two that answer `way` leaves, once all before it are known. */
static inline __attribute__((always_inline)) __m512i asked(
    const uint8_t *block, const uint16_t *offsets, const __mmask64 *right, int level, int at) {
    (void)right;
    return _mm512_load_si512(block + offsets[(1 << level) + at]);
}
PICKED(0, asked)
PICKED(1, picked_by_0)
PICKED(2, picked_by_1)
PICKED(3, picked_by_2)
PICKED(4, picked_by_3)
PICKED(5, picked_by_4)
PICKED(6, picked_by_5)
#undef PICKED

/* Of a heap's bytes those at `at`, which is on this level. */
static inline __attribute__((always_inline)) __m512i of_heap(const uint8_t *bytes, __m512i at, int level) {
    if (level < 6) return _mm512_permutexvar_epi8(at, _mm512_load_si512(bytes));
    if (level == 6) return _mm512_permutexvar_epi8(at, _mm512_load_si512(bytes + 64));
    return _mm512_permutex2var_epi8(_mm512_load_si512(bytes + 128), at, _mm512_load_si512(bytes + 192));
}

/* The numbers of the leaves that 64 rows come to, a byte a row. */
static inline __attribute__((always_inline)) __m512i dense_leaves(
    const uint16_t *offsets, const uint8_t *bins, const uint8_t *more, const uint8_t *block, int levels) {
    __m512i at = _mm512_set1_epi8(1);
    __mmask64 right[8];
#define LEVEL(level, picked) if (level < levels) { \
        __m512i bytes = _mm512_add_epi8(picked(block, offsets, right, level, 0), of_heap(more, at, level)); \
        right[level] = _mm512_cmpge_epu8_mask(bytes, of_heap(bins, at, level)); \
        at = _mm512_add_epi8(at, at); \
        at = _mm512_mask_add_epi8(at, right[level], at, _mm512_set1_epi8(1)); \
    }
    LEVEL(0, asked) LEVEL(1, picked_by_0) LEVEL(2, picked_by_1) LEVEL(3, picked_by_2)
    LEVEL(4, picked_by_3) LEVEL(5, picked_by_4) LEVEL(6, picked_by_5) LEVEL(7, picked_by_6)
#undef LEVEL
    return levels == 6 ? _mm512_and_si512(at, _mm512_set1_epi8(TOP - 1)) : at; /* bytes lose the place's first bit */
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

static inline __attribute__((always_inline)) void add_leaves64(const double *leaves, __m512i at, double *sums64) {
    uint8_t numbers[ROWS] __attribute__((aligned(64)));
    _mm512_store_si512(numbers, at);
    for (int part = 0; part < 8; part++) {
        __m512i number = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(numbers + 8 * part)));
        add_wide(_mm512_i64gather_pd(number, leaves, 8), part, sums64);
    }
}

/* Of so many leaves those with these numbers: each 32 by the last five bits, then halved by the bits before. */
static inline __attribute__((always_inline)) __m512 leaf_of_32(const float *leaf, __m512i number) {
    return _mm512_permutex2var_ps(_mm512_load_ps(leaf), number, _mm512_load_ps(leaf + 16));
}
#define LEAF_OF(both, half) \
    static inline __attribute__((always_inline)) __m512 leaf_of_##both(const float *leaf, __m512i number) { \
        __mmask16 right = _mm512_test_epi32_mask(number, _mm512_set1_epi32(half)); \
        return _mm512_mask_mov_ps(leaf_of_##half(leaf, number), right, leaf_of_##half(leaf + half, number)); \
    }
LEAF_OF(64, 32)
LEAF_OF(128, 64)
LEAF_OF(256, 128)
#undef LEAF_OF

static inline __attribute__((always_inline)) void add_leaves32(
    const float *leaf, __m512i at, int levels, float *sums32, double *sums64) {
#define PART(part) { \
        __m512i number = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(at, part)); \
        add_narrow(levels == 6 ? leaf_of_64(leaf, number) : leaf_of_256(leaf, number), part, sums32, sums64); \
    }
    PART(0) PART(1) PART(2) PART(3)
#undef PART
}

/* Adds one tree's leaves to the sums of a block. */
static inline __attribute__((always_inline)) void add_dense(
    const Forest *forest, int64_t first, int levels, const uint8_t *block, float *sums32, double *sums64) {
    __m512i at = dense_leaves(
        forest->dense_offset + first, forest->dense_bin + first, forest->dense_more + first, block, levels);
    if (forest->narrow) add_leaves32(forest->leaf32 + first, at, levels, sums32, sums64);
    else add_leaves64(forest->leaf64 + first, at, sums64);
}

static void add_dense6(const Forest *forest, int64_t tree, const uint8_t *block, float *sums32, double *sums64) {
    add_dense(forest, TOP * tree, 6, block, sums32, sums64);
}

static void add_dense8(const Forest *forest, int64_t tree, const uint8_t *block, float *sums32, double *sums64) {
    add_dense(forest, TOP * (forest->of_shape[HEAP6] + 4 * tree), 8, block, sums32, sums64);
}
