/* Trees of any depth, as trainers leave that grow the best leaf first. Up to 31 nodes of each of 16 trees are compared at
   once, then the rest of the way is gone cell by cell. A row that finds none of it near waits for memory more than for
   anything else, so the tables are small and lie as they are read, and what is read next is on its way. AVX-512 VBMI. */

/* The exits, 0 to 31, of a group's trees, side by side. */
static inline __attribute__((always_inline)) __m512i exits_of(const Tops *tops, const WideRow *row) {
    __m512i passed = _mm512_setzero_si512();
    for (int node = 0; node < FEW - 1; node += 64 / GROUP) {
        uint64_t right = answers_of(
            tops->feature + GROUP * node, tops->bin + GROUP * node, tops->missing_left[node * GROUP / 64], row);
        for (int k = 0; k < 64 / GROUP && node + k < FEW - 1; k++)
            passed = _mm512_mask_or_epi32(
                passed, (__mmask16)(right >> GROUP * k), passed, _mm512_load_si512(tops->passed[node + k]));
    }
    /* The lowest bit that is not set, alone, is as a float a power of two, whose exponent is the bit's number. */
    __m512i first = _mm512_andnot_si512(passed, _mm512_add_epi32(passed, _mm512_set1_epi32(1)));
    __m512i exponent = _mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtepu32_ps(first)), 23);
    return _mm512_sub_epi32(exponent, _mm512_set1_epi32(127));
}

/* The cells of the exits of `many` trees from group `group` on, sent for. `at` has room for whole groups. */
static inline __attribute__((always_inline)) void few_exits(
    const Forest *forest, int64_t group, int64_t many, const WideRow *row, uint32_t *at) {
    __m512i tree = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    tree = _mm512_add_epi32(tree, _mm512_set1_epi32((int)(GROUP * group)));
    __m512i cells = _mm512_mullo_epi32(tree, _mm512_set1_epi32(FEW));
    for (int64_t first = 0; first < many; first += GROUP, group++) {
        _mm512_storeu_si512(at + first, _mm512_add_epi32(cells, exits_of(forest->tops + group, row)));
        for (int k = 0; k < GROUP; k++) __builtin_prefetch(forest->cells + at[first + k]);
        cells = _mm512_add_epi32(cells, _mm512_set1_epi32(FEW * GROUP));
    }
}

static inline double value_of(uint64_t cell) {
    double value;
    memcpy(&value, &cell, sizeof value);
    return value;
}

static inline __attribute__((always_inline)) void walk_few_leaves(
    const Forest *forest, const WideRow *row, const int32_t *order, double *leaves) {
    uint32_t at[AHEAD];
    int64_t count = forest->of_shape[FEW_LEAVES];
    for (int64_t first = 0; first < count; first += AHEAD) {
        int64_t many = count - first < AHEAD ? count - first : AHEAD;
        few_exits(forest, first / GROUP, many, row, at);
        for (int64_t k = 0; k < many; k++) leaves[order[first + k]] = value_of(forest->cells[at[k]]);
    }
}

#define CHUNK 256 /* trees whose ways are gone together */

/* The trees that have come to a question. */
typedef struct {
    int64_t count;
    uint64_t question[CHUNK];
    int32_t tree[CHUNK];
} Ways;

/* A tree has come to a cell: that is its leaf, or it goes on, and what it will read is sent for. Without a branch, which
   would be guessed wrong at every third tree. */
static inline __attribute__((always_inline)) void come_to(
    uint64_t cell, int32_t tree, const uint64_t *cells, Ways *ways, double *leaves) {
    int64_t goes_on = cell >= QUESTION;
    leaves[tree] = value_of(cell);
    ways->question[ways->count] = cell;
    ways->tree[ways->count] = tree;
    ways->count += goes_on;
    __builtin_prefetch(cells + ((uint32_t)cell & -goes_on));
}

/* Larger trees: the 31 nodes that most rows pass are answered so, and most rows are in a leaf then, or soon. */
static inline __attribute__((always_inline)) void walk_topped(
    const Forest *forest, const WideRow *row, const uint8_t *two, const int32_t *order, double *leaves) {
    uint32_t at[CHUNK];
    Ways ways;
    const uint64_t *cells = forest->cells;
    int64_t count = forest->of_shape[TOPPED], before = (forest->of_shape[FEW_LEAVES] + GROUP - 1) / GROUP;
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t many = count - first < CHUNK ? count - first : CHUNK;
        few_exits(forest, before + first / GROUP, many, row, at);
        ways.count = 0;
        for (int64_t k = 0; k < many; k++) come_to(cells[at[k]], order[first + k], cells, &ways, leaves);
        while (ways.count) {
            int64_t going = ways.count;
            ways.count = 0;
            for (int64_t k = 0; k < going; k++) {
                uint64_t question = ways.question[k];
                uint8_t byte = two[(question >> 40) - (QUESTION >> 40)];
                uint64_t next = cells[(uint32_t)question + (byte >= (uint8_t)(question >> 32))];
                come_to(next, ways.tree[k], cells, &ways, leaves);
            }
        }
    }
}
