/* The counts of a histogram (histogram.h) as bytes, those that are not 0: of bins, of the cells below them, of the cells below those, of leaves.
 *
 *   varint   index - previous index - 1, at first index: the top 16, 20, 24 or all 32 bits of the integers that are counted
 *   varint   count - 1
 *
 * A varint has 7 bits in each byte, the low ones first; bit 7 says that another byte follows. levels[4] says how many of each there are.
 * A bin or cell is open if something below it is listed.
 *
 * gw_hist_read expects an empty histogram; it reads exactly `size` bytes and returns 1 if these are no such lists, or the counts do not
 * sum to n < 2^63, or one is above its limit, or more nodes are open than pruning leaves.
 */
#ifndef GW_HISTOGRAM_BYTES_H
#define GW_HISTOGRAM_BYTES_H
#include "histogram.h"

typedef struct { uint8_t *out; int64_t size; uint64_t next; } gw_hist_list;

static inline void gw_hist_varint(gw_hist_list *list, uint64_t x)
{
    for (; x > 127; x >>= 7, list->size++)
        if (list->out) list->out[list->size] = (uint8_t)(x | 128);
    if (list->out) list->out[list->size] = (uint8_t)x;
    list->size++;
}

static inline void gw_hist_entry(gw_hist_list *list, int64_t *entries, uint32_t index, int64_t count)
{
    if (count == 0) return;
    gw_hist_varint(list, index - list->next);
    gw_hist_varint(list, (uint64_t)count - 1);
    list->next = (uint64_t)index + 1;
    ++*entries;
}

/* What one node, whose cells begin with index `start`, has on a level: 1 its own cells, 2 those below, 3 leaves. */
static void gw_hist_write_node(const gw_hist_trie *t, int64_t node, int depth, uint32_t start, int level, gw_hist_list *list, int64_t *entries)
{
    for (uint32_t i = 0; i < 16; i++) {
        int64_t cell = node << 4 | i, child = t->child[cell];
        uint32_t index = start << 4 | i;
        if (level == depth) gw_hist_entry(list, entries, index, t->count[cell]);
        else if (child && depth == 1) gw_hist_write_node(t, child, 2, index, level, list, entries);
        else
            for (uint32_t j = 0; child && j < 256; j++) gw_hist_entry(list, entries, index << 8 | j, t->leaf[child << 8 | j]);
    }
}

static int64_t gw_hist_write(const gw_hist *s, uint8_t *out, int64_t *levels)
{
    gw_hist_list list = {out, 0, 0};
    for (int level = 0; level < 4; level++) {
        levels[level] = 0;
        list.next = 0;
        for (uint32_t bin = 0; s->n && bin < GW_HIST_BINS; bin++) {
            if (level == 0) gw_hist_entry(&list, levels, bin, s->bins[bin]);
            else if (s->open[bin]) gw_hist_write_node(&s->trie, s->open[bin], 1, bin, level, &list, levels + level);
        }
    }
    return list.size;
}

/* Returns 0 and moves *at behind a varint below 2^63, else 1. */
static inline int gw_hist_take(const uint8_t *in, int64_t size, int64_t *at, uint64_t *x)
{
    *x = 0;
    for (int shift = 0; shift < 63 && *at < size; shift += 7) {
        uint8_t byte = in[(*at)++];
        *x |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return 0;
    }
    return 1;
}

static int gw_hist_place(gw_hist *s, int level, uint32_t index, int64_t count)
{
    static const int width[4] = {0, 4, 8, 16};
    gw_hist_trie *t = &s->trie;
    uint32_t bin = index >> width[level];
    s->used[bin / GW_HIST_PAGE] = 1;
    if (level == 0) { s->bins[bin] = count; return 0; }
    int32_t node = s->open[bin] ? s->open[bin] : gw_hist_node_new(t);
    if (node < 0) return -1;
    s->open[bin] = (uint16_t)node;
    int64_t cell = (int64_t)node << 4 | (index >> (width[level] - 4) & 15);
    if (level > 1) {
        if ((node = gw_hist_descend(t, cell, 1)) < 0) return -1;
        cell = (int64_t)node << 4 | (index >> (width[level] - 8) & 15);
    }
    if (level < 3) { t->count[cell] = count; return 0; }
    if ((node = gw_hist_descend(t, cell, 2)) < 0) return -1;
    t->leaf[(int64_t)node << 8 | (index & 255)] = count;
    return 0;
}

static int gw_hist_read(gw_hist *s, int64_t n, const uint8_t *in, int64_t size, const int64_t *levels)
{
    static const int width[4] = {16, 20, 24, 32};
    int64_t at = 0, left = n;
    if (gw_hist_allocate(s)) return -1;
    for (int level = 0; level < 4; level++) {
        uint64_t index = 0, gap, less, limit = level == 3 ? (uint64_t)n : (uint64_t)gw_hist_limit(s, n, level);
        for (int64_t i = 0; i < levels[level]; i++, index++) {
            if (gw_hist_take(in, size, &at, &gap) || gw_hist_take(in, size, &at, &less)) return 1;
            index += gap;
            if (gap >> 32 || index >> width[level] || less >= (uint64_t)left || less >= limit) return 1;
            left -= (int64_t)less + 1;
            if (gw_hist_place(s, level, (uint32_t)index, (int64_t)less + 1)) return -1;
            if ((double)(s->trie.nodes - 1) * s->refine > 3 || (double)(s->trie.leaves - 1) * s->refine > 2) return 1;
        }
    }
    s->n = n;
    return left != 0 || at != size;
}
#endif
