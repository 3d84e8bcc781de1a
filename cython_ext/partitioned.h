/* partitioned: gaps cut into partitions; all gaps of one partition have the same bit width, and the cut costs the fewest bits there are.
 * It is VSEncoding (Silvestri and Venturini, CIKM 2010) with lengths of l bits and widths of f bits.
 *
 * Gap 0 is the first key; gap j is key j minus key j-1 minus 1, so a run of consecutive keys has gaps of 0 and width 0.
 *
 * Format, for n ≥ 1 keys (n = 0: no bytes at all), l = 0 … 8, f = 0 … 5, P partitions of 1 to 2^l gaps:
 *   header   4 bytes, little-endian: P - 1. If f < 5, 5 more bytes: the set of widths (bit b: width b is used), 1 to 2^f of them.
 *   stream   P descriptors of l + f bits, then the gaps, each in its partition's width, with nothing in between: bit i is bit i % 8 of
 *            byte i / 8, and the unused bits of the last byte are 0. A descriptor is (length - 1) | field << l. If f < 5, field is the
 *            position of the width in the set, ascending; if f = 5, it is the width, and 31 stands for 32 (width 31 is not used).
 *
 * Planning. rounded(b) is the smallest usable width ≥ b, C = l + f. The fewest bits for the first i gaps are g(0) = 0,
 *   g(i) = min over 1 ≤ j ≤ min(i, 2^l) of g(i-j) + C + j · max of rounded(width) over the last j of them.
 * For one width b and every position p with all widths in (p, i] ≤ b, p costs g(p) - b·p and then b·i + C: g(i) is the least over the
 * widths of a minimum over a sliding window, O(n · widths) in all. The window is two blocks of 2^l positions: suffix minima of the block
 * before, one running minimum of this block. A wider w_i clears the minima of the widths below it. Widths are lanes of 16 bits; g is
 * kept relative to the block's start, which fits: |g(i) - g(p)| ≤ 2^l · 32 + C. The last NEAR positions are tried one by one, so that a
 * step need not wait for the horizontal minimum of the one before.
 *
 *   gw_partitioned_widths(keys, n, widths, counts)   widths[i] = bits of gap i, 0 … 32; counts[b] = how many have b bits, b = 0 … 32
 *   gw_partitioned_plan(widths, n, rounded, l, f, g) g[i] = g(i) mod 2^16, i = 0 … n; returns g(n). rounded: 33 bytes, at most 32 values
 *   gw_partitioned_trace(widths, n, rounded, l, f, g)
 *       after plan, the optimum with the shortest last partition, the same for what is left and so on: overwrites the last P elements
 *       of g with (length - 1) | width << 8 of each partition, in order; returns P
 *   gw_partitioned_pack(keys, n, plan, P, l, f, field, out)
 *       plan: the last P elements of g after trace; field[b] for each width b. Writes the stream and up to 8 bytes after it; returns its size.
 *   gw_partitioned_unpack(stream, nbytes, P, n, dim, l, f, width, out)
 *       width[field], 2^f bytes, 255 for a field that stands for nothing. Reads stream[0 … nbytes), any bytes at all; writes
 *       out[0 … n). Returns GW_KEYS_OK if they are P partitions of n strictly increasing keys below dim ≤ 2^32 and nothing else, else
 *       another code of gw_keys_error. Asks for P·(l+f) ≤ 8·nbytes and 1 ≤ n ≤ 2^32.
 */
#ifndef GW_PARTITIONED_H
#define GW_PARTITIONED_H
#include "keys_bits.h"
#include "keys_error.h"
#include "simd.h"

enum {
    GW_PARTITIONED_WIDTHS = 33,
    GW_PARTITIONED_LANES = 32,
    GW_PARTITIONED_LONGEST = 256,
    GW_PARTITIONED_SLACK = 8,
    GW_PARTITIONED_INFINITE = 20480, /* above every g relative to its block's start (≤ 8192 + C), and 8192 below an overflow */
    GW_PARTITIONED_CHUNK = 2048,     /* gaps between the two steps of packing and unpacking */
};

typedef struct {
    int16_t width[GW_PARTITIONED_LANES];                        /* of each lane, ascending */
    int16_t clear[GW_PARTITIONED_WIDTHS][GW_PARTITIONED_LANES]; /* by the width of a gap: infinite in lanes below it, else -32768 */
    int32_t near[4][GW_PARTITIONED_WIDTHS];                     /* near[j][b] = C + j · rounded(b) */
    int lanes;
} gw_partitioned_tables;

