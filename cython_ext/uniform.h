/* Uniform fixed point between low and high, the smallest and the largest value of a message, in levels + 1 = 2^bits steps, bits = 1 … 16.
 *
 *   position of v   t = (int32) ((v - low) * factor), factor = levels * 2^f / (high - low) with f = 31 - bits fraction bits, in double and
 *                   then towards 0; 0 if high == low. So t < 2^31, and for v == high it is levels * 2^f or one less.
 *   code            (t + u) >> f: u = 2^(f - 1) ("nearest"), or gw_random32(seed, i) >> (bits + 1) | 1 ("stochastic"): odd and below
 *                   2^f. So low and high get exactly 0 and levels, and the mean of the code is within 2^-f of the true position.
 *   wire            the codes, packed as in bitpack.h (bytes for 8 bits, little-endian uint16 for 16).
 *   value of c      ((levels - c) * low + c * high) * (1 / levels), in double, then to float: monotone in c, never outside
 *                   [low, high], exact at both ends, and no difference that could overflow.
 *
 *   gw_uniform_encode   reads n <= 2^32 floats in [low, high], writes gw_packed_nbytes(n, bits) bytes, or, if `wide`, n uint16 codes.
 *   gw_uniform_decode   reads those and writes n floats.
 *
 * Blocks of values go through buffers of 2 KiB; nothing is allocated and no byte buffer needs an alignment.
 */
#ifndef GW_UNIFORM_H
#define GW_UNIFORM_H
#include "bitpack.h"
#include "random.h"

typedef struct {
    double low, high, factor, inverse;
    int bits, levels, stochastic;
    uint64_t seed;
} gw_uniform;

GW_INLINE gw_uniform gw_uniform_of(float low, float high, int bits, int stochastic, uint64_t seed)
{
    gw_uniform q = {low, high, 0, 0, bits, (1 << bits) - 1, stochastic, seed};
    q.inverse = 1.0 / q.levels;
    if (high > low) q.factor = q.levels * (double)(1 << (31 - bits)) / (q.high - q.low);
    return q;
}

#define GW_KERNELS "uniform_kernels.h"
#include "levels.h"

GW_DISPATCH(void, gw_uniform_encode, (const gw_uniform *q, const float *values, int64_t n, int wide, uint8_t *out), (q, values, n, wide, out))
GW_DISPATCH(void, gw_uniform_decode, (const gw_uniform *q, const uint8_t *in, int64_t n, int wide, float *out), (q, in, n, wide, out))
#endif
