/* Answers a plan: group by group, so that only what is asked for is computed. */
#ifndef FANXING_ANSWER_H
#define FANXING_ANSWER_H
#include "measured.h"

/* The quantiles that are asked for, of windows that reach today, which only grow from one to the next. */
static void quantiles_of(
    const Kernels *kernels, const Stream *stream, const Plan *plan, const Group *group, Scratch *scratch) {
    Order *order = &scratch->order;
    for (int64_t segment = 0; segment <= plan->bounds; segment++) {
        int summed = 0;
        for (int64_t each = 0; each < plan->windows; each++) {
            const uint32_t *asked = scratch->ordered[each];
            if (!(asked[0] | asked[1] | asked[2]) || plan->window[each].last != segment) continue;
            if (!summed++) kernels->sum_far(order);
            for (int lane = 0; lane < GROUP; lane++)
                for (int which = 0; which < 3; which++)
                    if (asked[which] >> lane & 1)
                        scratch->quantiles[GROUP * each + lane][which] = quantile(
                            stream, order, group->facet[lane], stream->from[segment],
                            scratch->tallies.count[segment][lane], (int[]){10, 50, 90}[which]);
        }
        if (segment < plan->bounds) kernels->add_ranks(stream, stream->from[segment + 1], stream->from[segment], order);
    }
}

/* Lane 0 is what shares of this stream are taken of. */
static void keep_whole(Asked *asked) {
    asked->lane = 0;
    for (int64_t window = 0; window < asked->plan->windows; window++)
        for (int measure = COUNT; measure <= SUM; measure++)
            asked->scratch->whole[measure][window] = measured(asked, (int)window, measure);
}

static void tally_group(
    const Kernels *kernels, const Stream *stream, const Plan *plan, const Group *group, Scratch *scratch) {
    Tallies *tallies = &scratch->tallies;
    for (int limb = 0; limb < tallies->limbs; limb++) {
        if (tallies->limbs > 1) limb_of(stream, tallies->base, limb, scratch->packed);
        kernels->tally(stream, group, scratch->packed, plan->bounds, limb, tallies);
    }
    if (group->wants & DAILY && tallies->narrow) kernels->sum_days(stream, group, plan->bounds, tallies);
    Spreads *spreads = &scratch->spreads;
    if (group->wants & SPREAD) {
        if (spreads->limbs == 1)
            kernels->spread_narrow(stream, group, scratch->packed, plan->bounds, tallies->base, spreads);
        else kernels->spread(stream, group, plan->bounds, tallies->base, spreads);
    }
    if (!(group->wants & PAYERS)) return;
    memset(scratch->shares.by_payer, 0, sizeof(double[PAYER_LANES]) * (stream->nobody + 1ull));
    kernels->concentrate(stream, group, plan->bounds, &scratch->shares);
}

static void order_group(
    const Kernels *kernels, const Stream *stream, const Plan *plan, int64_t which, Scratch *scratch) {
    const Group *group = plan->group + which;
    memset(scratch->ordered, 0, sizeof(uint32_t[3]) * (size_t)plan->windows);
    for (int64_t k = plan->starts[which]; k < plan->starts[which + 1]; k++) {
        const Question *question = plan->questions + k;
        if (question->measure < LOW || question->measure > HIGH) continue;
        if (plan->window[question->window].kind != TO_TODAY) continue;
        scratch->ordered[question->window][question->measure - LOW] |= 1u << question->lane;
    }
    order_rows(stream, &scratch->order);
    quantiles_of(kernels, stream, plan, group, scratch);
}

/* What the next question needs of its lane's days, if the one before was not of them. */
static void read_days(const Asked *asked, const Question *question, int *gaps_of, int *series_of) {
    Scratch *scratch = asked->scratch;
    int64_t bounds = asked->plan->bounds;
    if (question->measure == LONGEST_GAP && *gaps_of != asked->lane) {
        ages_of(asked->stream, asked->group, &scratch->tallies, asked->lane, bounds, &scratch->daily);
        *gaps_of = asked->lane;
    }
    if (question->statistic >= SLOPE && !scratch->tallies.narrow && *series_of != asked->lane) {
        wide_series_of(asked->stream, &scratch->tallies, asked->lane, bounds, &scratch->daily);
        *series_of = asked->lane;
    }
}

static void answer_all(
    const Kernels *kernels, Stream *streams, const Plan *plan, int32_t first_age, Scratch *scratch, double *out) {
    for (int64_t which = 0; which < plan->groups; which++) {
        const Group *group = plan->group + which;
        int begins = !which || group[-1].stream != group->stream, gaps_of = -1, series_of = -1;
        Asked asked = {streams + group->stream, plan, group, scratch, 0};
        if (begins) {
            choose_limbs(streams + group->stream, kernels->range_of(asked.stream), &scratch->tallies, &scratch->spreads);
            limb_of(asked.stream, scratch->tallies.base, 0, scratch->packed);
        }
        tally_group(kernels, asked.stream, plan, group, scratch);
        if (group->wants & ORDER) order_group(kernels, asked.stream, plan, which, scratch);
        if (begins) keep_whole(&asked);
        for (int64_t k = plan->starts[which]; k < plan->starts[which + 1]; k++) {
            const Question *question = plan->questions + k;
            asked.lane = question->lane;
            read_days(&asked, question, &gaps_of, &series_of);
            out[question->out] = answer(&asked, question, first_age);
        }
    }
}

#endif
