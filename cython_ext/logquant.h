/* Logarithmic quantisation: the code of a value is how many bounds its magnitude is below.
 *
 *   m      bits of |v| as an integer: magnitudes compare as their bits do
 *   code   number of e in 0 … tau - 2 with m < bounds[e], so 0 … tau - 1
 *   wire   code | sign << width, width = ceil(log2(tau))
 *
 * bounds    2^width - 1 float bits, not increasing; entries from tau - 1 on are 0. Where they stand is the format's business (logquant.py).
 * period    0, or k = 1, 2, 4 or 8 bounds per octave: bounds[e + k] == bounds[e] - 2^23 for all e < tau - 1 - k,
 *           bounds[0] - bounds[k - 1] <= 2^23, none is subnormal and k < tau. Then the code is a sum of k differences of exponents;
 *           else it is found by halving. Both give the same codes.
 * gains     NULL, or for stochastic rounding tau doubles, 2^31 / (levels[c - 1] - levels[c]); 0 for c = 0 and where that is no number.
 *           A value above levels[c] then gets the code c - 1 if r + 1/2 < (|v| - levels[c]) * gains[c], r = gw_random32(seed, i) >> 1.
 *
 *   gw_log_peak      the largest m of n floats, 0 if n = 0; 0x7F800000 and more if one is infinite or NaN.
 *   gw_log_encode    reads n <= 2^32 floats; writes n bytes (width 7) or n uint16 (any width).
 *   gw_log_decode8, gw_log_decode16   out[i] = table[wire[i]]: the table has an entry for every code that n codes can hold.
 *
 * Loops run over blocks of 64 that the compiler vectorises; nothing is allocated and no byte buffer needs an alignment.
 */
#ifndef GW_LOGQUANT_H
#define GW_LOGQUANT_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "clones.h"
#include "random.h"

enum { GW_LOG_BLOCK = 64, GW_LOG_PERIODS = 8 };

typedef struct {
    const int32_t *bounds;
    int width, period, tau;
    const double *levels, *gains;
    uint64_t seed;
} gw_log_quantiser;

GW_CLONES uint32_t gw_log_peak(const float *values, int64_t n)
{
    int32_t peak = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, values + i, 4);
        bits &= 0x7FFFFFFF;
        peak = bits > peak ? bits : peak;
    }
    return (uint32_t)peak;
}

/* Of the bounds j, j + k, j + 2k, …, each 2^23 below the one before, ceil((bounds[j] - m) / 2^23) are above m. One of these terms is
 * negative only if m is not below any bound, so the sum is clamped once. A constant k makes this one vectorised loop. */
GW_INLINE void gw_log_by_octave(const gw_log_quantiser *q, int k, const int32_t *restrict m, int32_t *restrict codes)
{
    int32_t bound[GW_LOG_PERIODS], last = q->tau - 1;
    for (int j = 0; j < k; j++) bound[j] = q->bounds[j] + 0x7FFFFF;
    for (int l = 0; l < GW_LOG_BLOCK; l++) {
        int32_t code = 0;
        for (int j = 0; j < k; j++) code += (bound[j] - m[l]) >> 23;
        code = code > 0 ? code : 0;
        codes[l] = code < last ? code : last;
    }
}

GW_INLINE void gw_log_by_halving(const gw_log_quantiser *q, const int32_t *restrict m, int32_t *restrict codes)
{
    for (int l = 0; l < GW_LOG_BLOCK; l++) codes[l] = 0;
    for (int32_t half = 1 << q->width >> 1; half; half >>= 1) {
        const int32_t *bounds = q->bounds + half - 1;
        for (int l = 0; l < GW_LOG_BLOCK; l++) codes[l] += m[l] < bounds[codes[l]] ? half : 0;
    }
}

GW_INLINE void gw_log_stochastic(const gw_log_quantiser *q, uint32_t first, const float *values, int32_t *restrict codes)
{
    for (uint32_t l = 0; l < GW_LOG_BLOCK; l++) {
        double r = (double)(int32_t)(gw_random32(q->seed, first + l) >> 1) + 0.5, v = values[l];
        double excess = ((v < 0 ? -v : v) - q->levels[codes[l]]) * q->gains[codes[l]];
        codes[l] -= r < excess;
    }
}

GW_INLINE void gw_log_block(const gw_log_quantiser *q, uint32_t first, const float *values, int wide, uint8_t *restrict out)
{
    int32_t m[GW_LOG_BLOCK], codes[GW_LOG_BLOCK];
    memcpy(m, values, sizeof m);
    for (int l = 0; l < GW_LOG_BLOCK; l++) m[l] &= 0x7FFFFFFF;
    switch (q->period) {
    case 1: gw_log_by_octave(q, 1, m, codes); break;
    case 2: gw_log_by_octave(q, 2, m, codes); break;
    case 4: gw_log_by_octave(q, 4, m, codes); break;
    case 8: gw_log_by_octave(q, 8, m, codes); break;
    default: gw_log_by_halving(q, m, codes);
    }
    if (q->gains) gw_log_stochastic(q, first, values, codes);
    for (int l = 0; l < GW_LOG_BLOCK; l++) {
        uint32_t bits;
        memcpy(&bits, values + l, 4);
        uint16_t wire = (uint16_t)((uint32_t)codes[l] | bits >> 31 << q->width);
        if (wide) memcpy(out + 2 * l, &wire, 2);
        else out[l] = (uint8_t)wire;
    }
}

GW_INLINE void gw_log_encode_as(const gw_log_quantiser *q, const float *values, int64_t n, int wide, uint8_t *out)
{
    int64_t i = 0, size = wide ? 2 : 1;
    for (; i + GW_LOG_BLOCK <= n; i += GW_LOG_BLOCK) gw_log_block(q, (uint32_t)i, values + i, wide, out + i * size);
    if (i < n) {
        float last[GW_LOG_BLOCK] = {0};
        uint8_t last_out[2 * GW_LOG_BLOCK];
        memcpy(last, values + i, (size_t)(n - i) * 4);
        gw_log_block(q, (uint32_t)i, last, wide, last_out);
        memcpy(out + i * size, last_out, (size_t)((n - i) * size));
    }
}

GW_CLONES void gw_log_encode(const gw_log_quantiser *q, const float *values, int64_t n, int wide, uint8_t *out)
{
    if (wide) gw_log_encode_as(q, values, n, 1, out);
    else gw_log_encode_as(q, values, n, 0, out);
}

static void gw_log_decode8(const uint8_t *wire, int64_t n, const float *table, float *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = table[wire[i]];
}

static void gw_log_decode16(const uint16_t *wire, int64_t n, const float *table, float *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = table[wire[i]];
}
#endif
