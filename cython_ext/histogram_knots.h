/* What a histogram (histogram.h) knows of the distribution of its n > 0 items, none of them buffered.
 *
 * Knot i says: low[i] <= items whose integer is <= edge[i] <= low[i] + slack[i]. Edges are strictly ascending, low and low + slack never
 * fall, the first low is 0 and the last is n, both without slack. Knots are the last integers of cells that hold items, of bins and of
 * open cells, and of the gaps before them; so between two knots
 *     an interval of one integer may hold any number of items, and
 *     any other interval from edge[i] to edge[i + 1] has low[i + 1] + slack[i + 1] - low[i] <= 2 refine n: the items that can be in it are
 *     those of one bin and at most one cell of each depth of which no more is known.
 */
#ifndef GW_HISTOGRAM_KNOTS_H
#define GW_HISTOGRAM_KNOTS_H
#include "histogram.h"

typedef struct { uint32_t *edge; int64_t *low, *slack, size; uint32_t last; } gw_hist_writer;

static inline void gw_hist_knot(gw_hist_writer *w, uint32_t edge, int64_t low, int64_t slack)
{
    if (w->size && w->last == edge) w->size--;
    if (w->edge) { w->edge[w->size] = edge; w->low[w->size] = low; w->slack[w->size] = slack; }
    w->last = edge;
    w->size++;
}

/* A knot just before `start`, unless there is one. */
static inline void gw_hist_gap(gw_hist_writer *w, uint32_t start, int64_t low, int64_t slack)
{
    if (w->size == 0 || w->last < start - 1) gw_hist_knot(w, start - 1, low, slack);
}

/* The knots of a node whose cells are 2^(16 - 4 depth) integers wide and begin at `start`. *low items are below it, and grow by all that
 * are in it; `slack` more are in its bin and cell, nobody knows where. */
static void gw_hist_node_knots(const gw_hist_trie *t, int64_t node, int depth, uint32_t start, int64_t *low, int64_t slack, gw_hist_writer *w)
{
    const uint32_t width = depth == 1 ? 1 << 12 : 1 << 8;
    for (int64_t cell = node << 4; cell < (node + 1) << 4; cell++, start += width) {
        int64_t child = t->child[cell], loose = slack + t->count[cell];
        if (t->count[cell] == 0 && !child) continue;
        gw_hist_gap(w, start, *low, slack);
        if (child && depth == 1) gw_hist_node_knots(t, child, 2, start, low, loose, w);
        for (uint32_t i = 0; child && depth == 2 && i < 256; i++) {
            if (t->leaf[child << 8 | i] == 0) continue;
            gw_hist_gap(w, start + i, *low, loose);
            *low += t->leaf[child << 8 | i];
            gw_hist_knot(w, start + i, *low, loose);
        }
        *low += t->count[cell];
        gw_hist_knot(w, start + width - 1, *low, slack);
    }
}

static int64_t gw_hist_knots(const gw_hist *s, uint32_t *edge, int64_t *low, int64_t *slack)
{
    gw_hist_writer w = {edge, low, slack, 0, 0};
    int64_t below = 0;
    for (uint32_t bin = 0; bin < GW_HIST_BINS; bin++) {
        if (!s->used[bin / GW_HIST_PAGE]) { bin += GW_HIST_PAGE - 1; continue; }
        if (s->bins[bin] == 0 && !s->open[bin]) continue;
        gw_hist_gap(&w, bin << 16, below, 0);
        if (s->open[bin]) gw_hist_node_knots(&s->trie, s->open[bin], 1, bin << 16, &below, s->bins[bin], &w);
        below += s->bins[bin];
        gw_hist_knot(&w, bin << 16 | 0xFFFF, below, 0);
    }
    return w.size;
}
#endif
