"""The walk: one row down every tree. Arrays in, arrays out; the face has checked all that is checked here not."""

from libc.math cimport isnan

cdef packed struct Node:
    double threshold
    int feature
    int left
    unsigned int flags
    unsigned int reserved

cdef enum:
    LESS_EQUAL = 1
    MISSING_LEFT = 2

NODE_BYTES = sizeof(Node)


def walk_float64(const int[::1] roots, const Node[::1] nodes, double base, const double[:, ::1] rows, double[::1] out):
    """Margins of rows, compared and summed in float64 in the order of the trees."""
    cdef Py_ssize_t row, tree
    cdef double margin
    with nogil:
        for row in range(rows.shape[0]):
            margin = base
            for tree in range(roots.shape[0]):
                margin += leaf64(nodes, roots[tree], &rows[row, 0])
            out[row] = margin


cdef inline double leaf64(const Node[::1] nodes, int place, const double* row) noexcept nogil:
    """The leaf that a row falls into."""
    cdef double x
    cdef Node node = nodes[place]
    while node.feature >= 0:
        x = row[node.feature]
        if isnan(x):
            place = node.left + (0 if node.flags & MISSING_LEFT else 1)
        elif node.flags & LESS_EQUAL:
            place = node.left + (0 if x <= node.threshold else 1)
        else:
            place = node.left + (0 if x < node.threshold else 1)
        node = nodes[place]
    return node.threshold
