/* What explain.h compiles once a width of registers: LANES doubles; FN(name) is the name there. Lanes only meet in
   explain_output, in the order of the points, so that no width changes a bit. */

typedef double FN(Lanes) __attribute__((vector_size(8 * LANES), aligned(8)));

/* 1 where the row goes left, else 0; in lanes, since compilers make `<` a branch that no processor can foresee. */
INLINE double FN(goes_left)(const Explainer *self, const Split *split, const double *values) {
    typedef int64_t Bits __attribute__((vector_size(16)));
    typedef double Pair __attribute__((vector_size(16)));
    if (split->flags) return special_goes_left(self, split, values);
    const Pair one = {1, 1}, value = {values[split->value]}, threshold = {split->threshold};
    return ((Pair)((Bits)one & (Bits)(value < threshold)))[0];
}

/* From the root: where the row goes, products, factors. Leaves in each split's node what to multiply its gain by. */
INLINE void FN(descend)(
    const Explainer *self, const Scratch *at, const Split *split, size_t count, const int blocks) {
    const FN(Lanes) *times = (const FN(Lanes) *)self->times;
    FN(Lanes) *nodes = (FN(Lanes) *)at->nodes, *to_left = (FN(Lanes) *)at->to_left;
    for (; count-- > 0; split++, to_left += blocks) {
        const double left = FN(goes_left)(self, split, at->values), stays = at->stays[split->above];
        const double share = split->share, step = left - share, above = split->above_share;
        FN(Lanes) *node = nodes + (size_t)split->slot * blocks, *child = nodes + (size_t)split->children * blocks;
        at->stays[split->children] = left * stays;
        at->stays[split->children + 1] = stays - left * stays;
        for (int b = 0; b < blocks; b++) {
            const FN(Lanes) product = node[b];
            FN(Lanes) time = times[b], adds = step * product;
            if (split->above) {
                const FN(Lanes) inverse = 1 / (above * (1 - time) + time);
                time *= stays * inverse;
                adds *= stays * above * inverse * inverse;
            }
            const FN(Lanes) factor = share + step * time, left_product = factor * product;
            to_left[b] = factor;
            child[b] = left_product;
            child[b + blocks] = product - left_product;
            node[b] = adds;
        }
    }
}

/* From the leaves: means, and what each split adds to its feature. */
INLINE void FN(ascend)(const Scratch *at, const Split *splits, size_t count, const int blocks) {
    FN(Lanes) *nodes = (FN(Lanes) *)at->nodes, *sums = (FN(Lanes) *)at->sums;
    for (size_t k = count; k-- > 0;) {
        const Split *split = splits + k;
        const FN(Lanes) *child = nodes + (size_t)split->children * blocks;
        const FN(Lanes) *to_left = (const FN(Lanes) *)at->to_left + k * blocks;
        FN(Lanes) *node = nodes + (size_t)split->slot * blocks, *sum = sums + (size_t)(split->value / 2) * blocks;
        for (int b = 0; b < blocks; b++) {
            const FN(Lanes) right = child[b + blocks], gain = child[b] - right, adds = node[b] * gain;
            node[b] = right + to_left[b] * gain;
            sum[b] += adds;
        }
    }
}

INLINE void FN(explain_tree)(const Explainer *self, const Scratch *at, size_t tree, const int blocks) {
    const uint32_t *start = self->tree_starts + 2 * tree;
    const Split *splits = self->splits + start[0];
    const size_t count = start[2] - start[0];
    FN(Lanes) *nodes = (FN(Lanes) *)at->nodes;
    const FN(Lanes) zero = {0};
    at->stays[0] = 1;
    for (int b = 0; b < blocks; b++) nodes[b] = zero + 1;
    FN(descend)(self, at, splits, count, blocks);
    for (const Leaf *leaf = self->leaves + start[1]; leaf < self->leaves + start[3]; leaf++)
        for (int b = 0; b < blocks; b++) nodes[leaf->slot * blocks + b] = zero + leaf->value;
    FN(ascend)(at, splits, count, blocks);
}

INLINE void FN(explain_output)(
    const Explainer *self, const Scratch *at, size_t output, double *out, const int blocks) {
    const int points = blocks * LANES;
    for (size_t i = 0; i < self->used * points; i++) at->sums[i] = 0;
    for (size_t tree = self->output_starts[output]; tree < self->output_starts[output + 1]; tree++)
        FN(explain_tree)(self, at, tree, blocks);
    for (size_t i = 0; i < self->width; i++) out[i] = 0;
    for (size_t place = 0; place < self->used; place++) {
        double phi = 0;
        for (int j = 0; j < points; j++) phi += self->weights[j] * at->sums[place * points + j];
        out[self->columns[place]] = phi / self->divisor;
    }
    out[self->width - 1] = self->expectations[output];
}

/* The usual numbers of points have loops of their own, unrolled. */
static void FN(explain_rows)(
    const Explainer *self, const Scratch *at, const double *rows, size_t count, double *out) {
    for (; count-- > 0; rows += self->width - 1) {
        take_row(self, rows, at->values);
        for (size_t output = 0; output < self->outputs; output++, out += self->width) {
            if (self->points == 4) FN(explain_output)(self, at, output, out, 4 / LANES);
            else if (self->points == 8) FN(explain_output)(self, at, output, out, 8 / LANES);
            else FN(explain_output)(self, at, output, out, self->points / LANES);
        }
    }
}
