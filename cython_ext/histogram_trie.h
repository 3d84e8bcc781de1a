/* Nodes and leaves below the bins of a histogram (histogram.h): making, merging, pruning. Depth 1 is a node below a bin, depth 2 one
 * below a cell; below a cell of depth 2 are leaves. Functions that return a number or an int return -1 without memory.
 */
#ifndef GW_HISTOGRAM_TRIE_H
#define GW_HISTOGRAM_TRIE_H
#include "histogram.h"

/* `size` more elements of `width` bytes at *array that has room for *room of them and uses *used; they are zero. Returns their number. */
static int32_t gw_hist_more(void **array, size_t width, int64_t *used, int64_t *room)
{
    if (*used == *room) {
        int64_t more = *room ? 2 * *room : 64;
        void *grown = *used < 1 << 16 ? realloc(*array, (size_t)more * width) : NULL;
        if (!grown) return -1;
        *array = grown;
        *room = more;
    }
    memset((char *)*array + (size_t)*used * width, 0, width);
    return (int32_t)(*used)++;
}

static int32_t gw_hist_node_new(gw_hist_trie *t)
{
    int64_t used = t->nodes, room = t->node_room;
    void *count = t->count, *child = t->child;
    int32_t node = gw_hist_more(&count, 16 * sizeof *t->count, &used, &room);
    t->count = count;
    if (node < 0) return -1;
    used = t->nodes;
    room = t->node_room;
    node = gw_hist_more(&child, 16 * sizeof *t->child, &used, &room);
    t->child = child;
    if (node < 0) return -1;
    t->nodes = used;
    t->node_room = room;
    return node;
}

static int32_t gw_hist_leaves_new(gw_hist_trie *t)
{
    void *leaf = t->leaf;
    int32_t leaves = gw_hist_more(&leaf, 256 * sizeof *t->leaf, &t->leaves, &t->leaf_room);
    t->leaf = leaf;
    return leaves;
}

static int gw_hist_trie_init(gw_hist_trie *t)
{
    memset(t, 0, sizeof *t);
    return gw_hist_node_new(t) < 0 || gw_hist_leaves_new(t) < 0 ? -1 : 0;
}

static void gw_hist_trie_free(gw_hist_trie *t)
{
    free(t->count);
    free(t->child);
    free(t->leaf);
    memset(t, 0, sizeof *t);
}

/* The node (depth 1) or leaves (depth 2) below a cell of that depth, made if there are none. */
static int32_t gw_hist_descend(gw_hist_trie *t, int64_t cell, int depth)
{
    if (t->child[cell]) return t->child[cell];
    int32_t child = depth == 1 ? gw_hist_node_new(t) : gw_hist_leaves_new(t);
    if (child > 0) t->child[cell] = (uint16_t)child;
    return child;
}

/* Adds node `from` of another trie, and all below it, to node `to`. */
static int gw_hist_merge_node(gw_hist_trie *t, int64_t to, const gw_hist_trie *other, int64_t from, int depth)
{
    for (int i = 0; i < 16; i++) {
        int64_t child = other->child[from << 4 | i];
        t->count[to << 4 | i] += other->count[from << 4 | i];
        if (!child) continue;
        int32_t own = gw_hist_descend(t, to << 4 | i, depth);
        if (own < 0 || (depth == 1 && gw_hist_merge_node(t, own, other, child, 2))) return -1;
        for (int j = 0; depth == 2 && j < 256; j++) t->leaf[(int64_t)own << 8 | j] += other->leaf[child << 8 | j];
    }
    return 0;
}

static int64_t gw_hist_leaf_sum(const gw_hist_trie *t, int64_t leaves)
{
    int64_t sum = 0;
    for (int i = 0; i < 256; i++) sum += t->leaf[leaves << 8 | i];
    return sum;
}

/* Copies a node and what must stay below it to `kept`; cells that may hold all that is below them are closed. Adds what the node holds
 * in all to *total. Returns the copy's number. */
static int32_t gw_hist_prune_node(const gw_hist_trie *t, int64_t node, int depth, int64_t limit, gw_hist_trie *kept, int64_t *total)
{
    int32_t copy = gw_hist_node_new(kept);
    for (int64_t i = 0; copy > 0 && i < 16; i++) {
        int64_t child = t->child[node << 4 | i], count = t->count[node << 4 | i], below = 0, nodes = kept->nodes, leaves = kept->leaves;
        int32_t at = 0;
        if (child && depth == 1) at = gw_hist_prune_node(t, child, 2, limit, kept, &below);
        if (child && depth == 2) {
            below = gw_hist_leaf_sum(t, child);
            if (count + below > limit && (at = gw_hist_leaves_new(kept)) > 0)
                memcpy(kept->leaf + ((int64_t)at << 8), t->leaf + (child << 8), 256 * sizeof *t->leaf);
        }
        if (at < 0) return -1;
        *total += count + below;
        if (count + below <= limit) {
            kept->nodes = nodes;
            kept->leaves = leaves;
            count += below;
            at = 0;
        }
        kept->count[(int64_t)copy << 4 | i] = count;
        kept->child[(int64_t)copy << 4 | i] = (uint16_t)at;
    }
    return copy;
}
#endif
