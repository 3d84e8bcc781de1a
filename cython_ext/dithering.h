/* Dithering: every value becomes one of a few multiples of its group's norm, up or down at random so that the mean stays.
 *
 * Values are cut into groups of `group` consecutive ones, the last one shorter. N is the group's norm as a float: the p-norm (p = 1, 2, or
 * 0 for the largest magnitude) summed as in lanes.h, rooted and rounded to float, at most FLT_MAX; so N >= every |x| of the group,
 * whatever the rounding. With r(i) = gw_random32(seed, i), i the value's position in the message:
 *
 *   standard   levels 0 … u stand for N k / u. t = min(|x| (u / N), u), k = floor(t), + 1 if t - k > (r >> 1) / 2^31
 *   natural    levels 0 … s stand for 0 and N 2^(k-s). t = min(|x| (1 / N), 1). For t >= 2^(1-s) the bits of t + (r >> 9) give the power of
 *              two (natural.h); below, k = 1 if t 2^(s-1) > (r >> 1) / 2^31, else 0
 *
 * in float. Where |x| or u / N could leave the range of normal floats, x and N are first multiplied by a lift of 2^64 or 2^-64. The chance
 * to go up is right to 2^-22 of itself and 2^-31 of the gap between two levels. N = 0 makes all levels 0; a t above u (a clipped group)
 * becomes u.
 *
 * A code is 2k for a positive or zero value, 2k - 1 for a negative one of level k > 0: 0 … 2u (2s). Decoded values are exact to the
 * rounding of a float and never exceed N: N 2^(k-s), or (k hi + k lo) / lift in float, where hi is N lift / u without the low 15 bits of
 * its mantissa (so that k hi is exact), lo the rest.
 *
 *   gw_dither_norms      reads n floats; writes a norm for each group. Nonzero if a value was NaN or infinite.
 *   gw_dither_spreads    the same with the standard deviation (around the mean, divisor n) of each group, in double
 *   gw_dither            reads n floats and the norms; writes n codes of one byte, or two little-endian ones if `wide`. u <= 32767
 *   gw_undither          reads n codes and the norms (finite, >= 0); writes n floats. Nonzero, and no use in the floats, if a code is
 *                        above 2u.
 *   gw_natural_dither, gw_natural_undither   the same with s <= 64 natural levels; two-byte codes only
 */
#ifndef GW_DITHERING_H
#define GW_DITHERING_H
#include <float.h>
#include <math.h>
#include "lanes.h"
#include "random.h"

enum { GW_DITHER_BLOCK = 64 };

/* What x and N are multiplied by. */
GW_INLINE float gw_dither_lift(float norm)
{
    return norm < 0x1p-64f ? 0x1p64f : norm < 0x1p64f ? 1.0f : 0x1p-64f;
}

/* Dithering of one group: level = min(|x| lift factor, top) and so on. */
typedef struct {
    float lift, factor, top;
    float tiny, stretch;    /* natural: 2^(1-s), the smallest level but 0, and 2^31 / tiny */
    int32_t lowest;         /* natural: the exponent field of level 0 */
    uint64_t seed;
} gw_dither_plan;

GW_INLINE gw_dither_plan gw_dither_group(float norm, int levels, int natural, uint64_t seed)
{
    gw_dither_plan plan = {gw_dither_lift(norm), 0, natural ? 1 : (float)levels, 0, 0, 127 - levels, seed};
    if (norm > 0) plan.factor = plan.top / (norm * plan.lift);
    if (natural) {
        uint32_t bits = (uint32_t)(plan.lowest + 1) << 23;
        memcpy(&plan.tiny, &bits, 4);
        plan.stretch = 0x1p31f / plan.tiny;
    }
    return plan;
}

#define GW_KERNELS "dithering_kernels.h"
#include "levels.h"

GW_DISPATCH(int, gw_dither_norms, (const float *values, int64_t n, int64_t group, int p, float *norms), (values, n, group, p, norms))
GW_DISPATCH(int, gw_dither_spreads, (const float *values, int64_t n, int64_t group, double *spreads), (values, n, group, spreads))
GW_DISPATCH(void, gw_dither,
            (const float *values, int64_t n, int64_t group, const float *norms, int levels, uint64_t seed, int wide, uint8_t *out),
            (values, n, group, norms, levels, seed, wide, out))
GW_DISPATCH(int, gw_undither, (const uint8_t *codes, int64_t n, int64_t group, const float *norms, int levels, int wide, float *out),
            (codes, n, group, norms, levels, wide, out))
GW_DISPATCH(void, gw_natural_dither,
            (const float *values, int64_t n, int64_t group, const float *norms, int levels, uint64_t seed, uint16_t *out),
            (values, n, group, norms, levels, seed, (uint8_t *)out))
GW_DISPATCH(int, gw_natural_undither, (const uint16_t *codes, int64_t n, int64_t group, const float *norms, int levels, float *out),
            (codes, n, group, norms, levels, out))
#endif
