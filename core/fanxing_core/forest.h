/* The tables that the walks read. Built once by _forest.pyx from an artefact and its columns; never written after. */
#ifndef FANXING_FOREST_H
#define FANXING_FOREST_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#define LINE 16
#define TOP 64 /* places of a heap of six levels; place 0 is not used */
#define WIDE_MAX 256 /* columns that four wide registers hold */
#define ROWS 64 /* rows of a block */
#define NEAR 16 /* columns of a block that are read together */

/* One node of a tree of any shape. Goes on to left + (byte >= bin); a leaf has a bin that no byte reaches, and
   stays where it is. `where` is twice the column, plus one where missing goes left. */
typedef struct {
    uint32_t left;
    uint32_t where_bin; /* where << 9 | bin */
} Step;
#define LEAF_BIN 256

/* Levels seven and eight below one exit of a heap, and their leaves. */
typedef struct {
    uint16_t where[3];
    uint8_t bin[3];
    uint8_t unused[7];
    float leaf[4];
} Slot32;
typedef struct {
    uint16_t where[3];
    uint8_t bin[3];
    uint8_t unused[23];
    double leaf[4];
} Slot64;

/* Flags of category questions; artefact.py says what they mean. */
#define MISSING_LEFT 2
#define CATEGORY_RIGHT 8

enum Shape { HEAP6, HEAP8, FEW_LEAVES, TOPPED, STEPS, SHAPES };

/* A node as rows of a block are parted by it. Children are numbered within the tree: inner nodes, then leaves. */
typedef struct {
    uint32_t where;
    uint16_t left, right;
    uint8_t bin, unused[3];
} Spread;
#define SPREAD_LEAVES 256

#define FEW 32 /* exits of a FEW_LEAVES or TOPPED tree's top; its nodes are one fewer */
#define GROUP 16 /* trees whose tops are answered together */

/* The tops of a group, node n of tree t at place GROUP n + t. Exits are numbered from left to right. Where a row goes
   right it has passed the exits below the left child, as bits; it leaves by the first exit that it never passed. */
typedef struct {
    uint8_t feature[FEW * GROUP], bin[FEW * GROUP];
    uint64_t missing_left[FEW * GROUP / 64]; /* one bit a place */
    uint32_t passed[FEW - 1][GROUP];
} Tops;

/* A cell is a leaf's value, or a question: QUESTION | where << 40 | bin << 32 | the first of the two cells that the row
   goes on to. No leaf looks so, since leaves are finite. */
#define QUESTION 0xFFF0000000000000ull

typedef struct {
    /* rows to bytes */
    int64_t features_wide; /* how many values a row has */
    int64_t numeric, columns; /* the rest are category questions */
    const int32_t *features;
    const float *pivots32, *cuts32; /* LINE first cuts of lines a column; the lines, padded with NaN */
    const double *pivots64, *cuts64; /* null where values are compared as float32 */
    const int64_t *lines; /* where a numeric column's lines begin, in lines */
    const int32_t *asked; /* (questions, 2): category set, flags */
    const uint32_t *category_offsets, *category_words;
    /* trees */
    int64_t trees, outputs, of_shape[SHAPES];
    int needs_two; /* whether a shape reads bytes and, beside each, the byte plus one */
    int sum32, narrow; /* leaves are summed as float32; leaves are stored as float32 */
    const int32_t *order; /* trees, by shape */
    const int32_t *places; /* where each tree stands in that order */
    const uint16_t *dense_offset; /* where a node's column begins in a block; (HEAP6 trees, TOP), then (HEAP8, 4 TOP) */
    const uint8_t *dense_bin, *dense_more; /* of the same shapes; more: 1 where missing goes left */
    const float *leaf32; /* of the same shapes; null where leaves are not narrow */
    const double *leaf64; /* null where they are */
    const uint32_t *tree_outputs;
    const double *base;
    double divisor, scale; /* the divisor of sums: margins */
    double prediction_divisor; /* of margins, before they are transformed */
    int transform;
    const uint8_t *feature, *bin; /* (HEAP6 then HEAP8 trees, TOP) */
    const uint64_t *missing_left; /* one bit a place */
    const Slot32 *slot32; /* (HEAP8 trees, TOP) */
    const Slot64 *slot64;
    const Tops *tops; /* (groups of FEW_LEAVES, then groups of TOPPED trees) */
    const uint64_t *cells; /* (those groups, GROUP, FEW): an exit's; then those below */
    const Spread *spread; /* inner nodes of trees that are no heaps; none where there are too many leaves */
    const int64_t *spread_starts; /* (those trees + 1,) */
    const double *spread_leaf; /* leaves, one more a tree than inner nodes */
    const Step *steps;
    const double *step_leaf;
    const uint32_t *roots; /* (TOPPED, then STEPS trees,) */
    const int32_t *depths;
} Forest;

#endif
