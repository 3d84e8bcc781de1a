/* float32 <-> fp16 (IEEE 754 binary16) and bf16 (the upper half of a float32), little-endian, equal bits on every machine.
 *
 *   gw_fp16_encode, gw_bf16_encode   read n floats, write 2n bytes. Round to nearest, ties to even. What would round to infinity becomes the
 *                                    largest finite value of its sign, and so do infinities and NaN; returns how many of these there were.
 *   gw_fp16_decode, gw_bf16_decode   read 2n bytes, write n floats, exact. Return nonzero if a code is infinite or NaN; the floats are
 *                                    meaningless then.
 *
 * With F16C (AVX2 and above) the conversions are instructions, with the same results as the integer arithmetic elsewhere: the clamp comes
 * before the rounding there, which is the same, since 65504 is exact. The wire side needs no alignment; nothing is allocated.
 */
#ifndef GW_HALF_H
#define GW_HALF_H
#include <stdint.h>
#include <string.h>
#include "simd.h"


enum { GW_HALF_BLOCK = 1024 };

#define GW_KERNELS "half_kernels.h"
#include "levels.h"

GW_DISPATCH(int64_t, gw_fp16_encode, (const float *values, int64_t n, uint8_t *out), (values, n, out))
GW_DISPATCH(uint32_t, gw_fp16_decode, (const uint8_t *in, int64_t n, float *out), (in, n, out))
GW_DISPATCH(int64_t, gw_bf16_encode, (const float *values, int64_t n, uint8_t *out), (values, n, out))
GW_DISPATCH(uint32_t, gw_bf16_decode, (const uint8_t *in, int64_t n, float *out), (in, n, out))
#endif
