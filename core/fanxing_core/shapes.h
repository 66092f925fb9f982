/* From nodes to the shapes that the walks go down. Children come after their parents; the artefact was checked. */
#ifndef FANXING_SHAPES_H
#define FANXING_SHAPES_H
#include "forest.h"

typedef struct {
    double threshold;
    int32_t feature;
    uint32_t left, flags, category_set;
} Node;

/* Nodes with where they look and the bin from which on they go right. */
typedef struct {
    const Node *nodes;
    const int32_t *columns;
    const uint8_t *bins;
} Tree;

static inline int missing_left(const Tree *tree, uint32_t at) {
    return (tree->nodes[at].flags & (MISSING_LEFT | 4 | CATEGORY_RIGHT)) == MISSING_LEFT;
}

static int32_t depth_of(const Tree *tree, uint32_t at) {
    if (tree->nodes[at].feature < 0) return 0;
    int32_t left = depth_of(tree, tree->nodes[at].left), right = depth_of(tree, tree->nodes[at].left + 1);
    return 1 + (left > right ? left : right);
}

static int32_t last_column_of(const Tree *tree, uint32_t at) {
    const Node *node = tree->nodes + at;
    if (node->feature < 0) return 0;
    int32_t last = tree->columns[at], left = last_column_of(tree, node->left);
    int32_t right = last_column_of(tree, node->left + 1);
    last = last > left ? last : left;
    return last > right ? last : right;
}

/* Where the nodes of a heap of `levels` come from: places[1] is the root; below a leaf stands the leaf again. */
static void heap_places(const Tree *tree, uint32_t root, int levels, uint32_t *places) {
    places[1] = root;
    for (uint32_t at = 1; at < 1u << levels; at++) {
        const Node *node = tree->nodes + places[at];
        places[2 * at] = node->feature < 0 ? places[at] : node->left;
        places[2 * at + 1] = node->feature < 0 ? places[at] : node->left + 1;
    }
}

/* The top six levels of a heap as one row goes down. */
static void lay_top(const Tree *tree, uint32_t root, uint8_t *feature, uint8_t *bin, uint64_t *missing) {
    uint32_t places[2 * TOP];
    heap_places(tree, root, 6, places);
    for (uint32_t at = 1; at < TOP; at++) {
        uint32_t node = places[at];
        if (tree->nodes[node].feature < 0) continue;
        feature[at] = (uint8_t)tree->columns[node];
        bin[at] = tree->bins[node];
        *missing |= (uint64_t)missing_left(tree, node) << at;
    }
}

/* Levels seven and eight as one row goes down; one of the two kinds of slots is null. */
static void lay_slots(const Tree *tree, uint32_t root, Slot32 *slot32, Slot64 *slot64) {
    uint32_t places[8 * TOP];
    heap_places(tree, root, 8, places);
    for (uint32_t exit = 0; exit < TOP; exit++) {
        uint32_t below[3] = {TOP + exit, 2 * (TOP + exit), 2 * (TOP + exit) + 1};
        for (int k = 0; k < 3; k++) {
            uint32_t node = places[below[k]];
            int inner = tree->nodes[node].feature >= 0;
            uint16_t where = inner ? (uint16_t)(2 * tree->columns[node] + missing_left(tree, node)) : 0;
            uint8_t bin_there = inner ? tree->bins[node] : 0;
            if (slot32) slot32[exit].where[k] = where, slot32[exit].bin[k] = bin_there;
            else slot64[exit].where[k] = where, slot64[exit].bin[k] = bin_there;
        }
        for (uint32_t k = 0; k < 4; k++) {
            double leaf = tree->nodes[places[4 * (TOP + exit) + k]].threshold;
            if (slot32) slot32[exit].leaf[k] = (float)leaf;
            else slot64[exit].leaf[k] = leaf;
        }
    }
}

/* The node that most rows pass among exits that are no leaves; where nobody counted, the first; -1: all are leaves. */
static int next_split(const Tree *tree, const double *covers, const uint32_t *exits, int count) {
    int best = -1;
    for (int k = 0; k < count; k++) {
        if (tree->nodes[exits[k]].feature < 0) continue;
        if (best < 0 || (covers ? covers[exits[k]] > covers[exits[best]] : exits[k] < exits[best])) best = k;
    }
    return best;
}

/* The top of the tree that is `which` of a group; how many exits it has, and the nodes that they lead to. */
static int lay_few_top(
    const Tree *tree, uint32_t root, const double *covers, int which, Tops *tops, uint32_t exits[FEW]) {
    uint32_t passed[FEW];
    int nodes = 0, split;
    exits[0] = root;
    while (nodes + 1 < FEW && (split = next_split(tree, covers, exits, nodes + 1)) >= 0) {
        uint32_t at = exits[split], up_to_it = (2u << split) - 1;
        int place = GROUP * nodes + which;
        tops->feature[place] = (uint8_t)tree->columns[at];
        tops->bin[place] = tree->bins[at];
        tops->missing_left[place / 64] |= (uint64_t)missing_left(tree, at) << place % 64;
        for (int k = nodes; k > split; k--) exits[k + 1] = exits[k];
        exits[split] = tree->nodes[at].left;
        exits[split + 1] = tree->nodes[at].left + 1;
        /* Later exits move on by one, and who passed the one that is split passes both of its children. */
        for (int k = 0; k < nodes; k++) passed[k] = (passed[k] & up_to_it) | (passed[k] >> split << split << 1);
        passed[nodes++] = 1u << split;
    }
    for (int k = 0; k < nodes; k++) tops->passed[k][which] = passed[k];
    return nodes + 1;
}

