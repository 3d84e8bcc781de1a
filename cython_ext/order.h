/* Finite float32 values as uint32 that compare alike, and a sort of such integers.
 *
 *   uint32_t gw_order(float v)         u < w exactly when the floats do; -0 becomes +0. v is finite.
 *   float    gw_unorder(uint32_t u)    the inverse.
 *   GW_ONE_BY_ONE                    see below
 *   void     gw_sort_u32(a, n, scratch)  sorts a[0..n) in place, n < 2^32; scratch has room for n.
 */
#ifndef GW_ORDER_H
#define GW_ORDER_H
#include <stdint.h>
#include <string.h>

/* In a loop over table look-ups: keeps the compiler from making vectors of scalar loads, which is slower. */
#if defined(__GNUC__)
#define GW_ONE_BY_ONE __asm__ volatile("")
#else
#define GW_ONE_BY_ONE (void)0
#endif

static inline uint32_t gw_order(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    bits = bits == 0x80000000u ? 0 : bits;
    return bits ^ ((uint32_t)((int32_t)bits >> 31) | 0x80000000u);
}

static inline float gw_unorder(uint32_t u)
{
    uint32_t bits = u & 0x80000000u ? u ^ 0x80000000u : ~u;
    float v;
    memcpy(&v, &bits, 4);
    return v;
}

/* Least-significant-digit radix sort with `passes` digits of `digit` bits; a digit that all items share costs nothing. */
static inline void gw_radix_u32(uint32_t *a, int64_t n, uint32_t *scratch, const int digit, const int passes)
{
    const uint32_t bins = 1u << digit;
    uint32_t count[4][1 << 11];
    uint32_t *from = a, *to = scratch;
    for (int p = 0; p < passes; p++) memset(count[p], 0, bins * sizeof count[p][0]);
    for (int64_t i = 0; i < n; i++)
        for (int p = 0; p < passes; p++) count[p][a[i] >> (p * digit) & (bins - 1)]++;
    for (int p = 0; p < passes; p++) {
        if (count[p][from[0] >> (p * digit) & (bins - 1)] == (uint32_t)n) continue;
        uint32_t sum = 0;
        for (uint32_t b = 0; b < bins; b++) { uint32_t c = count[p][b]; count[p][b] = sum; sum += c; }
        for (int64_t i = 0; i < n; i++) to[count[p][from[i] >> (p * digit) & (bins - 1)]++] = from[i];
        uint32_t *swap = from; from = to; to = swap;
    }
    if (from != a) memcpy(a, from, (size_t)n * 4);
}

static inline void gw_sort_u32(uint32_t *a, int64_t n, uint32_t *scratch)
{
    if (n > 2048) { gw_radix_u32(a, n, scratch, 11, 3); return; }
    if (n > 64) { gw_radix_u32(a, n, scratch, 8, 4); return; }
    for (int64_t i = 1; i < n; i++) {
        uint32_t x = a[i];
        int64_t j = i;
        for (; j > 0 && a[j - 1] > x; j--) a[j] = a[j - 1];
        a[j] = x;
    }
}
#endif
