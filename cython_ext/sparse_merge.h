/* One sorted list of pairs from several: what puts the groups of a gradient back together.
 *
 *   gw_merge_runs   keys holds `runs` runs of sizes[0], sizes[1], … strictly increasing keys, payload 32 bits for each, none 0xFFFFFFFF.
 *                   Writes all pairs in the order of their keys; returns -1 if two keys are equal (the output is then meaningless), else 0.
 *                   scratch has room for gw_merge_room(runs) words. Runs that are not sorted give nonsense, but no access elsewhere.
 *
 * It goes through the keys in windows: as many pairs of every run as have keys up to a pivot, which leaves at most `share` of each, so
 * that a window stays in cache. There pairs are words, key << 32 | payload, and runs are merged two by two. A merge of two is cut into
 * four pieces of equal length (where piece c starts in either run is found by halving), which advance in lockstep: a single merge waits
 * for its own comparisons most of the time. Words of all ones behind each run need no bounds.
 */
#ifndef GW_SPARSE_MERGE_H
#define GW_SPARSE_MERGE_H
#include "simd.h"

enum { GW_MERGE_WINDOW = 8192, GW_MERGE_LEAST = 32, GW_MERGE_PAD = 32, GW_MERGE_PIECES = 4, GW_MERGE_MOST = 256 };

GW_INLINE int64_t gw_merge_share(int runs)
{
    int64_t share = GW_MERGE_WINDOW / (runs ? runs : 1);
    return share > GW_MERGE_LEAST ? share : GW_MERGE_LEAST;
}

/* Of one of the two buffers: the runs, what stands behind each, and what a piece may read beyond the last one. */
GW_INLINE int64_t gw_merge_buffer(int runs)
{
    return 2 * runs * (gw_merge_share(runs) + GW_MERGE_PAD);
}

GW_INLINE int64_t gw_merge_room(int runs)
{
    return 2 * gw_merge_buffer(runs);
}

/* How many of the ascending keys[0..n) are <= key. */
GW_INLINE int64_t gw_merge_upto(const uint32_t *keys, int64_t n, uint32_t key)
{
    const uint32_t *base = keys;
    while (n > 1) {
        base += (base[n / 2 - 1] <= key) * (n / 2);
        n -= n / 2;
    }
    return base - keys + (n == 1 && base[0] <= key);
}

/* How many of the first p words of the merged list come from a. */
GW_INLINE int64_t gw_merge_path(const uint64_t *a, int64_t na, const uint64_t *b, int64_t nb, int64_t p)
{
    int64_t low = p > nb ? p - nb : 0, high = p < na ? p : na;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        int right = a[middle] < b[p - 1 - middle];
        low = right ? middle + 1 : low;
        high = right ? high : middle;
    }
    return low;
}

#define GW_KERNELS "sparse_merge_kernels.h"
#include "levels.h"

GW_DISPATCH(int, gw_merge_runs,
            (const uint32_t *keys, const uint32_t *payload, const int64_t *sizes, int runs, uint64_t *scratch, uint32_t *out_keys,
             uint32_t *out_payload),
            (keys, payload, sizes, runs, scratch, out_keys, out_payload))
#endif
