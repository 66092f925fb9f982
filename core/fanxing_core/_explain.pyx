"""Exact TreeSHAP. Arrays in, arrays out; the face has checked all that is checked here not. The method: explain.h."""

from libc.stdint cimport int32_t, uint32_t, uint64_t, uintptr_t


cdef extern from "explain.h" nogil:
    ctypedef struct Split:
        double threshold
        double share, above_share
        uint32_t value, flags, category_set, slot, children, above
    ctypedef struct Leaf:
        double value
        uint64_t slot
    ctypedef struct CExplainer "Explainer":
        const Split* splits
        const Leaf* leaves
        const uint32_t* tree_starts
        const uint32_t* output_starts
        const uint32_t* columns
        const uint32_t* category_offsets
        const uint32_t* category_words
        const double* times
        const double* weights
        const double* expectations
        double divisor
        size_t outputs, used, width
        int points, comparison
    ctypedef struct CScratch "Scratch":
        double* nodes
        double* to_left
        double* sums
        double* values
        double* stays
    void explain_rows(const CExplainer*, const CScratch*, int, const double*, size_t, double*) noexcept

SPLIT_BYTES, LEAF_BYTES = sizeof(Split), sizeof(Leaf)


def trace(
    const uint32_t[::1] roots, const int32_t[::1] features, const uint32_t[::1] lefts, const double[::1] share,
    uint32_t[::1] tree, uint32_t[::1] above, double[::1] kept, double[::1] reach, uint32_t[::1] distinct,
):
    """Fills what a path from the root to each node knows: its tree; the node below the nearest split above by the same
    feature, or the root (in splits only); the shares of training rows that stay on the path by its last feature, and
    by all of them; how many features it has. Children come after their parents."""
    cdef uint32_t node, child, place
    cdef uint32_t[::1] parent = tree.copy()
    with nogil:
        for place in range(<uint32_t> roots.shape[0]):
            node = roots[place]
            tree[node], parent[node], kept[node], reach[node], distinct[node] = place, node, 1, 1, 0
        for node in range(<uint32_t> features.shape[0]):
            if features[node] < 0:
                continue
            place = node
            while parent[place] != place and features[parent[place]] != features[node]:
                place = parent[place]
            above[node] = place
            for child in range(lefts[node], lefts[node] + 2):
                tree[child], parent[child] = tree[node], node
                kept[child], reach[child] = kept[place] * share[child], reach[node] * share[child]
                distinct[child] = distinct[node] + (parent[place] == place)


cdef class Kernel:
    """What only depends on the forest. It is never written to after, so that threads may share it."""

    cdef CExplainer forest
    cdef Py_ssize_t slots
    cdef bint portable
    cdef readonly Py_ssize_t scratch_size
    cdef tuple kept

    def __cinit__(
        self, const Split[::1] splits, const Leaf[::1] leaves, const uint32_t[:, ::1] tree_starts,
        const uint32_t[::1] output_starts, const uint32_t[::1] columns, const uint32_t[::1] category_offsets,
        const uint32_t[::1] category_words, const double[:, ::1] rule, const double[::1] expectations, double divisor,
        int comparison, Py_ssize_t slots, Py_ssize_t features, bint portable,
    ):
        cdef CExplainer* forest = &self.forest
        forest.splits, forest.leaves = &splits[0], &leaves[0]
        forest.tree_starts, forest.output_starts, forest.columns = &tree_starts[0, 0], &output_starts[0], &columns[0]
        forest.category_offsets, forest.category_words = &category_offsets[0], &category_words[0]
        forest.times, forest.weights, forest.expectations = &rule[0, 0], &rule[1, 0], &expectations[0]
        forest.divisor, forest.comparison, forest.points = divisor, comparison, <int> rule.shape[1]
        forest.outputs, forest.used, forest.width = expectations.shape[0], columns.shape[0], features + 1
        self.kept = (splits, leaves, tree_starts, output_starts, columns, category_offsets, category_words, rule,
                     expectations)
        self.slots, self.portable = slots, portable
        # Nodes, factors, sums; values, stays; and room to begin at a line of the cache, so that no lanes straddle two.
        self.scratch_size = (slots + slots // 2 + columns.shape[0]) * rule.shape[1]
        self.scratch_size += 2 * columns.shape[0] + slots + 7

    def explain(self, const double[:, ::1] rows, double[:, :, ::1] out, double[::1] scratch):
        """SHAP values of rows (n, features), n > 0, into out (n, outputs, features + 1). Scratch is of this call."""
        cdef size_t points = self.forest.points
        cdef double* place = <double*> (<uintptr_t> &scratch[7] & ~<uintptr_t> 63)
        cdef CScratch at
        at.nodes, place = place, place + self.slots * points
        at.to_left, place = place, place + self.slots // 2 * points
        at.sums, place = place, place + self.forest.used * points
        at.values, at.stays = place, place + 2 * self.forest.used
        with nogil:
            explain_rows(&self.forest, &at, self.portable, &rows[0, 0], rows.shape[0], &out[0, 0, 0])
