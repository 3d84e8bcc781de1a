/* Selection by magnitude. The magnitude of a float is the integer view of its bits without the sign: magnitudes order as |v| does.
 * All of this is exact: what is estimated from a sample is proved by counting, and found another way where the sample misled.
 *
 *   gw_topk_count(values, n, floor)       how many magnitudes are at least `floor` >= 1
 *   gw_topk_above(values, keys, n, floor, capacity, out_keys, out_values)
 *       writes the pairs whose magnitude is at least `floor` >= 1, in order, and returns how many; -1 if they are more than `capacity`.
 *       out_* have room for capacity + GW_TOPK_SLACK: whole registers are stored. `keys` may be NULL: then the key is the position.
 *   gw_topk_band(values, n, lo, hi, out, &above)
 *       writes magnitude - lo of each value whose magnitude is in lo … hi - 1, in order, and returns how many; *above = how many are at
 *       least `hi`. 0 <= lo < hi <= GW_TOPK_ALL, which is above every magnitude. out has room for these + GW_TOPK_SLACK.
 *   gw_topk_keep(values, keys, n, cut, ties, out_keys, out_values)
 *       writes the pairs above the magnitude `cut` and the first `ties` of those equal to it, in order, and returns how many. out_* have
 *       room for these + GW_TOPK_SLACK, or are values and keys themselves (then not NULL): pairs only move to the front.
 *   gw_topk_select(items, n, &rank, bits) the rank-th largest of n items below 2^bits, 1 <= rank <= n, bits <= 31. Overwrites the items.
 *                                         Leaves in rank how many items equal to it are among the rank largest.
 *   gw_topk_histogram(values, n, k, &rest, &items)
 *       the upper digit (GW_TOPK_DIGIT, the lower 20 bits are 0) of the k-th largest magnitude, 1 <= k <= n. rest: its rank among the
 *       `items` magnitudes that share this digit.
 *   gw_topk_plan(values, n, k)            what a sample says about the k-th largest magnitude, 1 <= k <= n; see the struct.
 *   gw_topk_quantile(values, n, k, sample, seed, scratch)
 *       the magnitude that about k of n values reach: the ceil(k * sample / n)-th largest of `sample` of them, one at a random place
 *       (gw_random32) in each of `sample` equal stretches. 1 <= k <= n, 1 <= sample <= n; scratch has room for `sample`.
 *
 * Values are read only inside n; n <= 2^32. A NaN counts as larger than every number.
 */
#ifndef GW_TOPK_H
#define GW_TOPK_H
#include "random.h"
#include "simd.h"
#include <stddef.h>

enum { GW_TOPK_BLOCK = 64, GW_TOPK_SLACK = GW_TOPK_BLOCK + 16, GW_TOPK_SAMPLE = 4096, GW_TOPK_DIGIT = 20, GW_TOPK_BINS = 1 << 11 };
#define GW_TOPK_ALL 0x80000000u

GW_INLINE uint32_t gw_magnitude(const float *v)
{
    uint32_t bits;
    memcpy(&bits, v, 4);
    return bits & 0x7FFFFFFFu;
}

#define GW_KERNELS "topk_kernels.h"
#include "levels.h"

GW_DISPATCH(int64_t, gw_topk_count, (const float *values, int64_t n, uint32_t floor), (values, n, floor))
GW_DISPATCH(int64_t, gw_topk_above,
            (const float *values, const uint32_t *keys, int64_t n, uint32_t floor, int64_t capacity, uint32_t *out_keys, float *out_values),
            (values, keys, n, floor, capacity, out_keys, out_values))
GW_DISPATCH(int64_t, gw_topk_band, (const float *values, int64_t n, uint32_t lo, uint32_t hi, uint32_t *out, int64_t *above),
            (values, n, lo, hi, out, above))
GW_DISPATCH(int64_t, gw_topk_keep,
            (const float *values, const uint32_t *keys, int64_t n, uint32_t cut, int64_t ties, uint32_t *out_keys, float *out_values),
            (values, keys, n, cut, ties, out_keys, out_values))

