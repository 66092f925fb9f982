"""The tables of a forest and the walk over them. Arrays in, arrays out; the face has checked what is checked here not."""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fanxing_core.columns import rounded_up

cnp.import_array()


cdef extern from "walk.h":
    ctypedef struct Step:
        pass
    ctypedef struct Slot32:
        pass
    ctypedef struct Slot64:
        pass
    ctypedef struct Dense:
        pass
    ctypedef struct CForest "Forest":
        int64_t features_wide, plain, split, questions, columns
        const int32_t* features
        const int32_t* first_column
        const float* pivots32
        const float* cuts32
        const double* pivots64
        const double* cuts64
        const int64_t* lines
        const int64_t* split_starts
        const float* split_cuts32
        const double* split_cuts64
        const int32_t* asked
        const uint32_t* category_offsets
        const uint32_t* category_words
        int64_t trees, outputs
        int64_t of_shape[3]
        int sum32, narrow
        const int32_t* order
        const int32_t* places
        const Dense* dense6
        const Dense* dense8
        const uint32_t* tree_outputs
        const double* base
        double divisor
        const uint8_t* feature
        const uint8_t* bin
        const uint64_t* missing_left
        const float* leaf32
        const double* leaf64
        const Slot32* slot32
        const Slot64* slot64
        const Step* steps
        const double* step_leaf
        const uint32_t* roots
        const int32_t* depths
    int HEAP6, HEAP8, STEPS, MACHINE_AVX512, WIDE_MAX, TOP
    int best_machine() noexcept nogil
    int forest_margins(const CForest*, int, const void*, int, int64_t, double*) noexcept nogil


cdef extern from "shapes.h":
    ctypedef struct Node:
        double threshold
        int32_t feature
        uint32_t left, flags, category_set
    ctypedef struct CTree "Tree":
        const Node* nodes
        const int32_t* columns
        const uint8_t* bins
    int32_t depth_of(const CTree*, uint32_t) noexcept nogil
    int32_t last_column_of(const CTree*, uint32_t) noexcept nogil
    void lay_heap6(const CTree*, uint32_t, uint8_t*, uint8_t*, uint64_t*, float*, double*) noexcept nogil
    void lay_heap8(const CTree*, uint32_t, uint8_t*, uint8_t*, uint64_t*, Slot32*, Slot64*) noexcept nogil
    void lay_dense(const CTree*, uint32_t, int, Dense*) noexcept nogil
    void lay_steps(const CTree*, int64_t, Step*, double*) noexcept nogil

MACHINES = ("portable", "avx2", "avx512")
"""The walks, by what they need of the processor; this one can do those up to BEST."""
BEST = best_machine()
HEAP_DEPTHS = (6, 8)
LONG = 30_000
"""Trees times rows from which on the walk lets other threads run."""


