/* Length-limited Huffman codes: the lengths, how they travel, and the codes that follow from them.
 *
 *   gw_huffman_lengths   reads counts of m <= 2^10 symbols, at least one of them not 0; writes m lengths 0 … limit, 0 for a symbol that
 *                        does not occur. No prefix code with lengths up to `limit` takes fewer bits (package-merge, Larmore and Hirschberg
 *                        1990). A single symbol gets length 1, and so does a neighbour that does not occur: every code is complete.
 *   gw_huffman_pack      writes m lengths as 4-bit numbers, the low half of a byte first: 0 … 12 is the next symbol's length; 15, x, y
 *                        repeats the length before it (0 at the start) 4 + x + 16 y times. An unused last half byte is 0. Runs of
 *                        4 and more are always written as repeats. Writes and returns at most (m + 1) / 2 bytes.
 *   gw_huffman_unpack    the reverse. Returns how many bytes it read, or -1: the bytes end too early, a number is 13 or 14, a run goes
 *                        beyond m, the unused half byte is not 0, or the code is not complete (its sum of 2^-length is not 1).
 *   gw_huffman_codes     canonical codes: in the order of (length, symbol) they count up, shorter ones first; here bit-reversed, because
 *                        streams are read from the least significant bit. entries[s] = code << 16 | length.
 */
#ifndef GW_HUFFMAN_CODE_H
#define GW_HUFFMAN_CODE_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GW_HUFFMAN_LIMIT = 12, GW_HUFFMAN_SYMBOLS = 1024, GW_HUFFMAN_REPEAT = 15, GW_HUFFMAN_RUN = 4, GW_HUFFMAN_LONGEST_RUN = 259 };

static int gw_compare64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Per level from the deepest up, how many of the lightest leaves the optimal choice takes: used[l] for l < limit. */
static void gw_package_merge(const uint64_t *weights, int leaves, int limit, int *used)
{
    uint64_t lists[2][2 * GW_HUFFMAN_SYMBOLS];
    uint8_t is_leaf[GW_HUFFMAN_LIMIT][2 * GW_HUFFMAN_SYMBOLS];
    int size = leaves, wanted = 2 * leaves - 2;
    memcpy(lists[0], weights, (size_t)leaves * 8);
    memset(is_leaf[0], 1, (size_t)leaves);
    for (int level = 1; level < limit; level++) {
        const uint64_t *below = lists[(level - 1) & 1];
        uint64_t *list = lists[level & 1];
        int leaf = 0, package = 0, packages = size / 2;
        for (size = 0; size < wanted && (leaf < leaves || package < packages); size++) {
            uint64_t pair = package < packages ? below[2 * package] + below[2 * package + 1] : UINT64_MAX;
            int take = leaf < leaves && weights[leaf] <= pair;
            is_leaf[level][size] = (uint8_t)take;
            list[size] = take ? weights[leaf] : pair;
            leaf += take;
            package += !take;
        }
    }
    for (int level = limit - 1; level >= 0; level--) {
        used[level] = 0;
        for (int i = 0; i < wanted; i++) used[level] += is_leaf[level][i];
        wanted = 2 * (wanted - used[level]);
    }
}

static void gw_huffman_lengths(const uint64_t *counts, int m, int limit, uint8_t *lengths)
{
    uint64_t order[GW_HUFFMAN_SYMBOLS], weights[GW_HUFFMAN_SYMBOLS];
    int used[GW_HUFFMAN_LIMIT], leaves = 0;
    memset(lengths, 0, (size_t)m);
    for (int s = 0; s < m; s++)
        if (counts[s]) order[leaves++] = counts[s] << 16 | (uint64_t)s;
    if (leaves == 1) {
        int s = (int)(order[0] & 0xFFFF);
        lengths[s] = lengths[s ? s - 1 : 1] = 1;
        return;
    }
    qsort(order, (size_t)leaves, 8, gw_compare64);
    for (int i = 0; i < leaves; i++) weights[i] = order[i] >> 16;
    gw_package_merge(weights, leaves, limit, used);
    for (int level = 0; level < limit; level++)
        for (int i = 0; i < used[level]; i++) lengths[order[i] & 0xFFFF]++;
}

/* How many lengths from `at` on repeat the one before, at most GW_HUFFMAN_LONGEST_RUN. */
static int gw_huffman_run(const uint8_t *lengths, int m, int at)
{
    int before = at ? lengths[at - 1] : 0, run = 0;
    while (at + run < m && run < GW_HUFFMAN_LONGEST_RUN && lengths[at + run] == before) run++;
    return run;
}

static int gw_huffman_pack(const uint8_t *lengths, int m, uint8_t *out)
{
    int halves = 0;
#define GW_PUT(x) (halves & 1 ? (void)(out[halves / 2] |= (uint8_t)((x) << 4)) : (void)(out[halves / 2] = (uint8_t)(x)), halves++)
    for (int at = 0; at < m;) {
        int run = gw_huffman_run(lengths, m, at);
        if (run >= GW_HUFFMAN_RUN) {
            GW_PUT(GW_HUFFMAN_REPEAT);
            GW_PUT((run - GW_HUFFMAN_RUN) & 15);
            GW_PUT((run - GW_HUFFMAN_RUN) >> 4);
            at += run;
        } else {
            GW_PUT(lengths[at]);
            at++;
        }
    }
#undef GW_PUT
    return (halves + 1) / 2;
}

static int gw_huffman_unpack(const uint8_t *in, int64_t nbytes, int m, uint8_t *lengths)
{
    int64_t half = 0;
    uint32_t kraft = 0;
#define GW_GET() (in[half / 2] >> (half & 1) * 4 & 15)
    for (int at = 0; at < m; half++) {
        if (half >= 2 * nbytes) return -1;
        int x = GW_GET(), run = 1;
        if (x == GW_HUFFMAN_REPEAT) {
            if (half + 2 >= 2 * nbytes) return -1;
            half++;
            run = GW_HUFFMAN_RUN + GW_GET();
            half++;
            run += GW_GET() << 4;
            x = at ? lengths[at - 1] : 0;
        }
        if (x > GW_HUFFMAN_LIMIT || run > m - at) return -1;
        memset(lengths + at, x, (size_t)run);
        at += run;
        kraft += x ? (uint32_t)run << (GW_HUFFMAN_LIMIT - x) : 0;
    }
    if (kraft != 1u << GW_HUFFMAN_LIMIT || (half & 1 && GW_GET())) return -1;
#undef GW_GET
    return (int)((half + 1) / 2);
}

static void gw_huffman_codes(const uint8_t *lengths, int m, uint32_t *entries)
{
    uint32_t count[GW_HUFFMAN_LIMIT + 2] = {0}, next[GW_HUFFMAN_LIMIT + 2] = {0};
    for (int s = 0; s < m; s++) count[lengths[s]]++;
    count[0] = 0;
    for (int l = 1; l <= GW_HUFFMAN_LIMIT; l++) next[l] = (next[l - 1] + count[l - 1]) << 1;
    for (int s = 0; s < m; s++) {
        uint32_t length = lengths[s], code = length ? next[length]++ : 0, reversed = 0;
        for (uint32_t bit = 0; bit < length; bit++) reversed |= (code >> bit & 1) << (length - 1 - bit);
        entries[s] = reversed << 16 | length;
    }
}
#endif