/* A node, as cell `at`, and what is below it, from cell `end` on, which moves: what a row meets on its way lies near. */
static void lay_cells(const Tree *tree, uint32_t node, uint64_t *cells, uint32_t at, uint32_t *end) {
    uint32_t left = tree->nodes[node].left, pair = *end;
    if (tree->nodes[node].feature < 0) {
        memcpy(cells + at, &tree->nodes[node].threshold, sizeof *cells);
        return;
    }
    uint64_t where = (uint64_t)(2 * tree->columns[node] + missing_left(tree, node));
    cells[at] = QUESTION | where << 40 | (uint64_t)tree->bins[node] << 32 | pair;
    *end += 2;
    lay_cells(tree, left, cells, pair, end);
    lay_cells(tree, left + 1, cells, pair + 1, end);
}

/* A tree: its top, its exits' cells from `at` on, and what is below them from `end` on. */
static void lay_few(
    const Tree *tree, uint32_t root, const double *covers, int which, Tops *tops, uint64_t *cells, uint32_t at,
    uint32_t *end) {
    uint32_t exits[FEW];
    int count = lay_few_top(tree, root, covers, which, tops, exits);
    for (int exit = 0; exit < count; exit++) lay_cells(tree, exits[exit], cells, at + (uint32_t)exit, end);
}

static int64_t leaves_of_tree(const Tree *tree, uint32_t at) {
    const Node *node = tree->nodes + at;
    return node->feature < 0 ? 1 : leaves_of_tree(tree, node->left) + leaves_of_tree(tree, node->left + 1);
}

/* Inner nodes level by level, children after their parents; leaves in the order in which they are met. */
static void lay_spread(const Tree *tree, uint32_t root, int64_t inner, Spread *spread, double *leaf) {
    uint32_t queue[SPREAD_LEAVES];
    int64_t queued = 1, leaves = 0;
    queue[0] = root;
    for (int64_t at = 0; at < inner; at++) {
        const Node *node = tree->nodes + queue[at];
        spread[at].where = (uint32_t)(2 * tree->columns[queue[at]] + missing_left(tree, queue[at]));
        spread[at].bin = tree->bins[queue[at]];
        for (uint32_t side = 0; side < 2; side++) {
            uint32_t child = node->left + side;
            int64_t number;
            if (tree->nodes[child].feature < 0) {
                number = inner + leaves;
                leaf[leaves++] = tree->nodes[child].threshold;
            } else {
                number = queued;
                queue[queued++] = child;
            }
            if (side) spread[at].right = (uint16_t)number;
            else spread[at].left = (uint16_t)number;
        }
    }
}

/* A heap of `levels` as rows of a block go down, and its leaves in a row. */
typedef struct {
    uint16_t *offset;
    uint8_t *bin, *more;
    float *leaf32; /* or null, and leaf64 not */
    double *leaf64;
} Dense;

static void lay_dense(const Tree *tree, uint32_t root, int levels, int64_t first, const Dense *to) {
    uint32_t places[8 * TOP];
    heap_places(tree, root, levels, places);
    for (uint32_t at = 1; at < 1u << levels; at++) {
        uint32_t node = places[at];
        if (tree->nodes[node].feature < 0) continue; /* at least 0: right, to the same leaf */
        to->offset[first + at] = (uint16_t)(ROWS * tree->columns[node]);
        to->bin[first + at] = tree->bins[node];
        to->more[first + at] = (uint8_t)missing_left(tree, node);
    }
    for (int64_t at = 0; at < 1 << levels; at++) {
        double leaf = tree->nodes[places[(1 << levels) + at]].threshold;
        if (to->leaf32) to->leaf32[first + at] = (float)leaf;
        else to->leaf64[first + at] = leaf;
    }
}

/* All nodes, each in its place. */
static void lay_steps(const Tree *tree, int64_t count, Step *steps, double *leaf) {
    for (int64_t at = 0; at < count; at++) {
        const Node *node = tree->nodes + at;
        int inner = node->feature >= 0;
        uint32_t where = inner ? (uint32_t)(2 * tree->columns[at] + missing_left(tree, (uint32_t)at)) : 0;
        steps[at].left = inner ? node->left : (uint32_t)at;
        steps[at].where_bin = where << 9 | (inner ? tree->bins[at] : LEAF_BIN);
        leaf[at] = node->threshold;
    }
}

#endif
