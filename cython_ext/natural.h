/* Natural compression (Horvath et al. 2019): rounding to a power of two is an addition to the bits of the float,
 *
 *   rounded = (bits + noise) & 0xFF800000
 *
 * with noise uniform on [0, 2^23), the upper 23 bits of gw_random32(seed, i) ("stochastic"), or noise = 2^22 ("nearest", 1.5 * 2^k goes
 * up). A mantissa m carries into the exponent with probability m / 2^23, so zeros and powers of two stay and subnormals go to {0, 2^-126}.
 *
 * 9 bits, two streams:  fields   n bytes: bits 23 … 30 of `rounded`, at most 254 (254 may round to infinity: it stays)
 *                       signs    ceil(n / 8) bytes: bit i % 8 of byte i / 8 is the sign of value i; unused bits are 0
 * 8 bits, one stream:   codes    n bytes: sign << 7 | code; code 0 is zero, code c in 1 … 127 is 2^(c - 110), exponent field c + 17.
 *                       A larger value gets code 127. A value between 0 and 2^-109 gets code 1 if r < floor(|v| * 2^141), else 0:
 *                       r = gw_random32(seed, i) ("stochastic") or 2^31 - 1 ("nearest", the middle goes up).
 *
 * Encoders read n <= 2^32 floats, write exactly the streams and return nonzero if a value was NaN or infinite (the streams are then
 * meaningless). Decoders read exactly the streams, write n floats and return nonzero if a field was 255 (the floats are then not
 * finite). Loops run over blocks of 64 that the compiler vectorises; nothing is allocated and no buffer needs an alignment.
 */
#ifndef GW_NATURAL_H
#define GW_NATURAL_H
#include "random.h"
#include "simd.h"

enum { GW_NATURAL_BLOCK = GW_RANDOM_BLOCK, GW_NATURAL_OFFSET = 17 };

/* Bit j of the result is bit 7 of bytes[j]: the product brings bit 8 * j to bit 56 + j, and no two terms meet. */
GW_INLINE uint8_t gw_pack_signs(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, 8);
    return (uint8_t)((word >> 7 & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

/* 1 << j, as a table: the baseline level has no shift by a vector. */
static const uint32_t gw_bit[32] = {
    0x00000001, 0x00000002, 0x00000004, 0x00000008, 0x00000010, 0x00000020, 0x00000040, 0x00000080,
    0x00000100, 0x00000200, 0x00000400, 0x00000800, 0x00001000, 0x00002000, 0x00004000, 0x00008000,
    0x00010000, 0x00020000, 0x00040000, 0x00080000, 0x00100000, 0x00200000, 0x00400000, 0x00800000,
    0x01000000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x80000000};

#define GW_KERNELS "natural_kernels.h"
#include "levels.h"

GW_DISPATCH(uint32_t, gw_natural_encode9,
            (const float *values, int64_t n, uint64_t seed, int stochastic, uint8_t *fields, uint8_t *bitmap),
            (values, n, seed, stochastic, fields, bitmap))
GW_DISPATCH(uint32_t, gw_natural_encode8, (const float *values, int64_t n, uint64_t seed, int stochastic, uint8_t *codes),
            (values, n, seed, stochastic, codes))
GW_DISPATCH(uint32_t, gw_natural_decode9, (const uint8_t *fields, const uint8_t *bitmap, int64_t n, float *out), (fields, bitmap, n, out))
GW_DISPATCH(void, gw_natural_decode8, (const uint8_t *codes, int64_t n, float *out), (codes, n, out))
#endif
