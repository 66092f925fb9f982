/* Trees of any depth with at most 32 leaves, as trainers leave that grow the best leaf first. All nodes of two trees are
   compared at once; then all leaves: a row is in the leaf whose path has exactly the row's answers. AVX-512 VBMI. */

static inline __attribute__((always_inline)) uint32_t leaf_of_answers(const uint32_t *paths, uint32_t right) {
    __m512i answers = _mm512_set1_epi32((int)right);
    __m512i low = _mm512_xor_si512(answers, _mm512_load_si512(paths + FEW));
    __m512i high = _mm512_xor_si512(answers, _mm512_load_si512(paths + FEW + 16));
    uint32_t in_low = _mm512_testn_epi32_mask(low, _mm512_load_si512(paths));
    uint32_t in_high = _mm512_testn_epi32_mask(high, _mm512_load_si512(paths + 16));
    return _tzcnt_u32(in_low | in_high << 16);
}

/* The exits, 0 to 31, of `many` trees from `first` on, which is even; `exit` has room for an even number. */
static inline __attribute__((always_inline)) void few_exits(
    const Forest *forest, int64_t first, int64_t many, const WideRow *row, uint32_t *exit) {
    for (int64_t k = 0; k < many; k += 2) {
        int64_t pair = (first + k) / 2;
        uint64_t right = answers_of(
            forest->few_feature + TOP * pair, forest->few_bin + TOP * pair, forest->few_missing_left[pair], row);
        for (int half = 0; half < 2; half++)
            exit[k + half] =
                leaf_of_answers(forest->few_paths + 2 * FEW * (first + k + half), (uint32_t)(right >> 32 * half));
    }
}

static inline __attribute__((always_inline)) void walk_few_leaves(
    const Forest *forest, const WideRow *row, const int32_t *order, double *leaves) {
    uint32_t exit[AHEAD];
    int64_t count = forest->of_shape[FEW_LEAVES];
    for (int64_t first = 0; first < count; first += AHEAD) {
        int64_t many = count - first < AHEAD ? count - first : AHEAD;
        few_exits(forest, first, many, row, exit);
        for (int64_t k = 0; k < many; k++) __builtin_prefetch(forest->few_leaf + FEW * (first + k) + exit[k]);
        for (int64_t k = 0; k < many; k++) leaves[order[first + k]] = forest->few_leaf[FEW * (first + k) + exit[k]];
    }
}

#define CHUNK 128 /* trees whose ways are gone together */
#define ROUND 4 /* steps between looking which trees have come to a leaf */

/* Goes on from `at` until every tree is in a leaf; those that are leave the list, without a branch. `who` of them each
   is, to find its leaf's place in `ends`. Groups are filled up with what is there already, which changes nothing. */
static inline void walk_on(
    const Forest *forest, const uint8_t *two, uint32_t *at, uint16_t *who, int64_t many, uint32_t *ends) {
    const Step *steps = forest->steps;
    while (many) {
        int64_t left = 0, whole = (many + TOGETHER - 1) / TOGETHER * TOGETHER;
        for (int64_t k = many; k < whole; k++) at[k] = at[many - 1], who[k] = who[many - 1];
        for (int64_t first = 0; first < whole; first += TOGETHER) {
            uint32_t now[TOGETHER];
            for (int k = 0; k < TOGETHER; k++) now[k] = at[first + k];
            for (int round = 0; round < ROUND; round++)
                for (int k = 0; k < TOGETHER; k++) now[k] = step_avx512(steps, now[k], two);
            for (int k = 0; k < TOGETHER; k++) {
                uint16_t tree = who[first + k];
                ends[tree] = at[left] = now[k];
                who[left] = tree;
                left += (steps[now[k]].where_bin & 511) != LEAF_BIN;
            }
        }
        many = left;
    }
}

/* Larger trees: the 31 nodes that most rows pass are answered so, and the rest of the way is gone step by step. */
static inline __attribute__((always_inline)) void walk_topped(
    const Forest *forest, const WideRow *row, const uint8_t *two, const int32_t *order,
    double *leaves) {
    uint32_t at[CHUNK], ends[CHUNK];
    uint16_t who[CHUNK];
    int64_t count = forest->of_shape[TOPPED], before = (forest->of_shape[FEW_LEAVES] + 1) / 2 * 2;
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t many = count - first < CHUNK ? count - first : CHUNK, left = 0;
        few_exits(forest, before + first, many, row, ends);
        for (int64_t k = 0; k < many; k++) __builtin_prefetch(forest->few_next + FEW * (first + k) + ends[k]);
        for (int64_t k = 0; k < many; k++) {
            uint32_t next = forest->few_next[FEW * (first + k) + ends[k]];
            ends[k] = at[left] = next & ~GOES_ON;
            who[left] = (uint16_t)k;
            left += next >> 31;
            __builtin_prefetch(forest->steps + ends[k]);
        }
        walk_on(forest, two, at, who, left, ends);
        for (int64_t k = 0; k < many; k++) leaves[order[first + k]] = forest->step_leaf[ends[k]];
    }
}
