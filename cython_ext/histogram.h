/* A histogram of float32 values over the ordered integers (order.h), fine where many values are: a trie of 16, 4, 4 and 8 bits.
 *
 *   bins      2^16, by the top 16 bits of the integer
 *   nodes     of 16 cells: an open bin has one for the next 4 bits, an open cell of such a node has one for the 4 bits after them
 *   leaves    of 256 counts: an open cell of the lower kind of node has one for the last 8 bits. A count is of a single float
 *
 * Opening moves nothing: a bin, or a cell, keeps the count it had, of items of which only the bin, or the cell, is known; later items go
 * below. A batch of m items opens every bin, then every cell of a node, that would exceed its limit, where n is the number of items
 * before; the batch's own items are already counted below. So this holds after every function, because n never shrinks:
 *
 *   count of every bin, open or not,  <= floor(refine * n)
 *   count of every cell, open or not, <= floor(refine * n / 2)            (leaves have no limit: they are exact)
 *
 * and it survives a sum of two histograms, n = n_a + n_b. The items <= x are known up to the counts of the bin and the two cells that x
 * lies in, hence within an interval of 2 refine n. Pruning moves what a node or leaves hold up to their bin or cell where the limit
 * allows it; then less than 1 / refine bins, 2 / refine upper and 2 / refine lower cells are open. It happens at 4 / refine nodes.
 *
 * The first GW_HIST_BUFFER items wait in a buffer, without any bins; a later batch that fits it waits there too.
 *
 *   gw_hist_init(s, refine)           s becomes an empty histogram, 2e-4 <= refine <= 0.5
 *   gw_hist_free(s)                   releases everything that s owns
 *   gw_hist_update(s, v, n)           adds n floats; returns 1, and adds none, if one is NaN or infinite
 *   gw_hist_flush(s)                  moves the buffered items into the bins
 *   gw_hist_merge(s, other)           adds what other stands for, its buffer included; other != s, other->refine == s->refine
 *   gw_hist_prune(s)                  see above
 *   gw_hist_sort(s)                   puts the buffer in ascending order, -0 as +0
 *   gw_hist_knots(s, edge, low, slack)  the distribution (histogram_knots.h); with NULL for edge it only says how many knots there are
 *   gw_hist_write(s, out, levels)     the counts as bytes (histogram_bytes.h); with NULL for out it only says how many bytes
 *   gw_hist_read(s, n, in, size, levels)  the inverse, into an empty histogram
 *
 * Functions that return int return 0, or -1 when memory ran out (the histogram is then still safe to free, not to query).
 * Memory: 1.3 MB, 160 bytes for each node, 2 KB for each leaves.
 */
#ifndef GW_HISTOGRAM_H
#define GW_HISTOGRAM_H
#include <stdlib.h>
#include "order.h"
#include "simd.h"

enum { GW_HIST_BINS = 1 << 16, GW_HIST_BUFFER = 1 << 14, GW_HIST_BLOCK = 256, GW_HIST_PAGE = 64, GW_HIST_CHUNK = 1 << 30 };

/* Number 0 of either kind is where items go whose bin or cell is not open: its counts mean nothing, its children are 0. */
typedef struct {
    int64_t *count;             /* count[node << 4 | cell] */
    uint16_t *child;            /* child[node << 4 | cell]: number of the node, or of the leaves, below an open cell, else 0 */
    int64_t *leaf;              /* leaf[leaves << 8 | float] */
    int64_t nodes, node_room, leaves, leaf_room;    /* how many, number 0 included, at most 2^16; and room for how many */
} gw_hist_trie;

typedef struct {
    double refine;
    int64_t n, buffered;
    uint32_t min, max;          /* of the items in the bins; meaningless while n is 0 */
    float *buffer;              /* GW_HIST_BUFFER; NULL at first, as all pointers */
    int64_t *bins;              /* GW_HIST_BINS */
    uint16_t *open;             /* GW_HIST_BINS: number of the node below an open bin, else 0 */
    uint8_t *used;              /* a byte for GW_HIST_PAGE bins: 0 if they are all empty */
    uint32_t *scratch;          /* 2 * GW_HIST_BINS zeros */
    gw_hist_trie trie;
} gw_hist;

#define GW_KERNELS "histogram_kernels.h"
#include "levels.h"

/* counts[u >> 16] and counts[GW_HIST_BINS + (u >> 16)] together grow by the batch's bins; *min and *max are extended. */
GW_DISPATCH(void, gw_hist_count, (const float *v, int64_t n, uint32_t *counts, uint32_t *min, uint32_t *max), (v, n, counts, min, max))
/* counts[node << 4 | cell] grows by the items of open bins (child is NULL), or of open cells in open bins. */
GW_DISPATCH(void, gw_hist_count_cells, (const float *v, int64_t n, const uint16_t *open, const uint16_t *child, uint32_t *counts),
            (v, n, open, child, counts))
/* Leaves grow by the items of open lower cells. */
GW_DISPATCH(void, gw_hist_count_leaves, (const float *v, int64_t n, const uint16_t *open, const uint16_t *child, int64_t *leaf),
            (v, n, open, child, leaf))

