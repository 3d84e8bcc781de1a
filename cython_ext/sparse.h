/* Sparse vectors as (strictly increasing uint32 keys, float32 values): checks, scatter, selection, groups and sums.
 *
 * Every function reads exactly n elements of its inputs and writes only what its line says, if nothing else is said. No allocation.
 *
 *   gw_first_unsorted   position of the first key that is not above the one before it or not below dim, else -1
 *   gw_first_nonfinite  position of the first NaN or infinity, else -1
 *   gw_has_zero         whether a value is ±0
 *   gw_axpy             out[i] += scale * values[i]
 *   gw_scatter_add      out[keys[i]] += scale * values[i]; keys are below the length of out
 *   gw_nonzero          key and value of each value that is not ±0, to out_keys, out_values (room for n); returns how many. The key is
 *                       keys[i], or i if keys is NULL.
 *   gw_compress         the pairs whose mask byte is not 0 (room for n); returns how many
 *   gw_split            distributes pairs to groups: those of group 0 in order, then those of group 1, …. The group of a pair is
 *                       places[codes[i]] >> 16, its index there places[codes[i]] & 0xFFFF. codes are bytes, or uint16 if wide_codes. Writes
 *                       n keys, n indexes (bytes, or uint16 if `wide`, then codes are too) and the sizes of the groups. counts: scratch,
 *                       0 for each code at first
 *   gw_merge_runs       the reverse for sorted keys, see sparse_merge.h
 *   gw_add              sum of two sparse vectors, a before b at equal keys. Room for na + nb; returns the length of the union
 *   gw_sort_pairs       stable radix sort of n pairs by key, digits of 11 bits, as many passes as `bits` need; scratch_* have room for n
 *   gw_reduce_runs      sums runs of equal keys of sorted pairs in place, in order; returns how many keys are left
 *
 * Selections store whole vectors: what lies in their room above the result is undefined.
 */
#ifndef GW_SPARSE_H
#define GW_SPARSE_H
#include <stddef.h>
#include "simd.h"

enum { GW_SPLIT_FEW = 12 };     /* groups up to which all of them are looked for at once */

#define GW_KERNELS "sparse_kernels.h"
#include "levels.h"
#include "sparse_merge.h"

GW_DISPATCH(int, gw_unsorted, (const uint32_t *keys, int64_t n, uint64_t dim), (keys, n, dim))
GW_DISPATCH(int, gw_nonfinite, (const float *values, int64_t n), (values, n))
GW_DISPATCH(int, gw_has_zero, (const float *values, int64_t n), (values, n))
GW_DISPATCH(void, gw_axpy, (float *out, const float *values, int64_t n, float scale), (out, values, n, scale))
GW_DISPATCH(int64_t, gw_nonzero, (const uint32_t *keys, const float *values, int64_t n, uint32_t *out_keys, float *out_values),
            (keys, values, n, out_keys, out_values))
GW_DISPATCH(int64_t, gw_compress,
            (const uint8_t *mask, const uint32_t *keys, const float *values, int64_t n, uint32_t *out_keys, float *out_values),
            (mask, keys, values, n, out_keys, out_values))
GW_DISPATCH(void, gw_split,
            (const uint32_t *keys, const void *codes, int wide_codes, int64_t n, const uint32_t *places, int64_t buckets, int groups,
             int wide, uint32_t *counts, uint32_t *out_keys, void *out_indexes, int64_t *sizes),
            (keys, codes, wide_codes, n, places, buckets, groups, wide, counts, out_keys, out_indexes, sizes))

static int64_t gw_first_unsorted(const uint32_t *keys, int64_t n, uint64_t dim)
{
    if (!gw_unsorted(keys, n, dim)) return -1;
    for (int64_t i = 0; i < n; i++)
        if (keys[i] >= dim || (i && keys[i] <= keys[i - 1])) return i;
    return -1;
}

static int64_t gw_first_nonfinite(const float *values, int64_t n)
{
    if (!gw_nonfinite(values, n)) return -1;
    for (int64_t i = 0; i < n; i++)
        if (gw_nonfinite(values + i, 1)) return i;
    return -1;
}

static void gw_scatter_add(float *out, const uint32_t *keys, const float *values, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++) out[keys[i]] += scale * values[i];
}

static int64_t gw_add(const uint32_t *ka, const float *va, int64_t na, const uint32_t *kb, const float *vb, int64_t nb,
                      uint32_t *keys, float *values)
{
    int64_t i = 0, j = 0, m = 0;
    while (i < na && j < nb) {
        uint32_t a = ka[i], b = kb[j];
        int take_a = a <= b, take_b = b <= a;
        keys[m] = take_a ? a : b;
        /* adding 0.0f to the lone side would turn -0 into 0, so select instead */
        values[m] = take_a ? (take_b ? va[i] + vb[j] : va[i]) : vb[j];
        i += take_a;
        j += take_b;
        m++;
    }
    for (; i < na; i++, m++) { keys[m] = ka[i]; values[m] = va[i]; }
    for (; j < nb; j++, m++) { keys[m] = kb[j]; values[m] = vb[j]; }
    return m;
}

static void gw_sort_pairs(uint32_t *keys, float *values, int64_t n, int bits, uint32_t *scratch_keys, float *scratch_values)
{
    enum { DIGIT = 11, BINS = 1 << DIGIT };
    uint32_t *ka = keys, *kb = scratch_keys;
    float *va = values, *vb = scratch_values;
    for (int shift = 0; shift < bits; shift += DIGIT) {
        int64_t start[BINS];
        memset(start, 0, sizeof start);
        for (int64_t i = 0; i < n; i++) start[(ka[i] >> shift) & (BINS - 1)]++;
        int64_t sum = 0;
        for (int b = 0; b < BINS; b++) { int64_t c = start[b]; start[b] = sum; sum += c; }
        for (int64_t i = 0; i < n; i++) {
            int64_t to = start[(ka[i] >> shift) & (BINS - 1)]++;
            kb[to] = ka[i];
            vb[to] = va[i];
        }
        uint32_t *k = ka; ka = kb; kb = k;
        float *v = va; va = vb; vb = v;
    }
    if (ka != keys) {
        memcpy(keys, ka, (size_t)n * 4);
        memcpy(values, va, (size_t)n * 4);
    }
}

static int64_t gw_reduce_runs(uint32_t *keys, float *values, int64_t n)
{
    int64_t m = 0;
    for (int64_t i = 0; i < n;) {
        uint32_t key = keys[i];
        float sum = values[i++];
        while (i < n && keys[i] == key) sum += values[i++];
        keys[m] = key;
        values[m++] = sum;
    }
    return m;
}
#endif