/* Neighbours often have equal digits, and the second would wait for the first: so there are four tables. */
static uint32_t gw_topk_bin(const uint32_t *count, uint32_t bins, int64_t *rank, int64_t *inside)
{
    uint32_t bin = bins;
    do {
        bin--;
        *inside = (int64_t)count[bin] + count[bins + bin] + count[2 * bins + bin] + count[3 * bins + bin];
        *rank -= *inside;
    } while (*rank > 0);
    *rank += *inside;
    return bin;
}

static uint32_t gw_topk_select(uint32_t *items, int64_t n, int64_t *rank, int bits)
{
    uint32_t found = 0;
    while (bits > 0) {
        uint32_t count[4 * 256] = {0}, bin;
        int shift = bits > 8 ? bits - 8 : 0;
        int64_t i = 0, m = 0, inside;
        for (; i + 4 <= n; i += 4)
            for (int j = 0; j < 4; j++) count[256 * j + (items[i + j] >> shift)]++;
        for (; i < n; i++) count[items[i] >> shift]++;
        bin = gw_topk_bin(count, 256, rank, &inside);
        for (i = 0; i < n; i++) {
            uint32_t item = items[i];
            items[m] = item & (((uint32_t)1 << shift) - 1);
            m += item >> shift == bin;
        }
        found |= bin << shift;
        n = m;
        bits = shift;
    }
    return found;
}

static uint32_t gw_topk_histogram(const float *values, int64_t n, int64_t k, int64_t *rest, int64_t *items)
{
    uint32_t count[4 * GW_TOPK_BINS] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++) count[GW_TOPK_BINS * j + (gw_magnitude(values + i + j) >> GW_TOPK_DIGIT)]++;
    for (; i < n; i++) count[gw_magnitude(values + i) >> GW_TOPK_DIGIT]++;
    *rest = k;
    return gw_topk_bin(count, GW_TOPK_BINS, rest, items) << GW_TOPK_DIGIT;
}

/* Magnitudes of one value in each of `sample` equal stretches of values[0 … n). */
static void gw_topk_draw(const float *values, int64_t n, int64_t sample, uint64_t seed, uint32_t *items)
{
    uint64_t stretch = (uint64_t)(n / sample);
    for (int64_t i = 0; i < sample; i++) {
        uint64_t start = (uint64_t)i * stretch + (uint64_t)i * (uint64_t)(n % sample) / (uint64_t)sample;
        items[i] = gw_magnitude(values + start + (gw_random32(seed, (uint64_t)i) * stretch >> 32));
    }
}

static uint32_t gw_topk_quantile(const float *values, int64_t n, int64_t k, int64_t sample, uint64_t seed, uint32_t *scratch)
{
    int64_t rank = (int64_t)(((double)k * (double)sample + (double)n - 1) / (double)n);
    rank = rank < 1 ? 1 : rank > sample ? sample : rank;
    gw_topk_draw(values, n, sample, seed, scratch);
    return gw_topk_select(scratch, sample, &rank, 31);
}

/* The k-th largest magnitude is likely in lo … hi; about `expected` magnitudes reach lo >= 1. */
typedef struct { uint32_t lo, hi; int64_t expected; } gw_topk_bounds;

static gw_topk_bounds gw_topk_plan(const float *values, int64_t n, int64_t k)
{
    uint32_t items[GW_TOPK_SAMPLE], copy[GW_TOPK_SAMPLE];
    double middle = (double)k * GW_TOPK_SAMPLE / (double)n, margin = 4.0 + 4.0 * __builtin_sqrt(middle);
    int64_t low = (int64_t)(middle + margin), high = (int64_t)(middle - margin), m = 0;
    gw_topk_bounds bounds = {1, GW_TOPK_ALL, n};
    if (n < 2 * GW_TOPK_SAMPLE || low >= GW_TOPK_SAMPLE) return bounds;
    gw_topk_draw(values, n, GW_TOPK_SAMPLE, 0, items);
    memcpy(copy, items, sizeof items);
    bounds.expected = low * n / GW_TOPK_SAMPLE;
    bounds.lo = gw_topk_select(copy, GW_TOPK_SAMPLE, &low, 31);
    if (bounds.lo == 0) { bounds.lo = 1; return bounds; }
    if (high < 1) return bounds;
    for (int64_t i = 0; i < GW_TOPK_SAMPLE; i++) {
        copy[m] = items[i];
        m += items[i] >= bounds.lo;
    }
    bounds.hi = gw_topk_select(copy, m, &high, 31);
    return bounds;
}
#endif
