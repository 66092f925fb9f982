/* Exact path-dependent TreeSHAP in O(points) a node, with neither recursion nor a table exponential in depth.

   A Shapley value is the mean of what a feature adds to those known before it, over all orders. Let every feature come
   to be known at a time of its own, uniform on [0, 1]: then it is an integral over the time t (Owen's multilinear
   extension). A leaf weighs the product, over the features on its path, of

       share (1 - t) + stays t        share: of the training rows, those that stay on the path by this feature;
                                      stays: 1 or 0, whether the row does

   and phi of a feature is the integral of (stays - share) leaf x the product of the others. That is a polynomial of
   lower degree than the path has features, so Gauss-Legendre with half as many points is exact.

   At each t, `nodes` holds the product on the way down, and on the way up the mean of the leaves below, each weighed by
   its factors below. Siblings' factors are together 1, so one suffices. With step = stays - share, of the left child:

       to_left = share + step t     mean = right + to_left (left - right)     phi += step product (left - right)

   Where the path has met the feature before, the product holds its factor from there, above (1 - t) + t = 1 / r, and
   the two must become one: to_left = share + step t r, and phi += step above r^2 product (left - right). Has the row
   left the path by this feature already, then to_left = share, and nothing is added that was not counted above. */
#ifndef FANXING_EXPLAIN_H
#define FANXING_EXPLAIN_H
#include <stddef.h>
#include <stdint.h>

enum { LESS_EQUAL = 1, MISSING_LEFT = 2, CATEGORY_LEFT = 4, CATEGORY_RIGHT = 8 }; /* as in artefact.py */

typedef struct {
    double threshold;
    double share; /* of the node's training rows, that go left */
    double above_share; /* of the training rows, that stay on the path by this feature so far */
    uint32_t value; /* which of the row's values: twice the feature's place, plus one where missing goes right */
    uint32_t flags; /* 0: `value < threshold` goes left, and that is all */
    uint32_t category_set;
    uint32_t slot; /* of this node in its tree; the root has 0 */
    uint32_t children; /* slot of the left child; the right one follows it */
    uint32_t above; /* slot below the nearest split above by the same feature; 0: there is none */
} Split;

typedef struct {
    double value;
    uint64_t slot;
} Leaf;

typedef struct {
    const Split *splits; /* of a tree, parents first */
    const Leaf *leaves;
    const uint32_t *tree_starts; /* first split and first leaf of each tree, and behind the last */
    const uint32_t *output_starts; /* first tree of each output, and behind the last */
    const uint32_t *columns; /* in the row, of the features used */
    const uint32_t *category_offsets, *category_words;
    const double *times, *weights; /* of the quadrature on [0, 1] */
    const double *expectations;
    double divisor;
    size_t outputs, used, width;
    int points, comparison;
} Explainer;

/* What one call writes to. Lanes of a node, split or feature are its points, side by side. */
typedef struct {
    double *nodes; /* (slots, points) */
    double *to_left; /* (splits, points) */
    double *sums; /* (used, points) */
    double *values; /* (used, 2) */
    double *stays; /* (slots,) */
} Scratch;

/* Each value twice: NaN is the least number where missing goes left, and the greatest where it goes right. */
static inline void take_row(const Explainer *self, const double *row, double *values) {
    for (size_t place = 0; place < self->used; place++) {
        const double raw = row[self->columns[place]], x = self->comparison == 32 ? (double)(float)raw : raw;
        values[2 * place] = x == x ? x : -__builtin_inf();
        values[2 * place + 1] = x == x ? x : __builtin_inf();
    }
}

static inline int in_set(const Explainer *self, uint32_t set, double x) {
    if (!(x > -1 && x < 4294967296.0)) return 0;
    const uint32_t start = self->category_offsets[set], category = (uint32_t)x;
    if (category / 32 >= self->category_offsets[set + 1] - start) return 0;
    return self->category_words[start + category / 32] >> category % 32 & 1;
}

/* Category sets and infinite thresholds. */
static inline int special_goes_left(const Explainer *self, const Split *split, const double *values) {
    const double *pair = values + (split->value & ~1u);
    if (pair[0] != pair[1]) return (split->flags & MISSING_LEFT) != 0;
    if (split->flags & CATEGORY_LEFT) return in_set(self, split->category_set, pair[0]);
    if (split->flags & CATEGORY_RIGHT) return !(pair[0] >= 0 && in_set(self, split->category_set, pair[0]));
    return split->flags & LESS_EQUAL ? pair[0] <= split->threshold : pair[0] < split->threshold;
}

#define INLINE static inline __attribute__((always_inline))
#define FN(name) name##_portable
#define LANES 2
#include "explain_lanes.h"
#undef FN
#undef LANES
#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx")
#define FN(name) name##_avx
#define LANES 4
#include "explain_lanes.h"
#undef FN
#undef LANES
#pragma GCC pop_options
#endif

/* SHAP values of rows (count, width - 1) into out (count, outputs, width): the same bits, portable or not. */
static void explain_rows(
    const Explainer *self, const Scratch *at, int portable, const double *rows, size_t count, double *out) {
#if defined(__x86_64__)
    if (!portable && __builtin_cpu_supports("avx")) {
        explain_rows_avx(self, at, rows, count, out);
        return;
    }
#endif
    (void)portable;
    explain_rows_portable(self, at, rows, count, out);
}

#endif
