/* What a coder must know of its values before it starts: how far they reach, and whether all are finite. n = 0 is legal.
 *
 *   gw_peak          the bits of the largest magnitude, 0 if n = 0; 0x7F800000 and more if a value is infinite or NaN.
 *   gw_range         the smallest and the largest of n floats, (0, 0) if n = 0; a zero is +0. Returns nonzero if a value is infinite or
 *                    NaN; low and high are meaningless then.
 *   gw_count_from    how many magnitudes have bits >= `bits`.
 *   gw_copy_finite   out[i] = values[i]. Returns nonzero if a value is infinite or NaN.
 *   gw_mask_from     mask[i] = 1 if the bits of the magnitude of values[i] are >= `bits`, else 0.
 *
 * Magnitudes compare as their bits do, taken as integers. Plain loops that the compiler vectorises.
 */
#ifndef GW_EXTENT_H
#define GW_EXTENT_H
#include <stdint.h>
#include <string.h>
#include "simd.h"

GW_INLINE int32_t gw_magnitude_bits(const float *value)
{
    int32_t bits;
    memcpy(&bits, value, 4);
    return bits & 0x7FFFFFFF;
}

/* The bits of a float as an integer of the same order, and back: the map is its own inverse. */
GW_INLINE int32_t gw_ordered(int32_t bits)
{
    return bits ^ (bits >> 31 & 0x7FFFFFFF);
}

GW_INLINE int32_t gw_ordered_bits(const float *value)
{
    int32_t bits;
    memcpy(&bits, value, 4);
    return gw_ordered(bits);
}

GW_INLINE uint32_t gw_bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

GW_INLINE float gw_float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

enum { GW_EXTENT_LANES = 32 };

#define GW_KERNELS "extent_kernels.h"
#include "levels.h"

GW_DISPATCH(uint32_t, gw_peak, (const float *values, int64_t n), (values, n))
GW_DISPATCH(int, gw_range, (const float *values, int64_t n, float *low, float *high), (values, n, low, high))
GW_DISPATCH(int64_t, gw_count_from, (const float *values, int64_t n, uint32_t bits), (values, n, bits))
GW_DISPATCH(int, gw_copy_finite, (const float *values, int64_t n, float *out), (values, n, out))
GW_DISPATCH(void, gw_mask_from, (const float *values, int64_t n, uint32_t bits, uint8_t *mask), (values, n, bits, mask))
#endif
