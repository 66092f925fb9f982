"""The tables of a forest and the walk over them. Arrays in, arrays out; the face has checked what this does not."""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fanxing_core.columns import rounded_up
from fanxing_core.errors import ModelError

cnp.import_array()

MACHINES = ("portable", "avx2", "avx512")
"""The walks, by what they need of the processor; this one can do those up to BEST."""
BEST = best_machine()
HEAP_DEPTHS = (6, 8)
COLUMNS_MAX = 1 << 22
"""A step of the general walk has 23 bits for where it looks."""
NODES_MAX = 1 << 26
"""Exits of heaps, and cells, are counted in 32 bits."""
LONG = 30_000
"""Trees times rows from which on the walk lets other threads run."""


cdef class Walk:
    """The tables of one forest for one kind of machine."""

    cdef CForest forest
    cdef readonly int machine, features, outputs, depth
    cdef list _kept

    def __init__(self, artefact, columns, int machine):
        """Of an `Artefact`, its `Columns`, and a place in MACHINES."""
        if self._kept is not None:
            raise TypeError("a forest is made once")
        self._kept = []
        if len(artefact.nodes) > NODES_MAX:
            raise ModelError(f"the forest has {len(artefact.nodes)} nodes; this core walks {NODES_MAX}")
        if columns.count > COLUMNS_MAX:
            raise ModelError(f"the forest asks {columns.count} different questions; this core knows {COLUMNS_MAX}")
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
        forest.numeric, forest.columns = columns.numeric, columns.count
        forest.features = <const int32_t*> self._keep(columns.features)
        lines, pivots, cuts = columns.in_lines()
        forest.lines = <const int64_t*> self._keep(lines)
        forest.pivots32 = <const float*> self._keep(aligned_copy(rounded_up(pivots)))
        forest.cuts32 = <const float*> self._keep(aligned_copy(rounded_up(cuts)))
        if artefact.comparison == 64:
            forest.pivots64 = <const double*> self._keep(aligned_copy(pivots))
            forest.cuts64 = <const double*> self._keep(aligned_copy(cuts))
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
        leaf_counts = np.empty(len(roots), "i8")
        cdef int64_t[::1] leaf_count = leaf_counts
        cdef const uint32_t[::1] root = roots
        cdef int32_t[::1] depth = depths
        cdef int32_t[::1] last_column = last_columns
        cdef Py_ssize_t place
        with nogil:
            for place in range(root.shape[0]):
                depth[place] = depth_of(&tree, root[place])
                last_column[place] = last_column_of(&tree, root[place])
                leaf_count[place] = leaves_of_tree(&tree, root[place])
        self.depth = depths.max(initial=0)
        shapes = self._shapes(depths, last_columns, leaf_counts)
        order = np.lexsort((np.where(shapes == STEPS, -depths, 0), shapes)).astype("i4")
        counts = np.bincount(shapes, minlength=SHAPES)
        forest.trees = len(roots)
        forest.order = <const int32_t*> self._keep(order)
        forest.places = <const int32_t*> self._keep(np.argsort(order).astype("i4"))
        forest.tree_outputs = <const uint32_t*> self._keep(artefact.tree_outputs)
        forest.base = <const double*> self._keep(artefact.base)
        forest.divisor, forest.scale, forest.transform = artefact.margin_divisor, artefact.scale, artefact.transform
        forest.prediction_divisor = artefact.divisor / artefact.margin_divisor
        forest.sum32 = artefact.sum == 32
        leaves = artefact.nodes["threshold"][artefact.is_leaf]
        with np.errstate(over="ignore"):
            forest.narrow = bool((leaves.astype("f4") == leaves).all())
        for place in range(SHAPES):
            forest.of_shape[place] = counts[place]
        ordered = np.ascontiguousarray(roots[order])
        self._lay_heaps(&tree, ordered)
        forest.needs_two = counts[HEAP8] + counts[TOPPED] + counts[STEPS] > 0
        first = counts[HEAP6] + counts[HEAP8]
        covers = <const double*> self._keep(artefact.covers) if len(artefact.covers) else NULL
        rest, leaf_counts = ordered[first:], leaf_counts[order][first:]
        self._lay_few_leaves(&tree, rest, leaf_counts, covers)
        self._lay_spread(&tree, rest, leaf_counts)
        self._lay_steps(&tree, len(artefact.nodes), rest, depths[order][first:], leaf_counts)

    def _shapes(self, depths, last_columns, leaf_counts):
        """Which shape each tree gets: heaps where the machine has wide registers and their columns fit."""
        if self.machine < MACHINE_AVX512:
            return np.full(len(depths), STEPS)
        shapes = np.where(depths <= HEAP_DEPTHS[1], HEAP8, TOPPED)
        shapes = np.where(leaf_counts <= FEW, FEW_LEAVES, shapes)
        shapes = np.where(depths <= HEAP_DEPTHS[0], HEAP6, shapes)
        return np.where(last_columns < WIDE_MAX, shapes, STEPS)

    cdef _lay_heaps(self, CTree* tree, ordered):
        cdef CForest* forest = &self.forest
        cdef Py_ssize_t small = forest.of_shape[HEAP6], large = forest.of_shape[HEAP8], place
        cdef Py_ssize_t both = small + large, nodes = TOP * small + 4 * TOP * large
        cdef const uint32_t[::1] root = ordered
        cdef uint8_t* feature = <uint8_t*> self._keep(aligned(TOP * both, "u1"))
        cdef uint8_t* bins = <uint8_t*> self._keep(aligned(TOP * both, "u1"))
        cdef uint64_t* missing = <uint64_t*> self._keep(aligned(both, "u8"))
        cdef Dense dense
        cdef Slot32* slot32 = NULL
        cdef Slot64* slot64 = NULL
        dense.offset = <uint16_t*> self._keep(aligned(nodes, "u2"))
        dense.bin = <uint8_t*> self._keep(aligned(nodes, "u1"))
        dense.more = <uint8_t*> self._keep(aligned(nodes, "u1"))
        dense.leaf32 = dense.leaf64 = NULL
        if forest.narrow:
            dense.leaf32 = <float*> self._keep(aligned(nodes, "f4"))
            slot32 = <Slot32*> self._keep(aligned(TOP * large * sizeof(Slot32), "u1"))
        else:
            dense.leaf64 = <double*> self._keep(aligned(nodes, "f8"))
            slot64 = <Slot64*> self._keep(aligned(TOP * large * sizeof(Slot64), "u1"))
        forest.feature, forest.bin, forest.missing_left = feature, bins, missing
        forest.dense_offset, forest.dense_bin, forest.dense_more = dense.offset, dense.bin, dense.more
        forest.leaf32, forest.leaf64, forest.slot32, forest.slot64 = dense.leaf32, dense.leaf64, slot32, slot64
        with nogil:
            for place in range(both):
                lay_top(tree, root[place], feature + TOP * place, bins + TOP * place, missing + place)
            for place in range(small):
                lay_dense(tree, root[place], 6, TOP * place, &dense)
            for place in range(large):
                lay_dense(tree, root[small + place], 8, TOP * (small + 4 * place), &dense)
                lay_slots(tree, root[small + place], slot32 + TOP * place if slot32 else NULL,
                          slot64 + TOP * place if slot64 else NULL)

    cdef _lay_few_leaves(self, CTree* tree, ordered, leaf_counts, const double* covers):
        """Tops in groups, TOPPED trees from a new one on. Cells: of all exits, then of what is below TOPPED trees'."""
        cdef CForest* forest = &self.forest
        cdef Py_ssize_t few = forest.of_shape[FEW_LEAVES], count = few + forest.of_shape[TOPPED], place, at
        cdef Py_ssize_t skipped = (few + GROUP - 1) // GROUP * GROUP - few
        cdef Py_ssize_t groups = (count + skipped + GROUP - 1) // GROUP
        cdef uint32_t end = FEW * GROUP * groups
        below = 2 * (leaf_counts[few:count] - FEW).sum()
        cdef Tops* tops = <Tops*> self._keep(aligned(groups * sizeof(Tops), "u1"))
        cdef uint64_t* cells = <uint64_t*> self._keep(aligned(end + below, "u8"))
        cdef const uint32_t[::1] root = ordered
        forest.tops, forest.cells = tops, cells
        with nogil:
            for place in range(count):
                at = place if place < few else place + skipped
                lay_few(tree, root[place], covers, at % GROUP, tops + at // GROUP, cells, FEW * at, &end)

    cdef _lay_spread(self, CTree* tree, ordered, leaf_counts):
        cdef const uint32_t[::1] root = np.ascontiguousarray(ordered)
        inner = np.where((leaf_counts <= SPREAD_LEAVES) & (self.machine == MACHINE_AVX512), leaf_counts - 1, 0)
        starts = np.concatenate(([0], np.cumsum(inner))).astype("i8")
        cdef const int64_t[::1] start = starts
        cdef Py_ssize_t place
        cdef Spread* spread = <Spread*> self._keep(aligned(start[root.shape[0]] * sizeof(Spread), "u1"))
        cdef double* leaf = <double*> self._keep(aligned(start[root.shape[0]] + root.shape[0], "f8"))
        self.forest.spread, self.forest.spread_leaf = spread, leaf
        self.forest.spread_starts = <const int64_t*> self._keep(starts)
        for place in range(root.shape[0]):
            lay_spread(tree, root[place], start[place + 1] - start[place], spread + start[place],
                       leaf + start[place] + place)

    cdef _lay_steps(self, CTree* tree, Py_ssize_t nodes, ordered, depths, leaf_counts):
        """For what nothing else walks: STEPS trees and, in blocks, TOPPED trees of too many leaves."""
        few = self.forest.of_shape[FEW_LEAVES]
        self.forest.roots = <const uint32_t*> self._keep(np.ascontiguousarray(ordered[few:]))
        self.forest.depths = <const int32_t*> self._keep(np.ascontiguousarray(depths[few:]))
        if self.forest.of_shape[STEPS] or (leaf_counts > SPREAD_LEAVES).any():
            steps = <Step*> self._keep(aligned(nodes * sizeof(Step), "u1"))
            leaf = <double*> self._keep(aligned(nodes, "f8"))
            lay_steps(tree, nodes, steps, leaf)
            self.forest.steps, self.forest.step_leaf = steps, leaf

    def predict_margin(self, rows):
        """Sums of leaves of rows, float32 or float64 (n, features): float64 (n,) of one output, else (n, outputs).

        NaN is missing. The bits are those of the library that trained the model. ValueError for another shape,
        TypeError for another kind of numbers.
        """
        return self._predicted(rows, True)

    def predict(self, rows):
        """What the library predicts, such as probabilities: float64, of the shape of `predict_margin`; its errors."""
        return self._predicted(rows, False)

    cdef cnp.ndarray _predicted(self, rows, bint margins_only):
        cdef cnp.ndarray checked = rows if is_plain(rows, 2, self.features) else as_rows(rows, self.features, 2)
        cdef int is_float = cnp.PyArray_TYPE(checked) == cnp.NPY_FLOAT
        cdef cnp.npy_intp shape[2]
        shape[0], shape[1] = cnp.PyArray_DIM(checked, 0), self.outputs
        cdef cnp.ndarray out = cnp.PyArray_SimpleNew(1 if self.outputs == 1 else 2, shape, cnp.NPY_DOUBLE)
        cdef const void* data = cnp.PyArray_DATA(checked)
        cdef double* to = <double*> cnp.PyArray_DATA(out)
        cdef int failed
        if shape[0] * self.forest.trees < LONG:
            failed = self._fill(data, is_float, shape[0], margins_only, to)
        else:
            with nogil:
                failed = self._fill(data, is_float, shape[0], margins_only, to)
        if failed:
            raise MemoryError("no memory to walk the forest")
        return out

    cdef int _fill(self, const void* rows, int is_float, int64_t count, bint margins_only, double* out) noexcept nogil:
        cdef int failed = forest_margins(&self.forest, self.machine, rows, is_float, count, out)
        cdef int64_t row
        if not failed and not margins_only:
            for row in range(count):
                transform(&self.forest, out + row * self.forest.outputs)
        return failed


cdef class PanelWalk:
    """Forests that read one wide row. `walks` have no features of their own; `picks` are their columns among all."""

    cdef CPanel panel
    cdef int machine, features, outputs
    cdef list _kept

    def __init__(self, Walk columns, list walks, picks):
        cdef Walk walk
        self._kept = [columns, walks]
        self.machine, self.features = columns.machine, columns.features
        self.panel.columns, self.panel.forests = columns.forest, len(walks)
        addresses = np.empty(len(walks), "u8")
        cdef uint64_t[::1] address = addresses
        cdef Py_ssize_t place
        for place in range(len(walks)):
            walk = walks[place]
            address[place] = <uint64_t> &walk.forest
            self.outputs += walk.outputs
        starts = np.concatenate(([0], np.cumsum([len(each) for each in picks]))).astype("i8")
        together = np.concatenate(picks).astype("i4")
        self._kept += [addresses, starts, together]
        self.panel.forest = <const CForest**> cnp.PyArray_DATA(addresses)
        self.panel.starts = <const int64_t*> cnp.PyArray_DATA(starts)
        self.panel.picks = <const int32_t*> cnp.PyArray_DATA(together)

    def predicted(self, row, bint margins_only):
        """Float64 (outputs,) of one row, float32 or float64 (features,). ValueError for another shape."""
        cdef cnp.ndarray checked = row if is_plain(row, 1, self.features) else as_rows(row, self.features, 1)
        cdef int is_float = cnp.PyArray_TYPE(checked) == cnp.NPY_FLOAT, failed
        cdef cnp.npy_intp shape = self.outputs
        cdef cnp.ndarray out = cnp.PyArray_SimpleNew(1, &shape, cnp.NPY_DOUBLE)
        cdef const void* data = cnp.PyArray_DATA(checked)
        cdef double* to = <double*> cnp.PyArray_DATA(out)
        with nogil:
            failed = panel_predict(&self.panel, self.machine, data, is_float, margins_only, to)
        if failed:
            raise MemoryError("no memory to walk the panel")
        return out


cdef inline bint is_plain(rows, int dimensions, int features):
    """Whether rows can be walked as they are."""
    if type(rows) is not cnp.ndarray:
        return False
    cdef cnp.ndarray array = rows
    return (
        cnp.PyArray_TYPE(array) in (cnp.NPY_FLOAT, cnp.NPY_DOUBLE)
        and cnp.PyArray_NDIM(array) == dimensions
        and cnp.PyArray_DIM(array, dimensions - 1) == features
        and cnp.PyArray_IS_C_CONTIGUOUS(array)
        and cnp.PyArray_ISNOTSWAPPED(array)
        and cnp.PyArray_ISALIGNED(array)
    )


def as_rows(rows, features, dimensions):
    """Rows in an order and type that the walk takes, copied where they are not. ValueError for another shape."""
    array = np.asarray(rows)
    if array.ndim != dimensions or array.shape[dimensions - 1] != features:
        raise ValueError(f"rows must be {'(n, ' if dimensions == 2 else '('}{features}), not {array.shape}")
    kind = np.float32 if array.dtype.type is np.float32 else np.float64
    return np.require(array.astype(kind, casting="safe", copy=False), requirements=("C", "A"))


def aligned(count, kind):
    """A zeroed array whose data begins at a multiple of 64 bytes."""
    size = count * np.dtype(kind).itemsize
    raw = np.zeros(size + 64, "u1")
    start = -raw.ctypes.data % 64
    return raw[start: start + size].view(kind)


def aligned_copy(array):
    """The array where `aligned` would put it: a line of it in one cache line."""
    copy = aligned(array.size, array.dtype)
    copy[:] = array
    return copy
