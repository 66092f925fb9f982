/* From margins to predictions, as each library does it, in the precision of the sum; one row at a time, in place. */
#ifndef FANXING_TRANSFORM_H
#define FANXING_TRANSFORM_H
#include "forest.h"

enum Transform { IDENTITY, SIGMOID, SOFTMAX, EXP, SIGNED_SQUARE, LOG1P_EXP, STEP };

/* e to the x, the same bits on every machine, off by little more than half a unit in the last place. x = n ln 2 + r,
   |r| <= ln 2 / 2, with ln 2 in two parts, the first of 32 bits, so that n times it is exact (Cody and Waite); e^r by its
   series up to r^13 / 13!, whose remainder is far below; what sums and r itself lose to rounding is carried along. */
static double exponential(double x) {
    static const double high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
    static const double series[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                                    1.0 / 5040,      1.0 / 720,      1.0 / 120,     1.0 / 24,     1.0 / 6, 0.5};
    if (x != x || x > 709.79) return x != x ? x : HUGE_VAL;
    if (x < -745.2) return 0;
    double n = rint(x * 1.44269504088896340736), first = x - n * high, rest = n * low, r = first - rest;
    double p = 1.0 / 6227020800.0;
    for (int k = 0; k < 11; k++) p = p * r + series[k];
    double t = r * r * p + ((first - r) - rest), sum = r + t, whole = 1 + sum;
    return ldexp(whole + (((1 - whole) + sum) + (t - (sum - r))), (int)n);
}

static double sigmoid(const Forest *forest, double margin) {
    if (!forest->sum32) return 1 / (1 + exponential(-forest->scale * margin));
    float x = (float)-margin;
    x = x < 88.7f ? x : 88.7f; /* XGBoost's bound */
    return 1.0f / ((float)exponential(x) + 1.0f);
}

static void softmax(const Forest *forest, double *out) {
    double most = out[0], sum = 0;
    for (int64_t k = 1; k < forest->outputs; k++) most = out[k] > most ? out[k] : most;
    for (int64_t k = 0; k < forest->outputs; k++) {
        double part = exponential(forest->sum32 ? (float)out[k] - (float)most : out[k] - most);
        out[k] = forest->sum32 ? (float)part : part;
        sum += out[k];
    }
    for (int64_t k = 0; k < forest->outputs; k++) out[k] = forest->sum32 ? (float)out[k] / (float)sum : out[k] / sum;
}

static double transformed(const Forest *forest, double margin) {
    switch (forest->transform) {
        case SIGMOID: return sigmoid(forest, margin);
        case EXP: return forest->sum32 ? (float)exponential(margin) : exponential(margin);
        case SIGNED_SQUARE: return margin < 0 ? -margin * margin : margin * margin;
        case LOG1P_EXP: return log1p(exponential(margin));
        case STEP: return margin > 0;
        default: return margin;
    }
}

static void transform(const Forest *forest, double *out) {
    if (forest->transform == SOFTMAX) softmax(forest, out);
    else
        for (int64_t k = 0; k < forest->outputs; k++) out[k] = transformed(forest, out[k]);
}

#endif
