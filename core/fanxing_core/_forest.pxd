# What the C headers hold, for _forest.pyx.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "panel.h":
    ctypedef struct Step:
        pass
    ctypedef struct Slot32:
        pass
    ctypedef struct Slot64:
        pass
    ctypedef struct Spread:
        pass
    ctypedef struct Tops:
        pass
    ctypedef struct CForest "Forest":
        int64_t features_wide, numeric, columns
        const int32_t* features
        const float* pivots32
        const float* cuts32
        const double* pivots64
        const double* cuts64
        const int64_t* lines
        const int32_t* asked
        const uint32_t* category_offsets
        const uint32_t* category_words
        int64_t trees, outputs
        int64_t of_shape[5]
        int needs_two, sum32, narrow
        const int32_t* order
        const int32_t* places
        const uint16_t* dense_offset
        const uint8_t* dense_bin
        const uint8_t* dense_more
        const uint32_t* tree_outputs
        const double* base
        double divisor, scale, prediction_divisor
        int transform
        const uint8_t* feature
        const uint8_t* bin
        const uint64_t* missing_left
        const float* leaf32
        const double* leaf64
        const Slot32* slot32
        const Slot64* slot64
        const Tops* tops
        const uint64_t* cells
        const Spread* spread
        const int64_t* spread_starts
        const double* spread_leaf
        const Step* steps
        const double* step_leaf
        const uint32_t* roots
        const int32_t* depths
    int HEAP6, HEAP8, FEW_LEAVES, TOPPED, STEPS, SHAPES, SPREAD_LEAVES, FEW, GROUP, MACHINE_AVX512, WIDE_MAX, TOP
    int best_machine() noexcept nogil
    int forest_margins(const CForest*, int, const void*, int, int64_t, double*) noexcept nogil
    void transform(const CForest*, double*) noexcept nogil
    ctypedef struct CPanel "Panel":
        CForest columns
        int64_t forests
        const CForest** forest
        const int64_t* starts
        const int32_t* picks
    int panel_predict(const CPanel*, int, const void*, int, int, double*) noexcept nogil


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
    void lay_top(const CTree*, uint32_t, uint8_t*, uint8_t*, uint64_t*) noexcept nogil
    void lay_slots(const CTree*, uint32_t, Slot32*, Slot64*) noexcept nogil
    ctypedef struct Dense:
        uint16_t* offset
        uint8_t* bin
        uint8_t* more
        float* leaf32
        double* leaf64
    void lay_dense(const CTree*, uint32_t, int, int64_t, const Dense*) noexcept nogil
    void lay_few(const CTree*, uint32_t, const double*, int, Tops*, uint64_t*, uint32_t, uint32_t*) noexcept nogil
    int64_t leaves_of_tree(const CTree*, uint32_t) noexcept nogil
    void lay_spread(const CTree*, uint32_t, int64_t, Spread*, double*) noexcept nogil
    void lay_steps(const CTree*, int64_t, Step*, double*) noexcept nogil
