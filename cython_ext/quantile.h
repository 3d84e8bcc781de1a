/* Buckets of float32 values between ascending splits: bucket i holds splits[i - 1] <= v < splits[i], so m splits make m + 1 buckets.
 * Values are finite where nothing else is said; as integers (order.h) they compare alike; -0 counts as +0. Splits and bounds are such
 * integers. Codes are bytes (wide = 0) or uint16 (wide = 1).
 *
 *   gw_survey       least and greatest integer of n >= 0 values (UINT32_MAX and 0 if there are none), how many are below zero, how many
 *                   are zero. A value that is NaN or infinite makes the least or the greatest one lie outside gw_finite_least … _most.
 *   gw_keep         writes the values in low … high (outside = 0), or all others (1), in their order; returns how many. out has room for
 *                   16 more than that.
 *   gw_assign       codes[i] = how many of the m splits are <= v[i]; m <= 255 for bytes, else 65,535. splits has room for
 *                   max(m + 1, 256); what is behind the m splits is UINT32_MAX. table is NULL, or 65,537 words of scratch: worth its making
 *                   from some ten thousand values on. The codes are the same.
 *   gw_mark         codes[i] = code, and v[i] is written to exact, for every value outside low … high, in their order
 *   gw_bucket_sums  sums[code] += v, counts[code] += 1; sums and counts have two rows of `size`: for even and for odd positions
 *   gw_lookup       out[i] = values[codes[i]]; returns -1 if a code is not below size (out then means nothing), else 0.
 *                   values has room for 256 at least; what is behind `size` is not used, but read.
 *   gw_fill         out[i] = the next one of the n_exact values, for every i whose code is `code`; returns how many such codes there
 *                   are, or n_exact + 1 if there are more
 *   gw_select_u32   the item that has `rank` (0 … n - 1) smaller ones before it in sorted order. Overwrites a.
 */
#ifndef GW_QUANTILE_H
#define GW_QUANTILE_H
#include "order.h"
#include "simd.h"

enum { GW_QUANTILE_BLOCK = 256 };

static const uint32_t gw_finite_least GW_UNUSED = 0x00800000u, gw_finite_most GW_UNUSED = 0xFF7FFFFFu;

typedef struct { uint32_t least, most; int64_t below, zeros; } gw_surveyed;

/* How many of splits[0..m) are <= u. */
GW_INLINE uint32_t gw_upper_bound(const uint32_t *splits, uint32_t m, uint32_t u)
{
    const uint32_t *base = splits;
    while (m > 1) {
        uint32_t half = m / 2;
        base += (base[half - 1] <= u) * half;
        m -= half;
    }
    return (uint32_t)(base - splits) + (m == 1 && base[0] <= u);
}

/* table[c] = how many splits are below the cell of the integers that begin with the 16 bits c, table[65536] = m. Returns whether a cell
 * holds more than one split, so that a comparison with one is not enough. */
static int gw_assign_table(const uint32_t *splits, uint32_t m, uint16_t *table)
{
    uint32_t cell = 0;
    int crowded = 0;
    for (uint32_t i = 0; i < m; i++) {
        uint32_t last = splits[i] >> 16;
        crowded |= i > 0 && last == splits[i - 1] >> 16;
        for (; cell <= last; cell++) table[cell] = (uint16_t)i;
    }
    for (; cell <= 1 << 16; cell++) table[cell] = (uint16_t)m;
    return crowded;
}

/* Position of the lowest bit of x, which is not 0. */
GW_INLINE int gw_lowest_bit(uint32_t x)
{
#if defined(__GNUC__)
    return __builtin_ctz(x);
#else
    int at = 0;
    while (!(x >> at & 1)) at++;
    return at;
#endif
}

GW_INLINE void gw_put_code(void *codes, int wide, int64_t i, uint32_t code)
{
    if (wide) ((uint16_t *)codes)[i] = (uint16_t)code;
    else ((uint8_t *)codes)[i] = (uint8_t)code;
}

GW_INLINE uint32_t gw_get_code(const void *codes, int wide, int64_t i)
{
    return wide ? ((const uint16_t *)codes)[i] : ((const uint8_t *)codes)[i];
}

#define GW_KERNELS "quantile_kernels.h"
#include "levels.h"

GW_DISPATCH(gw_surveyed, gw_survey, (const float *v, int64_t n), (v, n))
GW_DISPATCH(int64_t, gw_keep, (const float *v, int64_t n, uint32_t low, uint32_t high, int outside, float *out),
            (v, n, low, high, outside, out))
GW_DISPATCH(void, gw_assign, (const float *v, int64_t n, const uint32_t *splits, uint32_t m, uint16_t *table, void *codes, int wide),
            (v, n, splits, m, table, codes, wide))
GW_DISPATCH(void, gw_mark,
            (const float *v, int64_t n, uint32_t low, uint32_t high, uint32_t code, void *codes, int wide, float *exact),
            (v, n, low, high, code, codes, wide, exact))
GW_DISPATCH(int, gw_lookup, (const void *codes, int wide, int64_t n, const float *values, uint32_t size, float *out),
            (codes, wide, n, values, size, out))
GW_DISPATCH(int64_t, gw_fill, (const void *codes, int wide, int64_t n, uint32_t code, const float *exact, int64_t n_exact, float *out),
            (codes, wide, n, code, exact, n_exact, out))

static void gw_bucket_sums(const float *v, const void *codes, int wide, int64_t n, int64_t size, double *sums, int64_t *counts)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t at = gw_get_code(codes, wide, i) + (i & 1) * size;
        sums[at] += v[i];
        counts[at]++;
    }
}

/* By digits of 11, 11 and 10 bits from the top, keeping the items that share the wanted one's. */
static uint32_t gw_select_u32(uint32_t *a, int64_t n, int64_t rank)
{
    static const int shifts[3] = {21, 10, 0};
    for (int digit = 0; digit < 3 && n > 1; digit++) {
        int64_t count[1 << 11] = {0}, m = 0;
        uint32_t shift = (uint32_t)shifts[digit], mask = digit < 2 ? 0x7FF : 0x3FF, bin = 0;
        for (int64_t i = 0; i < n; i++) count[a[i] >> shift & mask]++;
        for (; rank >= count[bin]; bin++) rank -= count[bin];
        for (int64_t i = 0; i < n; i++) {
            uint32_t item = a[i];
            a[m] = item;
            m += (item >> shift & mask) == bin;
        }
        n = m;
    }
    return a[0];
}
#endif
