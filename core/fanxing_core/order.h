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

/* By one digit of the values, the others as they stand. */
static void order_by_digit(const Stream *stream, Order *order, int shift, int bits) {
    int32_t starts[(1 << DIGIT) + 1];
    uint64_t digit = (1ull << bits) - 1;
    memset(starts, 0, sizeof(int32_t) * ((1ull << bits) + 1));
    for (int64_t row = 0; row < stream->rows; row++) starts[((uint64_t)stream->values[row] >> shift & digit) + 1]++;
    for (uint64_t k = 0; k < digit; k++) starts[k + 1] += starts[k];
    for (int64_t k = 0; k < stream->rows; k++) {
        uint64_t value = (uint64_t)stream->values[order->rows[k]];
        order->spare[starts[value >> shift & digit]++] = order->rows[k];
    }
    int32_t *rows = order->rows;
    order->rows = order->spare;
    order->spare = rows;
}

/* Rows by value, none of which is negative: by few digits, all as wide, from the lowest. */
static void order_rows(const Stream *stream, Order *order) {
    uint64_t all = 1;
    for (int64_t row = 0; row < stream->rows; row++) {
        order->rows[row] = (int32_t)row;
        all |= (uint64_t)stream->values[row];
    }
    int wide = 64 - __builtin_clzll(all), digits = (wide + DIGIT - 1) / DIGIT, bits = (wide + digits - 1) / digits;
    for (int digit = 0; digit < digits; digit++) order_by_digit(stream, order, digit * bits, bits);
    for (int64_t rank = 0; rank < stream->rows; rank++) order->rank[order->rows[rank]] = (int32_t)rank;
    order->nears = stream->rows / NEAR + 1;
    order->fars = (order->nears + FAR - 1) / FAR;
    memset(order->near, 0, sizeof(ByFacet) * (size_t)order->nears);
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
