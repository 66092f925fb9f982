/* Trees of up to six levels as heaps, all nodes of a tree compared at once: the row's bytes stand in wide registers, one
   permutation fetches every node's byte, one comparison yields a bit a node, and six shifts find the way down. Levels
   seven and eight and their leaves share one slot below each exit. Needs AVX-512 VBMI and at most WIDE_MAX columns. */

typedef struct {
    __m512i part[WIDE_MAX / 64];
} WideRow;

static inline WideRow wide_row(const uint8_t *bytes) {
    WideRow row;
    for (int k = 0; k < WIDE_MAX / 64; k++) row.part[k] = _mm512_load_si512(bytes + 64 * k);
    return row;
}

/* One bit for each of 64 nodes: whether the row goes right there. */
static inline __attribute__((always_inline)) uint64_t answers_of(
    const uint8_t *features, const uint8_t *bins, uint64_t missing_left, const WideRow *row) {
    __m512i feature = _mm512_load_si512(features), bin = _mm512_load_si512(bins);
    __m512i low = _mm512_permutex2var_epi8(row->part[0], feature, row->part[1]);
    __m512i high = _mm512_permutex2var_epi8(row->part[2], feature, row->part[3]);
    __m512i x = _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(feature), high);
    x = _mm512_mask_add_epi8(x, missing_left, x, _mm512_set1_epi8(1));
    return _mm512_cmpge_epu8_mask(x, bin);
}

/* The exit, 0 to 63, of a tree's top. */
static inline __attribute__((always_inline)) uint32_t heap_exit(
    const Forest *forest, int64_t tree, const WideRow *row) {
    uint64_t right = answers_of(
        forest->feature + TOP * tree, forest->bin + TOP * tree, forest->missing_left[tree], row);
    uint64_t at = 1;
#define DOWN __asm__("bt %0, %1\n\tadc %0, %0" : "+r"(at) : "r"(right) : "cc");
    DOWN DOWN DOWN DOWN DOWN DOWN
#undef DOWN
    return (uint32_t)at - TOP;
}

static inline __attribute__((always_inline)) void walk_heaps6(
    const Forest *forest, const WideRow *row, const int32_t *order, double *leaves) {
    uint32_t exit[AHEAD];
    int64_t count = forest->of_shape[HEAP6];
    for (int64_t first = 0; first < count; first += AHEAD) {
        int64_t many = count - first < AHEAD ? count - first : AHEAD;
        for (int64_t k = 0; k < many; k++) {
            int64_t tree = first + k;
            exit[k] = (uint32_t)(TOP * tree) + heap_exit(forest, tree, row);
            if (forest->narrow) __builtin_prefetch(forest->leaf32 + exit[k]);
            else __builtin_prefetch(forest->leaf64 + exit[k]);
        }
        if (forest->narrow)
            for (int64_t k = 0; k < many; k++) leaves[order[first + k]] = forest->leaf32[exit[k]];
        else
            for (int64_t k = 0; k < many; k++) leaves[order[first + k]] = forest->leaf64[exit[k]];
    }
}

/* The leaf below a slot. The first answer is the second node's number: a branch there would be guessed wrong half the
   time. */
#define BELOW(slot) ({ \
        __auto_type at = slot; \
        uint32_t right = two[at->where[0]] >= at->bin[0]; \
        at->leaf[2 * right + (two[at->where[1 + right]] >= at->bin[1 + right])]; \
    })

static inline __attribute__((always_inline)) void walk_heaps8(
    const Forest *forest, const WideRow *row, const uint8_t *two, const int32_t *order, double *leaves) {
    uint32_t exit[AHEAD];
    int64_t count = forest->of_shape[HEAP8], above = forest->of_shape[HEAP6];
    for (int64_t first = 0; first < count; first += AHEAD) {
        int64_t many = count - first < AHEAD ? count - first : AHEAD;
        for (int64_t k = 0; k < many; k++) {
            exit[k] = (uint32_t)(TOP * (first + k)) + heap_exit(forest, above + first + k, row);
            if (forest->narrow) __builtin_prefetch(forest->slot32 + exit[k]);
            else __builtin_prefetch(forest->slot64 + exit[k]);
        }
        if (forest->narrow)
            for (int64_t k = 0; k < many; k++) leaves[order[first + k]] = BELOW(forest->slot32 + exit[k]);
        else
            for (int64_t k = 0; k < many; k++) leaves[order[first + k]] = BELOW(forest->slot64 + exit[k]);
    }
}
#undef BELOW
