/* Uniform fixed point between low and high, the smallest and the largest value of a message, in levels + 1 = 2^bits steps.
 *
 *   position of v   t = (v - low) * (levels / (high - low)), in double; 0 if high == low
 *   code            floor(t + u): u = 1/2 ("nearest"), or (r + 1/2) / 2^31 with r = gw_random32(seed, i) >> 1 ("stochastic").
 *                   u is never 0 or 1, so low and high get exactly 0 and levels whatever the rounding of t.
 *   value of c      ((levels - c) * low + c * high) * (1 / levels), in double, then to float: monotone in c, never outside
 *                   [low, high], exact at both ends, and no difference that could overflow.
 *
 *   gw_range               reads n >= 1 floats, writes low and high (a zero is +0). Returns nonzero if one was NaN or infinite; low and
 *                          high are meaningless then.
 *   gw_uniform_encode8     reads n <= 2^32 floats in [low, high], writes n bytes; levels <= 255.
 *   gw_uniform_encode16    the same to 2n bytes, little-endian; levels <= 65535.
 *   gw_uniform_decode8, gw_uniform_decode16   read n or 2n bytes, each code <= levels; write n floats.
 *
 * The wire side needs no alignment. The loops have no branches, so that the compiler vectorises them; nothing is allocated.
 */
#ifndef GW_UNIFORM_H
#define GW_UNIFORM_H
#include <stdint.h>
#include <string.h>
#include "clones.h"
#include "random.h"

/* The bits of a float as an integer of the same order, and back: the map is its own inverse. */
GW_INLINE int32_t gw_ordered(int32_t bits)
{
    return bits ^ (bits >> 31 & 0x7FFFFFFF);
}

GW_CLONES int gw_range(const float *values, int64_t n, float *low, float *high)
{
    int32_t least = INT32_MAX, most = INT32_MIN;
    for (int64_t i = 0; i < n; i++) {
        int32_t key;
        memcpy(&key, values + i, 4);
        key = gw_ordered(key);
        least = key < least ? key : least;
        most = key > most ? key : most;
    }
    int refused = most >= 0x7F800000 || least <= gw_ordered((int32_t)0xFF800000u);
    least = gw_ordered(least);
    most = gw_ordered(most);
    memcpy(low, &least, 4);
    memcpy(high, &most, 4);
    *low += 0.0f;       /* -0 to +0 */
    *high += 0.0f;
    return refused;
}

GW_INLINE int32_t gw_uniform_code(float value, double low, double factor, uint64_t seed, uint32_t i, int stochastic)
{
    double u = stochastic ? ((double)(int32_t)(gw_random32(seed, i) >> 1) + 0.5) * 0x1p-31 : 0.5;
    return (int32_t)((value - low) * factor + u);
}

GW_INLINE void gw_uniform_encode_as(const float *values, int64_t n, float low, float high, int levels, uint64_t seed, int stochastic,
                                    int wide, uint8_t *restrict out)
{
    double factor = high > low ? levels / ((double)high - low) : 0.0;
    for (int64_t i = 0; i < n; i++) {
        uint16_t code = (uint16_t)gw_uniform_code(values[i], low, factor, seed, (uint32_t)i, stochastic);
        if (wide) memcpy(out + 2 * i, &code, 2);
        else out[i] = (uint8_t)code;
    }
}

GW_CLONES void gw_uniform_encode8(const float *values, int64_t n, float low, float high, int levels, uint64_t seed, int stochastic,
                                  uint8_t *out)
{
    if (stochastic) gw_uniform_encode_as(values, n, low, high, levels, seed, 1, 0, out);
    else gw_uniform_encode_as(values, n, low, high, levels, seed, 0, 0, out);
}

GW_CLONES void gw_uniform_encode16(const float *values, int64_t n, float low, float high, int levels, uint64_t seed, int stochastic,
                                   uint8_t *out)
{
    if (stochastic) gw_uniform_encode_as(values, n, low, high, levels, seed, 1, 1, out);
    else gw_uniform_encode_as(values, n, low, high, levels, seed, 0, 1, out);
}

GW_INLINE float gw_uniform_value(int32_t code, double low, double high, int32_t levels, double inverse)
{
    return (float)(((levels - code) * low + code * high) * inverse);
}

GW_CLONES void gw_uniform_decode8(const uint8_t *restrict in, int64_t n, float low, float high, int levels, float *restrict out)
{
    double inverse = 1.0 / levels;
    for (int64_t i = 0; i < n; i++) out[i] = gw_uniform_value(in[i], low, high, levels, inverse);
}

GW_CLONES void gw_uniform_decode16(const uint8_t *restrict in, int64_t n, float low, float high, int levels, float *restrict out)
{
    double inverse = 1.0 / levels;
    for (int64_t i = 0; i < n; i++) {
        uint16_t code;
        memcpy(&code, in + 2 * i, 2);
        out[i] = gw_uniform_value(code, low, high, levels, inverse);
    }
}
#endif
