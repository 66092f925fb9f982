/* Quantiles: of n values in order the one at place ceil(q n). */
#ifndef FANXING_ORDER_H
#define FANXING_ORDER_H
#include "windows.h"

/* Values of rows, and for each row the place of its value among the distinct ones. */
typedef struct {
    int64_t *distinct, many;
    int32_t *place, *seen, *seen_together; /* by place; by TOGETHER_PLACES places */
    int32_t *rows, *spare;
} Order;

#define TOGETHER_PLACES 128

/* Rows by value, none of which is negative: byte by byte, from the lowest. */
static void sort_rows(const int64_t *values, int64_t many, int32_t *rows, int32_t *spare) {
    int64_t all = 0;
    for (int64_t k = 0; k < many; k++) all |= values[rows[k]];
    for (int shift = 0; shift < 64 && all >> shift; shift += 8) {
        int64_t starts[257] = {0};
        for (int64_t k = 0; k < many; k++) starts[(values[rows[k]] >> shift & 255) + 1]++;
        for (int digit = 0; digit < 256; digit++) starts[digit + 1] += starts[digit];
        for (int64_t k = 0; k < many; k++) spare[starts[values[rows[k]] >> shift & 255]++] = rows[k];
        memcpy(rows, spare, sizeof(int32_t) * (size_t)many);
    }
}

/* `order->rows` are the rows to order, which are sorted there. */
static void order_rows(const int64_t *values, int64_t many, Order *order) {
    sort_rows(values, many, order->rows, order->spare);
    order->many = 0;
    for (int64_t k = 0; k < many; k++) {
        int64_t value = values[order->rows[k]];
        if (!k || value != order->distinct[order->many - 1]) order->distinct[order->many++] = value;
        order->place[order->rows[k]] = (int32_t)(order->many - 1);
    }
}

static double quantile(const Order *order, int64_t count, int hundredths) {
    if (!count) return NAN;
    int64_t wanted = (count * hundredths + 99) / 100, passed = 0, place = 0;
    while (passed + order->seen_together[place / TOGETHER_PLACES] < wanted) {
        passed += order->seen_together[place / TOGETHER_PLACES];
        place += TOGETHER_PLACES;
    }
    while (passed + order->seen[place] < wanted) passed += order->seen[place++];
    return (double)order->distinct[place];
}

#endif
