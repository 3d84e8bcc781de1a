/* Sparse vectors as (strictly increasing uint32 keys, float32 values): checks, scatter, selection and sums.
 *
 * Every function reads exactly n elements of its inputs and writes only what its line says. No allocation unless stated.
 */
#ifndef GW_SPARSE_H
#define GW_SPARSE_H
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <stdlib.h>

/* Position of the first key that is not above the one before it or not below dim, else -1. */
static int64_t gw_first_unsorted(const uint32_t *keys, int64_t n, uint64_t dim)
{
    int64_t bad = 0;
    for (int64_t i = 1; i < n; i++) bad |= keys[i] <= keys[i - 1];
    if (!bad && (n == 0 || keys[n - 1] < dim)) return -1;
    for (int64_t i = 0; i < n; i++)
        if (keys[i] >= dim || (i && keys[i] <= keys[i - 1])) return i;
    return -1;
}

/* Position of the first NaN or infinity, else -1. */
static int64_t gw_first_nonfinite(const float *values, int64_t n)
{
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        bad |= (bits & 0x7F800000u) == 0x7F800000u;
    }
    if (!bad) return -1;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        if ((bits & 0x7F800000u) == 0x7F800000u) return i;
    }
    return -1;
}

/* out[keys[i]] += scale * values[i]. Keys must be below the length of out. */
static void gw_scatter_add(float *out, const uint32_t *keys, const float *values, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++) out[keys[i]] += scale * values[i];
}

/* Writes key and value of each value that is not ±0 to out_keys, out_values (room for n); returns how many. */
static int64_t gw_nonzero(const float *values, int64_t n, uint32_t *out_keys, float *out_values)
{
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++) {
        out_keys[m] = (uint32_t)i;
        out_values[m] = values[i];
        m += values[i] != 0.0f;
    }
    return m;
}

/* Writes the pairs whose mask byte is not 0 (room for n); returns how many. */
static int64_t gw_compress(const uint8_t *mask, const uint32_t *keys, const float *values, int64_t n, uint32_t *out_keys, float *out_values)
{
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++) {
        out_keys[m] = keys[i];
        out_values[m] = values[i];
        m += mask[i] != 0;
    }
    return m;
}

/* Distributes keys to their groups: keys of group 0 in order, then those of group 1, …. group[i] < 256; starts has room for 257 and
 * afterwards holds where each group starts, starts[256] = n. */
static void gw_split(const uint32_t *keys, const uint8_t *group, int64_t n, uint32_t *out, int64_t *starts)
{
    int64_t next[256];
    memset(starts, 0, 257 * sizeof *starts);
    for (int64_t i = 0; i < n; i++) starts[group[i] + 1]++;
    for (int g = 0; g < 256; g++) {
        starts[g + 1] += starts[g];
        next[g] = starts[g];
    }
    for (int64_t i = 0; i < n; i++) out[next[group[i]]++] = keys[i];
}

/* Sum of two sparse vectors, a before b at equal keys. Room for na + nb; returns the length of the union. */
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

/* Stable least-significant-digit radix sort of n pairs by key, digits of 11 bits, as many passes as `bits` need.
 * scratch_* have room for n. The result is in keys, values. */
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

/* Sums runs of equal keys of sorted pairs in place, in order; returns how many keys are left. */
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
