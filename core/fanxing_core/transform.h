/* From margins to predictions, as each library does it, in the precision of the sum; one row at a time, in place. */
#ifndef FANXING_TRANSFORM_H
#define FANXING_TRANSFORM_H
#include "forest.h"

enum Transform { IDENTITY, SIGMOID, SOFTMAX, EXP, SIGNED_SQUARE, LOG1P_EXP, STEP };

/* What rounding took from a times b (Dekker). */
static double lost_in_product(double a, double b, double product) {
    double wide = 134217729.0 * a, a_high = wide - (wide - a), a_low = a - a_high;
    wide = 134217729.0 * b;
    double b_high = wide - (wide - b), b_low = b - b_high;
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
}

/* e to the x, the same bits on every machine: the nearest double but for about one in 4,000, then the next to it.
   x = n ln 2 / 16 + r, with ln 2 in two parts, the first of 32 bits, so that n times it is exact (Cody and Waite); 2^(n/16)
   from a table in two parts; e^r - 1 by its series up to r^8 / 8!; what r, products and sums lose is carried along. */
static double exponential(double x) {
    static const double high = 6.93147180369123816490e-01 / 16, low = 1.90821492927058770002e-10 / 16;
    static const double powers[] = {
        0x1p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0,
        0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0,
        0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0, 0x1.9c49182a3f090p+0,
        0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};
    static const double beyond[] = {
        0, 0x1.8a62e4adc610bp-54, -0x1.19041b9d78a76p-55, 0x1.9b07eb6c70573p-54,
        0x1.6f46ad23182e4p-55, 0x1.ada0911f09ebcp-55, 0x1.d4397afec42e2p-56, 0x1.6324c054647adp-54,
        -0x1.bdd3413b26456p-54, -0x1.41577ee04992fp-55, 0x1.6e9f156864b27p-54, 0x1.c7c46b071f2bep-56,
        0x1.7a1cd345dcc81p-54, 0x1.11065895048ddp-55, 0x1.2ed02d75b3707p-55, -0x1.e9c23179c2893p-54};
    static const double series[] = {1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5};
    if (x != x || x > 709.79) return x != x ? x : HUGE_VAL;
    if (x < -745.2) return 0;
    double n = rint(x * 16 * 1.44269504088896340736), first = x - n * high, rest = n * low, r = first - rest;
    double p = 1.0 / 40320;
    for (int k = 0; k < 6; k++) p = p * r + series[k];
    int sixteenths = (int)n;
    double power = powers[sixteenths & 15], product = power * r, sum = power + product;
    double small = power * (r * r * p + ((first - r) - rest)) + beyond[sixteenths & 15] * (1 + r);
    small += lost_in_product(power, r, product);
    return ldexp(sum + ((product - (sum - power)) + small), sixteenths >> 4);
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
    if (forest->prediction_divisor != 1)
        for (int64_t k = 0; k < forest->outputs; k++)
            out[k] = forest->sum32 ? (float)out[k] / (float)forest->prediction_divisor
                                   : out[k] / forest->prediction_divisor;
    if (forest->transform == SOFTMAX) softmax(forest, out);
    else
        for (int64_t k = 0; k < forest->outputs; k++) out[k] = transformed(forest, out[k]);
}

#endif
