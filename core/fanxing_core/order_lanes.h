/* Ranks of rows, counted by facet. */

static void FN(add_ranks)(const Stream *stream, int64_t first, int64_t end, Order *order) {
    for (int64_t row = first; row < end; row++) FN(add_facets)(order->near[order->rank[row] / NEAR], ~stream->absent[row]);
}

static void FN(sum_far)(Order *order) {
    for (int64_t far = 0; far < order->fars; far++) {
        ByFacet sum = {0};
        for (int64_t near = FAR * far; near < FAR * (far + 1) && near < order->nears; near++)
            for (int byte = 0; byte < FACET_BYTES; byte++) sum[byte] += order->near[near][byte];
        memcpy(order->far[far], sum, sizeof sum);
    }
}