cdef class Walk:
    """The tables of one forest for one kind of machine."""

    cdef CForest forest
    cdef int machine
    cdef list _kept
    cdef readonly int features, outputs

    def __init__(self, artefact, columns, int machine):
        self._kept = []
        self.machine = machine
        self.features = self.forest.features_wide = artefact.features
        self.outputs = self.forest.outputs = artefact.outputs
        self._lay_columns(artefact, columns)
        self._lay_trees(artefact, columns)

    cdef void* _keep(self, array) except? NULL:
        """The address of an array's data, which lives as long as this does."""
        self._kept.append(array)
        return cnp.PyArray_DATA(array)

    cdef _lay_columns(self, artefact, columns):
        cdef CForest* forest = &self.forest
        forest.plain, forest.split, forest.columns = columns.plain, columns.split, columns.count
        forest.questions = len(columns.questions)
        forest.features = <const int32_t*> self._keep(columns.features)
        forest.first_column = <const int32_t*> self._keep(columns.first_column)
        lines, pivots, cuts, split_cuts = columns.in_lines()
        forest.lines = <const int64_t*> self._keep(lines)
        forest.split_starts = <const int64_t*> self._keep(columns.split_starts())
        forest.pivots32 = <const float*> self._keep(rounded_up(pivots))
        forest.cuts32 = <const float*> self._keep(rounded_up(cuts))
        forest.split_cuts32 = <const float*> self._keep(rounded_up(split_cuts))
        if artefact.comparison == 64:
            forest.pivots64 = <const double*> self._keep(pivots)
            forest.cuts64 = <const double*> self._keep(cuts)
            forest.split_cuts64 = <const double*> self._keep(split_cuts)
        forest.asked = <const int32_t*> self._keep(columns.questions)
        forest.category_offsets = <const uint32_t*> self._keep(artefact.category_offsets)
        forest.category_words = <const uint32_t*> self._keep(artefact.category_words)

    cdef _lay_trees(self, artefact, columns):
        cdef CForest* forest = &self.forest
        cdef CTree tree
        tree.nodes = <const Node*> self._keep(artefact.nodes)
        tree.columns = <const int32_t*> self._keep(columns.node_columns)
        tree.bins = <const uint8_t*> self._keep(columns.node_bins)
        roots = artefact.roots
        depths, last_columns = np.empty(len(roots), "i4"), np.empty(len(roots), "i4")
        cdef const uint32_t[::1] root = roots
        cdef int32_t[::1] depth = depths
        cdef int32_t[::1] last_column = last_columns
        cdef Py_ssize_t place
        with nogil:
            for place in range(root.shape[0]):
                depth[place] = depth_of(&tree, root[place])
                last_column[place] = last_column_of(&tree, root[place])
        shapes = self._shapes(depths, last_columns)
        order = np.lexsort((-depths, shapes)).astype("i4")
        counts = np.bincount(shapes, minlength=3)
        forest.trees = len(roots)
        forest.order = <const int32_t*> self._keep(order)
        forest.places = <const int32_t*> self._keep(np.argsort(order).astype("i4"))
        forest.tree_outputs = <const uint32_t*> self._keep(artefact.tree_outputs)
        forest.base = <const double*> self._keep(artefact.base)
        forest.divisor = artefact.divisor
        forest.sum32 = artefact.sum == 32
        leaves = artefact.nodes["threshold"][artefact.is_leaf]
        with np.errstate(over="ignore"):
            forest.narrow = bool((leaves.astype("f4") == leaves).all())
        for place in range(3):
            forest.of_shape[place] = counts[place]
        ordered = np.ascontiguousarray(roots[order])
        self._lay_heaps(&tree, ordered)
        if counts[STEPS]:
            self._lay_steps(&tree, len(artefact.nodes), ordered[len(ordered) - counts[STEPS]:], depths[order][-counts[STEPS]:])

    def _shapes(self, depths, last_columns):
        """Which shape each tree gets: heaps where the machine has wide registers and their columns fit."""
        if self.machine < MACHINE_AVX512:
            return np.full(len(depths), STEPS)
        shapes = np.where(depths <= HEAP_DEPTHS[0], HEAP6, np.where(depths <= HEAP_DEPTHS[1], HEAP8, STEPS))
        return np.where(last_columns < WIDE_MAX, shapes, STEPS)

    cdef _lay_heaps(self, CTree* tree, ordered):
        cdef CForest* forest = &self.forest
        cdef Py_ssize_t small = forest.of_shape[HEAP6], large = forest.of_shape[HEAP8], place
        cdef const uint32_t[::1] root = ordered
        cdef uint8_t* feature = <uint8_t*> self._keep(aligned(TOP * (small + large), "u1"))
        cdef uint8_t* bins = <uint8_t*> self._keep(aligned(TOP * (small + large), "u1"))
        cdef uint64_t* missing = <uint64_t*> self._keep(aligned(small + large, "u8"))
        cdef float* leaf32 = NULL
        cdef double* leaf64 = NULL
        cdef Slot32* slot32 = NULL
        cdef Slot64* slot64 = NULL
        if forest.narrow:
            leaf32 = <float*> self._keep(aligned(TOP * small, "f4"))
            slot32 = <Slot32*> self._keep(aligned(TOP * large * sizeof(Slot32), "u1"))
        else:
            leaf64 = <double*> self._keep(aligned(TOP * small, "f8"))
            slot64 = <Slot64*> self._keep(aligned(TOP * large * sizeof(Slot64), "u1"))
        cdef Dense* dense6 = <Dense*> self._keep(aligned(TOP * small * sizeof(Dense), "u1"))
        cdef Dense* dense8 = <Dense*> self._keep(aligned(4 * TOP * large * sizeof(Dense), "u1"))
        forest.dense6, forest.dense8 = dense6, dense8
        forest.feature, forest.bin, forest.missing_left = feature, bins, missing
        forest.leaf32, forest.leaf64, forest.slot32, forest.slot64 = leaf32, leaf64, slot32, slot64
        with nogil:
            for place in range(small):
                lay_heap6(tree, root[place], feature + TOP * place, bins + TOP * place, missing + place,
                          leaf32 + TOP * place if leaf32 else NULL, leaf64 + TOP * place if leaf64 else NULL)
                lay_dense(tree, root[place], 6, dense6 + TOP * place)
            for place in range(large):
                lay_dense(tree, root[small + place], 8, dense8 + 4 * TOP * place)
                lay_heap8(tree, root[small + place], feature + TOP * (small + place), bins + TOP * (small + place),
                          missing + small + place, slot32 + TOP * place if slot32 else NULL,
                          slot64 + TOP * place if slot64 else NULL)

    cdef _lay_steps(self, CTree* tree, Py_ssize_t nodes, roots, depths):
        cdef Step* steps = <Step*> self._keep(aligned(nodes * sizeof(Step), "u1"))
        cdef double* leaf = <double*> self._keep(aligned(nodes, "f8"))
        lay_steps(tree, nodes, steps, leaf)
        self.forest.steps, self.forest.step_leaf = steps, leaf
        self.forest.roots = <const uint32_t*> self._keep(np.ascontiguousarray(roots))
        self.forest.depths = <const int32_t*> self._keep(np.ascontiguousarray(depths))

    def predict_margin(self, rows):
        """Margins of rows, float32 or float64 (n, features): float64 (n,) of one output, else (n, outputs)."""
        cdef cnp.ndarray checked = self._checked(rows)
        cdef int is_float = cnp.PyArray_TYPE(checked) == cnp.NPY_FLOAT
        cdef cnp.npy_intp shape[2]
        cdef int failed
        shape[0], shape[1] = cnp.PyArray_DIM(checked, 0), self.outputs
        cdef cnp.ndarray out = cnp.PyArray_SimpleNew(1 if self.outputs == 1 else 2, shape, cnp.NPY_DOUBLE)
        cdef const void* data = cnp.PyArray_DATA(checked)
        cdef double* to = <double*> cnp.PyArray_DATA(out)
        if shape[0] * self.forest.trees < LONG:
            failed = forest_margins(&self.forest, self.machine, data, is_float, shape[0], to)
        else:
            with nogil:
                failed = forest_margins(&self.forest, self.machine, data, is_float, shape[0], to)
        if failed:
            raise MemoryError("no memory to walk the forest")
        return out

    cdef cnp.ndarray _checked(self, rows):
        cdef cnp.ndarray array
        if type(rows) is cnp.ndarray:
            array = rows
            if (cnp.PyArray_TYPE(array) in (cnp.NPY_FLOAT, cnp.NPY_DOUBLE) and cnp.PyArray_NDIM(array) == 2
                    and cnp.PyArray_DIM(array, 1) == self.features and cnp.PyArray_IS_C_CONTIGUOUS(array)
                    and cnp.PyArray_ISNOTSWAPPED(array) and cnp.PyArray_ISALIGNED(array)):
                return array
        return as_rows(rows, self.features)


def as_rows(rows, features):
    """Rows in an order and type that the walk takes, copied where they are not. ValueError for another shape."""
    array = np.asarray(rows)
    if array.ndim != 2 or array.shape[1] != features:
        raise ValueError(f"rows must be (n, {features}), not {array.shape}")
    kind = np.float32 if array.dtype.type is np.float32 else np.float64
    return np.require(array.astype(kind, casting="safe", copy=False), requirements=("C", "A"))


def aligned(count, kind):
    """A zeroed array whose data begins at a multiple of 64 bytes."""
    size = count * np.dtype(kind).itemsize
    raw = np.zeros(size + 64, "u1")
    start = -raw.ctypes.data % 64
    return raw[start: start + size].view(kind)
