/* All that kernels.h compiles once a width of registers. */

#define Lanes FN(Lanes_)
#define Halves FN(Halves_)
#define Reals FN(Reals_)
#define Words FN(Words_)
typedef int64_t Lanes __attribute__((vector_size(8 * LANES), aligned(8)));
typedef int32_t Halves __attribute__((vector_size(8 * LANES), aligned(8)));
typedef uint32_t Words __attribute__((vector_size(8 * LANES), aligned(8)));
typedef double Reals __attribute__((vector_size(8 * LANES), aligned(8)));

INLINE void FN(store)(OfGroup *to, int64_t at, int64_t lane, const Lanes *from, int many) {
    for (int k = 0; k < many; k++) *(Lanes *)(to[at] + lane + k * LANES) = from[k];
}

/* Of each of so many Halves the lower halves of lanes are of its first LANES filters, the upper ones of its next. */
INLINE void FN(pair)(const uint32_t *need, Halves *to, int many) {
    for (int k = 0; k < many; k++) {
        uint32_t paired[2 * LANES];
        for (int half = 0; half < 2 * LANES; half++) paired[half] = need[(2 * k + half % 2) * LANES + half / 2];
        memcpy(to + k, paired, sizeof paired);
    }
}

/* One more of each facet, in bytes. */
INLINE void FN(add_facets)(uint64_t *counts, uint32_t facets) {
#if LANES == 8
    __m256i bytes = _mm256_loadu_si256((const __m256i *)counts);
    _mm256_storeu_si256((__m256i *)counts, _mm256_mask_add_epi8(bytes, facets, bytes, _mm256_set1_epi8(1)));
#else
    for (int byte = 0; byte < FACET_BYTES; byte++) counts[byte] += spread_bits[facets >> (8 * byte) & 255];
#endif
}

#include "unpack_lanes.h"
#include "tally_lanes.h"
#include "narrow_lanes.h"
#include "spread_lanes.h"
#include "payers_lanes.h"
#include "order_lanes.h"

#undef Lanes
#undef Halves
#undef Reals
#undef Words