static const uint32_t gw_hist_least = 0x00800000u, gw_hist_most = 0xFF7FFFFFu;  /* the integers of -FLT_MAX and FLT_MAX */

static void gw_hist_init(gw_hist *s, double refine)
{
    memset(s, 0, sizeof *s);
    s->refine = refine;
}

static void gw_hist_free(gw_hist *s)
{
    free(s->buffer);
    free(s->bins);
    free(s->open);
    free(s->used);
    free(s->scratch);
    free(s->trie.count);
    free(s->trie.child);
    free(s->trie.leaf);
    gw_hist_init(s, s->refine);
}

/* What a bin (depth 0) or a cell (depth 1, 2) of n items in all may hold: floor(n r / 2^32) and half of it, r = floor(refine 2^32). In
 * integers, so that the limits of two parts never sum to more than that of the whole. */
static inline int64_t gw_hist_limit(const gw_hist *s, int64_t n, int depth)
{
    uint64_t r = (uint64_t)(s->refine * 4294967296.0), items = (uint64_t)n;
    return (int64_t)(((items >> 32) * r + ((items & 0xFFFFFFFFu) * r >> 32)) >> (depth > 0));
}

#include "histogram_trie.h"

/* The bins exist after this. */
static int gw_hist_allocate(gw_hist *s)
{
    if (s->bins) return 0;
    s->bins = calloc(GW_HIST_BINS, sizeof *s->bins);
    s->open = calloc(GW_HIST_BINS, sizeof *s->open);
    s->used = calloc(GW_HIST_BINS / GW_HIST_PAGE, 1);
    s->scratch = calloc(2 * GW_HIST_BINS, sizeof *s->scratch);
    return s->bins && s->open && s->used && s->scratch ? gw_hist_trie_init(&s->trie) : -1;
}

static inline int gw_hist_all_zero(const uint32_t *counts, int64_t n)
{
    uint32_t any = 0;
    for (int64_t i = 0; i < n; i++) any |= counts[i];
    return any == 0;
}

/* Adds the counted bins to those that are not open, opening them where needed; leaves the scratch 0. *below: some items go to nodes. */
static int gw_hist_add_bins(gw_hist *s, int64_t n, int *below)
{
    int64_t limit = gw_hist_limit(s, n, 0);
    for (int64_t page = 0; page < GW_HIST_BINS; page += GW_HIST_PAGE) {
        uint32_t *even = s->scratch + page, *odd = even + GW_HIST_BINS;
        if (gw_hist_all_zero(even, GW_HIST_PAGE) && gw_hist_all_zero(odd, GW_HIST_PAGE)) continue;
        s->used[page / GW_HIST_PAGE] = 1;
        for (int64_t i = 0; i < GW_HIST_PAGE; i++) {
            int64_t c = (int64_t)even[i] + odd[i];
            if (c == 0) continue;
            if (!s->open[page + i]) {
                if (s->bins[page + i] + c <= limit) { s->bins[page + i] += c; continue; }
                int32_t node = gw_hist_node_new(&s->trie);
                if (node < 0) return -1;
                s->open[page + i] = (uint16_t)node;
            }
            *below = 1;
        }
        memset(even, 0, GW_HIST_PAGE * sizeof *even);
        memset(odd, 0, GW_HIST_PAGE * sizeof *odd);
    }
    return 0;
}

/* The same for the cells of depth 1 or 2, counts[0 … 16 nodes). Cells of the other depth counted nothing. */
static int gw_hist_add_cells(gw_hist *s, const uint32_t *counts, int64_t nodes, int64_t n, int depth, int *below)
{
    gw_hist_trie *t = &s->trie;
    int64_t limit = gw_hist_limit(s, n, depth);
    *below = 0;
    for (int64_t cell = 16; cell < nodes << 4; cell++) {
        if (counts[cell] == 0) continue;
        if (!t->child[cell]) {
            if (t->count[cell] + counts[cell] <= limit) { t->count[cell] += counts[cell]; continue; }
            int32_t child = depth == 1 ? gw_hist_node_new(t) : gw_hist_leaves_new(t);
            if (child < 0) return -1;
            t->child[cell] = (uint16_t)child;
        }
        *below = 1;
    }
    return 0;
}

/* Brings the items of open bins to nodes and leaves. */
static int gw_hist_add_below(gw_hist *s, const float *v, int64_t batch, int64_t n)
{
    int below = 1;
    for (int depth = 1; depth <= 2 && below; depth++) {
        int64_t nodes = s->trie.nodes;
        uint32_t *counts = calloc((size_t)nodes, 16 * sizeof *counts);
        if (!counts) return -1;
        gw_hist_count_cells(v, batch, s->open, depth == 1 ? NULL : s->trie.child, counts);
        int failed = gw_hist_add_cells(s, counts, nodes, n, depth, &below);
        free(counts);
        if (failed) return -1;
    }
    if (below) gw_hist_count_leaves(v, batch, s->open, s->trie.child, s->trie.leaf);
    return 0;
}

