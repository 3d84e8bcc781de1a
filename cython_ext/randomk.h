/* Uniformly random subsets, sorted, and the values that stand at them.
 *
 * The subset of size q of 0 … dim - 1 that belongs to a seed is made of the first q distinct numbers of the stream
 *   x_0, x_1, …  =  the numbers below dim that gw_random32(seed, 0), gw_random32(seed, 1), … give by Lemire's rule (ACM TOMACS 2019):
 *   r gives r * dim >> 32, unless r * dim mod 2^32 is below 2^32 mod dim: then r is skipped, and every number is equally likely.
 * If 2 * q > dim it is the complement of such a subset of size dim - q. All subsets of a size are equally likely (as far as the words
 * are random), and dim costs nothing: O(q).
 *
 *   gw_subset(dim, q, seed, out, fresh, scratch)   out: the subset in increasing order. 0 <= q <= dim <= 2^32. With s = min(q, dim - q),
 *                                                  out has room for q, fresh and scratch for max(s, 1) each.
 *   gw_pick(values, keys, at, q, factor, out_keys, out_values)
 *       writes key and scaled value of the positions `at` whose value is not 0 (room for q each), in order; returns how many. `keys`
 *       may be NULL: then the key is the position.
 *   gw_align(values, keys, n, chosen, q, factor, out)
 *       out[j] = the scaled value of the pair whose key is chosen[j], 0 if there is none. Both lists of keys increase. `keys` may be
 *       NULL: then all chosen[j] < n are there.
 * Scaled: value * factor, computed in double and rounded once; beyond the range of float the largest float.
 */
#ifndef GW_RANDOMK_H
#define GW_RANDOMK_H
#include <float.h>
#include "order.h"
#include "random.h"

static void gw_subset_draw(uint64_t dim, uint64_t seed, uint64_t *next, uint32_t *out, int64_t n)
{
    uint32_t skipped = (uint32_t)(((uint64_t)1 << 32) % dim);
    for (int64_t i = 0; i < n; (*next)++) {
        uint64_t product = gw_random32(seed, *next) * dim;
        out[i] = (uint32_t)(product >> 32);
        i += (uint32_t)product >= skipped;
    }
}

/* The union of two increasing lists, without repeats inside b, to out; returns its length. */
static int64_t gw_subset_merge(const uint32_t *a, int64_t na, const uint32_t *b, int64_t nb, uint32_t *out)
{
    int64_t i = 0, m = 0;
    for (int64_t j = 0; j < nb; j++) {
        while (i < na && a[i] < b[j]) out[m++] = a[i++];
        if ((i < na && a[i] == b[j]) || (j && b[j] == b[j - 1])) continue;
        out[m++] = b[j];
    }
    while (i < na) out[m++] = a[i++];
    return m;
}

/* q <= dim / 2: a number that comes is new with probability over a half. The result is in out. */
static void gw_subset_small(uint64_t dim, int64_t q, uint64_t seed, uint32_t *out, uint32_t *fresh, uint32_t *scratch)
{
    uint64_t next = 0;
    for (int64_t m = 0; m < q;) {
        int64_t missing = q - m;
        gw_subset_draw(dim, seed, &next, fresh, missing);
        gw_sort_u32(fresh, missing, scratch);
        m = gw_subset_merge(out, m, fresh, missing, scratch);
        memcpy(out, scratch, (size_t)m * 4);
    }
}

static void gw_subset(uint64_t dim, int64_t q, uint64_t seed, uint32_t *out, uint32_t *fresh, uint32_t *scratch)
{
    int64_t left_out = (int64_t)dim - q, j = 0;
    if (q <= left_out) { gw_subset_small(dim, q, seed, out, fresh, scratch); return; }
    gw_subset_small(dim, left_out, seed, out, fresh, scratch); /* left_out < q, so out has room; it is copied before it is written over */
    memcpy(fresh, out, (size_t)left_out * 4);
    for (uint64_t key = 0; key < dim; key++) {
        if (j < left_out && fresh[j] == key) j++;
        else out[key - (uint64_t)j] = (uint32_t)key;
    }
}

static inline float gw_scaled(float value, double factor)
{
    double scaled = value * factor;
    return (float)(scaled > FLT_MAX ? FLT_MAX : scaled < -FLT_MAX ? -FLT_MAX : scaled);
}

static int64_t gw_pick(const float *values, const uint32_t *keys, const uint32_t *at, int64_t q, double factor, uint32_t *out_keys,
                       float *out_values)
{
    int64_t m = 0;
    for (int64_t i = 0; i < q; i++) {
        float value = values[at[i]];
        out_keys[m] = keys ? keys[at[i]] : at[i];
        out_values[m] = gw_scaled(value, factor);
        m += value != 0.0f;
    }
    return m;
}

static void gw_align(const float *values, const uint32_t *keys, int64_t n, const uint32_t *chosen, int64_t q, double factor, float *out)
{
    int64_t i = 0;
    for (int64_t j = 0; j < q; j++) {
        if (keys) {
            while (i < n && keys[i] < chosen[j]) i++;
            out[j] = i < n && keys[i] == chosen[j] ? gw_scaled(values[i], factor) : 0.0f;
        } else out[j] = gw_scaled(values[chosen[j]], factor);
    }
}
#endif
