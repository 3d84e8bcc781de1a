/* Sums of floats that are equal to the last bit at every SIMD level and on every machine.
 *
 *   gw_sum(values, n, kind, center)   reads n floats; the sum in double of
 *       GW_SUM_PLAIN x    GW_SUM_ABSOLUTE |x|    GW_SUM_SQUARES (x - center)^2    GW_SUM_POSITIVE max(x, 0)    GW_SUM_NEGATIVE max(-x, 0)
 *
 * The order: term i is added to lane i % 32, lanes start at 0; then lane j += lane j + 16 for j < 16, and so on with 8, 4, 2, 1. Terms are
 * rounded once, to double (exact but for GW_SUM_SQUARES with a center). None overflows: 2^32 squares stay below 2^290. A NaN or an infinity
 * gives a sum that is not finite (an infinity of the other sign may not).
 *
 *   gw_largest(values, n)   the bits of the largest |x|, 0 of none; at least 0x7F800000 if a value is NaN or infinite.
 *
 * These are GW_AT(gw_sum) and GW_AT(gw_largest): the kernels of a header that needs them include lanes_kernels.h.
 */
#ifndef GW_LANES_H
#define GW_LANES_H
#include <math.h>
#include "simd.h"

enum { GW_LANES = 32 };
enum gw_sum_kind { GW_SUM_PLAIN, GW_SUM_ABSOLUTE, GW_SUM_SQUARES, GW_SUM_POSITIVE, GW_SUM_NEGATIVE };

GW_INLINE double gw_term(float value, int kind, double center)
{
    double x = value;
    switch (kind) {
    case GW_SUM_ABSOLUTE: return fabs(x);
    case GW_SUM_SQUARES: return (x - center) * (x - center);
    case GW_SUM_POSITIVE: return (fabs(x) + x) * 0.5;       /* exact, and no branch */
    case GW_SUM_NEGATIVE: return (fabs(x) - x) * 0.5;
    default: return x;
    }
}

GW_INLINE double gw_add_lanes(double *lanes)
{
    for (int half = GW_LANES / 2; half; half /= 2)
        for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
    return lanes[0];
}

#endif
