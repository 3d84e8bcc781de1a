/* Buckets of float32 values between ascending splits: bucket i holds splits[i - 1] <= v < splits[i], so m splits make m + 1 buckets.
 * Splits are ordered integers (order.h); values are finite; -0 counts as +0.
 *
 *   gw_assign       codes[i] = how many of the m <= 65535 splits are <= v[i]. splits[m] is UINT32_MAX (a sentinel). table is NULL, or
 *                   65,537 words of scratch; worth its making from some ten thousand values on. The codes are the same.
 *   gw_bucket_sums  sums[code] += v, counts[code] += 1, in order of position
 *   gw_lookup       out[i] = values[codes[i]]; returns -1 and writes nothing if a code is not below size, else 0
 */
#ifndef GW_QUANTILE_H
#define GW_QUANTILE_H
#include "order.h"

/* How many of splits[0..m) are <= u. */
static inline uint32_t gw_upper_bound(const uint32_t *splits, uint32_t m, uint32_t u)
{
    const uint32_t *base = splits;
    while (m > 1) {
        uint32_t half = m / 2;
        base += (base[half - 1] <= u) * half;
        m -= half;
    }
    return (uint32_t)(base - splits) + (m == 1 && base[0] <= u);
}

/* table[c]: how many splits are below the cell of the integers that begin with the 16 bits c; the top bit is set if the cell itself
 * holds more than one, and a search must follow. */
static void gw_assign_table(const uint32_t *splits, uint32_t m, uint32_t *table)
{
    uint32_t at = 0;
    for (uint32_t c = 0; c < 1 << 16; c++) {
        table[c] = at;
        while (at < m && splits[at] >> 16 == c) at++;
        if (at - table[c] > 1) table[c] |= 1u << 31;
    }
    table[1 << 16] = m;
}

static void gw_assign(const float *v, int64_t n, const uint32_t *splits, uint32_t m, uint32_t *table, uint16_t *codes)
{
    if (!table) {
        for (int64_t i = 0; i < n; i++) codes[i] = (uint16_t)gw_upper_bound(splits, m, gw_order(v[i]));
        return;
    }
    gw_assign_table(splits, m, table);
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = gw_order(v[i]), entry = table[u >> 16], low = entry & 0x1FFFF;
        if (entry >> 31) low += gw_upper_bound(splits + low, (table[(u >> 16) + 1] & 0x1FFFF) - low, u);
        else low += splits[low] <= u;
        codes[i] = (uint16_t)low;
    }
}

static void gw_bucket_sums(const float *v, const uint16_t *codes, int64_t n, double *sums, int64_t *counts)
{
    for (int64_t i = 0; i < n; i++) {
        sums[codes[i]] += v[i];
        counts[codes[i]]++;
    }
}

static int gw_lookup(const uint16_t *codes, int64_t n, const float *values, uint32_t size, float *out)
{
    uint16_t most = 0;
    for (int64_t i = 0; i < n; i++) most = codes[i] > most ? codes[i] : most;
    if (n && most >= size) return -1;
    for (int64_t i = 0; i < n; i++) out[i] = values[codes[i]];
    return 0;
}
#endif
