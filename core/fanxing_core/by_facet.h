/* Counting by facet: a byte for each bit of a word, eight of them added at once. */
#ifndef FANXING_BY_FACET_H
#define FANXING_BY_FACET_H
#include <stdint.h>

#define FACET_BYTES 4
typedef uint64_t ByFacet[FACET_BYTES];

/* Each of eight bits in a byte of its own, the lowest in the lowest. */
#define BIT(bits, at) ((uint64_t)((bits) >> (at) & 1) << 8 * (at))
#define SPREAD_1(b) \
    (BIT(b, 0) | BIT(b, 1) | BIT(b, 2) | BIT(b, 3) | BIT(b, 4) | BIT(b, 5) | BIT(b, 6) | BIT(b, 7))
#define SPREAD_4(b) SPREAD_1(b), SPREAD_1(b + 1), SPREAD_1(b + 2), SPREAD_1(b + 3)
#define SPREAD_16(b) SPREAD_4(b), SPREAD_4(b + 4), SPREAD_4(b + 8), SPREAD_4(b + 12)
#define SPREAD_64(b) SPREAD_16(b), SPREAD_16(b + 16), SPREAD_16(b + 32), SPREAD_16(b + 48)
static const uint64_t spread_bits[256] = {SPREAD_64(0), SPREAD_64(64), SPREAD_64(128), SPREAD_64(192)};

#endif