static void gw_partitioned_prepare(gw_partitioned_tables *t, const int64_t *counts, const uint8_t *rounded, int cost)
{
    uint8_t lane[GW_PARTITIONED_WIDTHS];
    t->lanes = 0;
    for (int b = 0; b < GW_PARTITIONED_LANES; b++) t->width[b] = 0;
    for (int b = 0; b < GW_PARTITIONED_WIDTHS; b++) { /* only widths that occur get a lane */
        if (counts[b] && (t->lanes == 0 || t->width[t->lanes - 1] != rounded[b])) t->width[t->lanes++] = rounded[b];
        lane[b] = (uint8_t)(t->lanes - 1);
    }
    for (int b = 0; b < GW_PARTITIONED_WIDTHS; b++) {
        for (int k = 0; k < GW_PARTITIONED_LANES; k++)
            t->clear[b][k] = k < t->lanes && (!counts[b] || k >= lane[b]) ? INT16_MIN : GW_PARTITIONED_INFINITE;
        for (int j = 0; j < 4; j++) t->near[j][b] = cost + j * rounded[b];
    }
}

static int64_t gw_partitioned_trace(const uint8_t *widths, int64_t n, const uint8_t *rounded, int l, int f, uint16_t *g)
{
    int64_t first = n + 1;
    for (int64_t i = n; i > 0;) {
        uint16_t rest = (uint16_t)(g[i] - (l + f));
        int j = 1, width = rounded[widths[i - 1]];
        while ((uint16_t)(g[i - j] + j * width) != rest) { /* the optimum stops it at j ≤ 2^l; 16 bits tell the costs of a window apart */
            int next = rounded[widths[i - ++j]];
            if (next > width) width = next;
        }
        i -= j;
        g[--first] = (uint16_t)((j - 1) | width << 8);
    }
    return n + 1 - first;
}

typedef struct {
    uint64_t pending; /* `fill` bits, fewer than 64, that belong at p; the last ones are for the caller to store */
    unsigned fill;
    uint8_t *p;
} gw_bit_writer;

/* Appends the low `count` ≤ 64 bits of word, whose others are 0. */
GW_INLINE void gw_write_bits(gw_bit_writer *w, uint64_t word, unsigned count)
{
    uint64_t whole = w->pending | word << w->fill;
    unsigned total = w->fill + count;
    gw_store64(w->p, whole);
    w->p += (total & 64) >> 3;
    w->pending = total & 64 ? word >> 1 >> (63 - w->fill) : whole;
    w->fill = total & 63;
}

/* A buffer of which 64 bytes may be read from any byte up to 128 behind its end: the last ones stand once more in front of zeros. */
enum { GW_VIEW_REACH = 192 };
typedef struct {
    const uint8_t *base;
    int64_t safe, tail_at; /* below `safe`, base itself can be read that far */
    uint8_t tail[2 * GW_VIEW_REACH];
} gw_view;

GW_INLINE void gw_view_open(gw_view *v, const uint8_t *base, int64_t nbytes)
{
    v->base = base;
    v->safe = nbytes - GW_VIEW_REACH;
    v->tail_at = v->safe > 0 ? v->safe : 0;
    memset(v->tail, 0, sizeof v->tail);
    memcpy(v->tail, base + v->tail_at, (size_t)(nbytes - v->tail_at));
}

GW_INLINE const uint8_t *gw_view_at(const gw_view *v, int64_t byte)
{
    return byte < v->safe ? v->base + byte : v->tail + (byte - v->tail_at);
}

#define GW_KERNELS "partitioned_kernels.h"
#include "levels.h"

GW_DISPATCH(void, gw_partitioned_widths, (const uint32_t *keys, int64_t n, uint8_t *widths, int64_t *counts), (keys, n, widths, counts))
GW_DISPATCH(int64_t, gw_partitioned_plan_with, (const uint8_t *widths, int64_t n, const gw_partitioned_tables *t, int l, int cost, uint16_t *g),
            (widths, n, t, l, cost, g))
GW_DISPATCH(int64_t, gw_partitioned_pack,
            (const uint32_t *keys, int64_t n, const uint16_t *plan, int64_t parts, int l, int f, const uint8_t *field, uint8_t *out),
            (keys, n, plan, parts, l, f, field, out))
GW_DISPATCH(int, gw_partitioned_unpack,
            (const uint8_t *stream, int64_t nbytes, int64_t parts, int64_t n, uint64_t dim, int l, int f, const uint8_t *width, uint32_t *out),
            (stream, nbytes, parts, n, dim, l, f, width, out))

static int64_t gw_partitioned_plan(const uint8_t *widths, int64_t n, const int64_t *counts, const uint8_t *rounded, int l, int f, uint16_t *g)
{
    gw_partitioned_tables tables;
    gw_partitioned_prepare(&tables, counts, rounded, l + f);
    return gw_partitioned_plan_with(widths, n, &tables, l, l + f, g);
}
#endif
