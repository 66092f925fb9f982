/* Quantiles: of n values in order the one at place ceil(q n). */
#ifndef FANXING_ORDER_H
#define FANXING_ORDER_H
#include "by_facet.h"
#include "windows.h"

#define NEAR 32 /* ranks that are counted together */
#define FAR 7 /* such counts that are added up, as far as a byte holds them */
#define DIGIT 11

/* Receipts by value; how many of each NEAR ranks are in the window, by facet. */
typedef struct {
    int32_t *rows, *rank, *spare; /* rows by rank, ranks by row */
    ByFacet *near, *far;
    int64_t nears, fars;
} Order;

/* Rows by value, none of which is negative: digit by digit, from the lowest. */
static void order_rows(const Stream *stream, Order *order) {
    int64_t many = stream->rows;
    uint64_t all = 0;
    for (int64_t row = 0; row < many; row++) {
        order->rows[row] = (int32_t)row;
        all |= (uint64_t)stream->values[row];
    }
    for (int shift = 0; shift < 64 && all >> shift; shift += DIGIT) {
        int32_t starts[(1 << DIGIT) + 1] = {0};
        for (int64_t row = 0; row < many; row++) starts[((uint64_t)stream->values[row] >> shift & ((1 << DIGIT) - 1)) + 1]++;
        for (int digit = 0; digit < 1 << DIGIT; digit++) starts[digit + 1] += starts[digit];
        for (int64_t k = 0; k < many; k++) {
            uint64_t value = (uint64_t)stream->values[order->rows[k]];
            order->spare[starts[value >> shift & ((1 << DIGIT) - 1)]++] = order->rows[k];
        }
        int32_t *rows = order->rows;
        order->rows = order->spare;
        order->spare = rows;
    }
    for (int64_t rank = 0; rank < many; rank++) order->rank[order->rows[rank]] = (int32_t)rank;
    order->nears = many / NEAR + 1;
    order->fars = (order->nears + FAR - 1) / FAR;
    memset(order->near, 0, sizeof(ByFacet) * (size_t)order->nears);
}

static inline void add_rank(Order *order, int64_t row, uint64_t of_row, uint64_t facets) {
    uint64_t *near = order->near[order->rank[row] / NEAR];
    for (int byte = 0; byte < FACET_BYTES; byte++)
        if (facets >> (8 * byte) & 255) near[byte] += spread_bits[of_row >> (8 * byte) & 255];
}

static void sum_far(Order *order) {
    for (int64_t far = 0; far < order->fars; far++) {
        ByFacet sum = {0};
        for (int64_t near = FAR * far; near < FAR * (far + 1) && near < order->nears; near++)
            for (int byte = 0; byte < FACET_BYTES; byte++) sum[byte] += order->near[near][byte];
        memcpy(order->far[far], sum, sizeof sum);
    }
}

static inline int64_t counted(const ByFacet *counts, int64_t at, int facet) { return ((const uint8_t *)counts[at])[facet]; }

/* Of the rows from `from` on that have a facet, of which there are `count`. */
static double quantile(const Stream *stream, const Order *order, int facet, int64_t from, int64_t count, int hundredths) {
    if (!count) return NAN;
    int64_t left = (count * hundredths + 99) / 100, far = 0;
    while (counted(order->far, far, facet) < left) left -= counted(order->far, far++, facet);
    int64_t near = FAR * far;
    while (counted(order->near, near, facet) < left) left -= counted(order->near, near++, facet);
    for (int64_t rank = NEAR * near; rank < stream->rows; rank++) {
        int32_t row = order->rows[rank];
        left -= row >= from && !(stream->absent[row] >> facet & 1);
        if (!left) return (double)stream->values[row];
    }
    return NAN;
}

#endif
