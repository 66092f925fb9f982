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

static inline __attribute__((always_inline)) void walk_few_leaves(
    const Forest *forest, const WideRow *row, int narrow_row, const int32_t *order, double *leaves) {
    uint32_t exit[AHEAD];
    int64_t count = forest->of_shape[FEW_LEAVES];
    for (int64_t first = 0; first < count; first += AHEAD) {
        int64_t many = count - first < AHEAD ? count - first : AHEAD;
        for (int64_t k = 0; k < many; k += 2) {
            int64_t pair = (first + k) / 2, tree = first + k;
            uint64_t right = answers_of(
                forest->few_feature + TOP * pair, forest->few_bin + TOP * pair, forest->few_missing_left[pair], row,
                narrow_row);
            for (int half = 0; half < 2; half++) {
                exit[k + half] = leaf_of_answers(
                    forest->few_paths + 2 * FEW * (tree + half), (uint32_t)(right >> 32 * half));
                __builtin_prefetch(forest->few_leaf + FEW * (tree + half) + exit[k + half]);
            }
        }
        for (int64_t k = 0; k < many; k++) leaves[order[first + k]] = forest->few_leaf[FEW * (first + k) + exit[k]];
    }
}