static int gw_hist_prune(gw_hist *s)
{
    gw_hist_trie kept;
    if (s->trie.nodes <= 1) return 0;
    if (gw_hist_trie_init(&kept)) { gw_hist_trie_free(&kept); return -1; }
    for (int64_t bin = 0; bin < GW_HIST_BINS; bin++) {
        int64_t nodes = kept.nodes, leaves = kept.leaves, total = 0;
        if (!s->open[bin]) continue;
        int32_t node = gw_hist_prune_node(&s->trie, s->open[bin], 1, gw_hist_limit(s, s->n, 1), &kept, &total);
        if (node < 0) { gw_hist_trie_free(&kept); return -1; }
        s->open[bin] = (uint16_t)node;
        if (s->bins[bin] + total > gw_hist_limit(s, s->n, 0)) continue;
        s->bins[bin] += total;
        s->open[bin] = 0;
        kept.nodes = nodes;
        kept.leaves = leaves;
    }
    gw_hist_trie_free(&s->trie);
    s->trie = kept;
    return 0;
}

static int gw_hist_prune_if_large(gw_hist *s)
{
    return (double)(s->trie.nodes > s->trie.leaves ? s->trie.nodes : s->trie.leaves) * s->refine > 4 ? gw_hist_prune(s) : 0;
}

/* Adds one batch to the bins. */
static int gw_hist_absorb(gw_hist *s, const float *v, int64_t batch)
{
    int below = 0;
    int64_t n = s->n + batch;
    uint32_t min = s->n ? s->min : UINT32_MAX, max = s->n ? s->max : 0;
    if (gw_hist_allocate(s)) return -1;
    gw_hist_count(v, batch, s->scratch, &min, &max);
    if (min < gw_hist_least || max > gw_hist_most) {
        memset(s->scratch, 0, 2 * GW_HIST_BINS * sizeof *s->scratch);
        return 1;
    }
    if (gw_hist_add_bins(s, n, &below) || (below && gw_hist_add_below(s, v, batch, n))) return -1;
    s->n = n;
    s->min = min;
    s->max = max;
    return gw_hist_prune_if_large(s);
}

static int gw_hist_flush(gw_hist *s)
{
    int failed = s->buffered ? gw_hist_absorb(s, s->buffer, s->buffered) : 0;
    s->buffered = 0;
    return failed;
}

static int gw_hist_finite(const float *v, int64_t n)
{
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, v + i, 4);
        bits &= 0x7FFFFFFFu;
        most = bits > most ? bits : most;
    }
    return most < 0x7F800000u;
}

static int gw_hist_update(gw_hist *s, const float *v, int64_t n)
{
    if (s->buffered + n <= GW_HIST_BUFFER) {
        if (!gw_hist_finite(v, n)) return 1;
        if (!s->buffer && !(s->buffer = malloc(GW_HIST_BUFFER * sizeof *s->buffer))) return -1;
        memcpy(s->buffer + s->buffered, v, (size_t)n * 4);
        s->buffered += n;
        return 0;
    }
    if (n > GW_HIST_CHUNK && !gw_hist_finite(v, n)) return 1;
    for (int64_t at = 0; at < n; at += GW_HIST_CHUNK) {
        int failed = gw_hist_absorb(s, v + at, n - at < GW_HIST_CHUNK ? n - at : GW_HIST_CHUNK);
        if (failed) return failed;
    }
    return gw_hist_flush(s);
}

static int gw_hist_merge(gw_hist *s, const gw_hist *other)
{
    if (other->n) {
        if (gw_hist_allocate(s)) return -1;
        for (int64_t bin = 0; bin < GW_HIST_BINS; bin++) {
            s->bins[bin] += other->bins[bin];
            if (!other->open[bin]) continue;
            if (!s->open[bin]) {
                int32_t node = gw_hist_node_new(&s->trie);
                if (node < 0) return -1;
                s->open[bin] = (uint16_t)node;
            }
            if (gw_hist_merge_node(&s->trie, s->open[bin], &other->trie, other->open[bin], 1)) return -1;
        }
        for (int64_t page = 0; page < GW_HIST_BINS / GW_HIST_PAGE; page++) s->used[page] |= other->used[page];
        s->min = s->n && s->min < other->min ? s->min : other->min;
        s->max = s->n && s->max > other->max ? s->max : other->max;
        s->n += other->n;
        if (gw_hist_prune_if_large(s)) return -1;
    }
    return other->buffered ? gw_hist_update(s, other->buffer, other->buffered) : 0;
}

static int gw_hist_sort(gw_hist *s)
{
    int64_t n = s->buffered;
    uint32_t *view = malloc((size_t)(2 * n + 1) * sizeof *view);
    if (!view) return -1;
    for (int64_t i = 0; i < n; i++) view[i] = gw_order(s->buffer[i]);
    gw_sort_u32(view, n, view + n);
    for (int64_t i = 0; i < n; i++) s->buffer[i] = gw_unorder(view[i]);
    free(view);
    return 0;
}

#include "histogram_knots.h"
#include "histogram_bytes.h"
#endif
