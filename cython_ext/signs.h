/* Values as sign bits and two numbers per group.
 *
 * Values are cut into groups of `group` consecutive ones, the last one shorter. Bit i % 8 of byte i / 8 of the bitmap is the sign bit of
 * value i; unused bits are 0. Sums are those of lanes.h, divided in double and rounded to float once.
 *
 *   gw_signs_means    reads n floats; writes two floats for each group, the means of its values with sign bit 0 and 1 (0 of none).
 *                     These two minimise the squared error. Nonzero if a value was NaN or infinite.
 *   gw_signs_scales   the same with s and -s, s the mean magnitude of the group
 *   gw_signs_pack     reads n floats; writes the ceil(n / 8) bytes of the bitmap
 *   gw_signs_unpack   reads the bitmap and the two floats of each group; writes n floats: the first where the bit is 0, else the second.
 *                     It does not look at the unused bits.
 */
#ifndef GW_SIGNS_H
#define GW_SIGNS_H
#include <float.h>
#include "lanes.h"

/* At least 57 bits from bit `at` on, zeros beyond the bitmap. */
GW_INLINE uint64_t gw_signs_at(const uint8_t *bitmap, int64_t nbytes, int64_t at)
{
    uint64_t word = 0;
    int64_t byte = at >> 3;
    if (nbytes - byte >= 8) memcpy(&word, bitmap + byte, 8);
    else memcpy(&word, bitmap + byte, (size_t)(nbytes - byte));
    return word >> (at & 7);
}

#define GW_KERNELS "signs_kernels.h"
#include "levels.h"

GW_DISPATCH(int, gw_signs_means, (const float *values, int64_t n, int64_t group, float *pairs), (values, n, group, pairs))
GW_DISPATCH(int, gw_signs_scales, (const float *values, int64_t n, int64_t group, float *pairs), (values, n, group, pairs))
GW_DISPATCH(void, gw_signs_pack, (const float *values, int64_t n, uint8_t *bitmap), (values, n, bitmap))
GW_DISPATCH(void, gw_signs_unpack, (const uint8_t *bitmap, int64_t n, int64_t group, const float *pairs, float *out),
            (bitmap, n, group, pairs, out))
#endif
