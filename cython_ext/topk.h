/* Selection by magnitude. The magnitude of a float is the integer view of its bits without the sign: magnitudes order as |v| does.
 * NaN never comes here.
 *
 *   gw_topk_floor(values, n, k, &items)   a magnitude that at least k of the values reach, and how many reach it: all but the last 20
 *                                         bits of the k-th largest magnitude, from one histogram. Reads values[0 … n), 1 ≤ k ≤ n.
 *   gw_topk_count(values, n, floor)       how many magnitudes are at least `floor`
 *   gw_topk_collect(values, keys, n, floor, items, out_keys, out_values)
 *       writes the pairs whose magnitude is at least `floor`, in order. `items` says how many these are; out_* have room for one more.
 *       `keys` may be NULL: then the key is the position.
 *   gw_topk_trim(keys, values, n, k)      keeps the k largest magnitudes of n ≥ k ≥ 1 pairs, in place and in order, the first ones at a
 *                                         tie. Zeros are dropped even if fewer than k are left. Returns how many are left.
 */
#ifndef GW_TOPK_H
#define GW_TOPK_H
#include <stdint.h>
#include <stddef.h>
#include <string.h>

static inline uint32_t gw_magnitude(const float *v)
{
    uint32_t bits;
    memcpy(&bits, v, 4);
    return bits & 0x7FFFFFFFu;
}

/* The 31 bits of a magnitude as digits of 11, 11 and 9 bits. A histogram has four tables, because neighbours often have equal digits
 * and would wait for each other; each counts at most 2^30 items. The last bin is for items that do not count. */
enum { GW_TOPK_SHIFT1 = 20, GW_TOPK_SHIFT2 = 9, GW_TOPK_BINS = 1 << 11 };
typedef uint32_t gw_topk_table[4][GW_TOPK_BINS + 1];

/* From the top bin down: the bin that holds the k-th largest item. Lowers k by the items above that bin; *inside = items in it. */
static uint32_t gw_topk_bin(gw_topk_table count, int64_t *k, int64_t *inside)
{
    uint32_t bin = GW_TOPK_BINS;
    do {
        bin--;
        *inside = (int64_t)count[0][bin] + count[1][bin] + count[2][bin] + count[3][bin];
        *k -= *inside;
    } while (*k > 0);
    *k += *inside;
    return bin;
}

static uint32_t gw_topk_floor(const float *values, int64_t n, int64_t k, int64_t *items)
{
    gw_topk_table count = {{0}};
    int64_t i = 0, rest = k, inside;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++) count[j][gw_magnitude(values + i + j) >> GW_TOPK_SHIFT1]++;
    for (; i < n; i++) count[0][gw_magnitude(values + i) >> GW_TOPK_SHIFT1]++;
    uint32_t bin = gw_topk_bin(count, &rest, &inside);
    *items = k - rest + inside;
    return bin << GW_TOPK_SHIFT1;
}

static int64_t gw_topk_count(const float *values, int64_t n, uint32_t floor)
{
    int64_t items = 0;
    for (int64_t start = 0; start < n; start += 1 << 20) { /* 32-bit counters inside a chunk: twice the vector width */
        int64_t stop = n - start < 1 << 20 ? n : start + (1 << 20);
        int32_t chunk = 0;
        for (int64_t i = start; i < stop; i++) chunk += (int32_t)gw_magnitude(values + i) >= (int32_t)floor;
        items += chunk;
    }
    return items;
}

static void gw_topk_collect(const float *values, const uint32_t *keys, int64_t n, uint32_t floor, int64_t items, uint32_t *out_keys,
                            float *out_values)
{
    enum { BLOCK = 32 };
    int rare = items < n / (2 * BLOCK); /* then most blocks hold nothing, and looking first is worth it */
    int64_t m = 0;
    for (int64_t start = 0; start < n; start += BLOCK) {
        int64_t stop = n - start < BLOCK ? n : start + BLOCK;
        if (rare && stop - start == BLOCK) {
            int32_t any = 0;
            for (int j = 0; j < BLOCK; j++) any |= -((int32_t)gw_magnitude(values + start + j) >= (int32_t)floor);
            if (!any) continue;
        }
        for (int64_t i = start; i < stop; i++) {
            out_keys[m] = keys ? keys[i] : (uint32_t)i;
            out_values[m] = values[i];
            m += gw_magnitude(values + i) >= floor;
        }
    }
}

static int64_t gw_topk_trim(uint32_t *keys, float *values, int64_t n, int64_t k)
{
    static const int SHIFT[3] = {GW_TOPK_SHIFT1, GW_TOPK_SHIFT2, 0}, BITS[3] = {11, 11, 9};
    gw_topk_table count;
    int64_t rest = k, inside, m = 0;
    uint32_t cut = 0; /* its leading digits are those of the k-th largest magnitude; `rest` counts inside their bin */
    for (int digit = 0; digit < 3; digit++) {
        int above = SHIFT[digit] + BITS[digit];
        uint32_t mask = ((uint32_t)1 << BITS[digit]) - 1;
        memset(count, 0, sizeof count);
        for (int64_t i = 0; i < n; i++) {
            uint32_t magnitude = gw_magnitude(values + i);
            count[i & 3][magnitude >> above == cut >> above ? magnitude >> SHIFT[digit] & mask : GW_TOPK_BINS]++;
        }
        cut |= gw_topk_bin(count, &rest, &inside) << SHIFT[digit];
    }
    if (cut == 0) rest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t magnitude = gw_magnitude(values + i);
        int64_t tie = (magnitude == cut) & (rest > 0);
        keys[m] = keys[i];
        values[m] = values[i];
        rest -= tie;
        m += (magnitude > cut) | tie;
    }
    return m;
}
#endif
