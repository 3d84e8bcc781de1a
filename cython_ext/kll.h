/* The KLL quantile sketch (Karnin, Lang, Liberty, FOCS 2016), in the layout of Apache DataSketches: level h holds items of weight
 * 2^h, and its capacity shrinks by 2/3 with each level below the top, from k down to 8. Items are ordered integers (order.h).
 *
 * A batch enters in chunks of GW_KLL_CHUNK items: a chunk joins level 0 whole, then levels are compacted from below until the
 * capacities hold again. Sorted chunks are halved in few large compactions instead of many small ones, which costs fewer coins,
 * hence no more error, than item-by-item insertion.
 *
 *   gw_kll_init(s, k, seed)       s becomes an empty sketch
 *   gw_kll_free(s)                releases everything that s owns
 *   gw_kll_update(s, v, n)        adds n finite floats
 *   gw_kll_merge(s, other)        adds other's items; other != s, other->k == s->k
 *   gw_kll_push(s, h, items, n)   appends n items to level h as they are (ordered when h > 0); levels are added up to h
 *   gw_kll_prune(s)               compacts every level that is above its own capacity
 *
 * Functions that return int return 0, or -1 when memory ran out (the sketch is then still safe to free, not to query).
 *
 * Coins: compaction c keeps odd or even positions by one bit of gw_random32(seed + two of the level's items, c). Mixing in items
 * keeps the coins of sketches of different data independent even when their seeds are equal, so that errors of merged parts
 * cancel as the analysis assumes.
 */
#ifndef GW_KLL_H
#define GW_KLL_H
#include <stdlib.h>
#include "order.h"
#include "random.h"

enum { GW_KLL_LEVELS = 60, GW_KLL_CHUNK = 8192, GW_KLL_LEAST = 8 };

typedef struct { uint32_t *items; int64_t size, room; } gw_kll_level;

typedef struct {
    uint32_t k, min, max;           /* min and max are exact, and meaningless while n is 0 */
    uint64_t seed, coins;           /* coins: how many were tossed */
    int64_t n, retained, capacity;  /* items seen; items stored; sum of the levels' capacities */
    int levels;
    gw_kll_level level[GW_KLL_LEVELS];
    uint32_t *scratch;              /* for sorting level 0: as much room as that level has */
} gw_kll;

/* Capacity of level h: k (2/3)^(levels - 1 - h), rounded, at least 8. */
static int64_t gw_kll_capacity(const gw_kll *s, int h)
{
    uint64_t x = (uint64_t)s->k << 32;
    for (int depth = s->levels - 1 - h; depth > 0 && x >> 32 >= GW_KLL_LEAST; depth--) x = x / 3 * 2;
    int64_t c = (int64_t)((x + (1u << 31)) >> 32);
    return c < GW_KLL_LEAST ? GW_KLL_LEAST : c;
}

static void gw_kll_set_levels(gw_kll *s, int levels)
{
    s->levels = levels;
    s->capacity = 0;
    for (int h = 0; h < levels; h++) s->capacity += gw_kll_capacity(s, h);
}

static void gw_kll_init(gw_kll *s, uint32_t k, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->k = k;
    s->seed = seed;
    gw_kll_set_levels(s, 1);
}

static void gw_kll_free(gw_kll *s)
{
    for (int h = 0; h < GW_KLL_LEVELS; h++) free(s->level[h].items);
    free(s->scratch);
    gw_kll_init(s, s->k, s->seed);
}

/* Makes room for n more items in level h. */
static int gw_kll_reserve(gw_kll *s, int h, int64_t n)
{
    gw_kll_level *l = &s->level[h];
    if (l->size + n <= l->room) return 0;
    int64_t room = l->size + n + l->room / 2;
    uint32_t *items = realloc(l->items, (size_t)room * 4);
    if (!items) return -1;
    l->items = items;
    l->room = room;
    if (h == 0) {
        uint32_t *scratch = realloc(s->scratch, (size_t)room * 4);
        if (!scratch) { l->room = 0; return -1; }
        s->scratch = scratch;
    }
    return 0;
}

/* Merges n ordered items b[0], b[stride], b[2 stride] …, which lie elsewhere, into the ordered level h. */
static int gw_kll_insert(gw_kll *s, int h, const uint32_t *b, int64_t n, int64_t stride)
{
    if (gw_kll_reserve(s, h, n)) return -1;
    gw_kll_level *l = &s->level[h];
    uint32_t *a = l->items;
    int64_t i = l->size - 1, j = n - 1, to = l->size + n - 1;
    while (i >= 0 && j >= 0) {
        uint32_t x = a[i], y = b[j * stride];
        int take = x > y;
        a[to--] = take ? x : y;
        i -= take;
        j -= 1 - take;
    }
    for (; j >= 0; j--) a[to--] = b[j * stride];
    l->size += n;
    s->retained += n;
    return 0;
}

/* Halves level h into level h + 1. The level has at least 2 items; of an odd number the smallest stays behind. */
static int gw_kll_compact(gw_kll *s, int h)
{
    gw_kll_level *l = &s->level[h];
    int64_t odd = l->size & 1, half = l->size / 2;
    if (h + 1 == GW_KLL_LEVELS) return -1;
    if (h == 0) gw_sort_u32(l->items, l->size, s->scratch);
    if (h + 1 == s->levels) gw_kll_set_levels(s, s->levels + 1);
    uint64_t salt = (uint64_t)l->items[half] << 32 | l->items[l->size - 1];
    int64_t coin = gw_random32(s->seed + salt, s->coins++) >> 31;
    if (gw_kll_insert(s, h + 1, l->items + odd + coin, half, 2)) return -1;
    s->retained -= l->size - odd;
    l->size = odd;
    return 0;
}

/* Compacts the lowest full level until all items fit the capacities. */
static int gw_kll_compress(gw_kll *s)
{
    while (s->retained > s->capacity) {
        int h = 0;
        while (s->level[h].size < gw_kll_capacity(s, h)) h++;
        if (gw_kll_compact(s, h)) return -1;
    }
    return 0;
}

static int gw_kll_prune(gw_kll *s)
{
    for (int h = 0; h < s->levels; h++)
        if (s->level[h].size > gw_kll_capacity(s, h) && gw_kll_compact(s, h)) return -1;
    return 0;
}

static void gw_kll_extend(gw_kll *s, uint32_t min, uint32_t max, int64_t n)
{
    if (s->n == 0 || min < s->min) s->min = min;
    if (s->n == 0 || max > s->max) s->max = max;
    s->n += n;
}

static int gw_kll_push(gw_kll *s, int h, const uint32_t *items, int64_t n)
{
    if (h >= s->levels) gw_kll_set_levels(s, h + 1);
    if (n == 0) return 0;
    if (h > 0) return gw_kll_insert(s, h, items, n, 1);
    if (gw_kll_reserve(s, 0, n)) return -1;
    memcpy(s->level[0].items + s->level[0].size, items, (size_t)n * 4);
    s->level[0].size += n;
    s->retained += n;
    return 0;
}

static int gw_kll_update(gw_kll *s, const float *v, int64_t n)
{
    while (n > 0) {
        int64_t m = n < GW_KLL_CHUNK ? n : GW_KLL_CHUNK;
        if (gw_kll_reserve(s, 0, m)) return -1;
        uint32_t *to = s->level[0].items + s->level[0].size;
        uint32_t min = UINT32_MAX, max = 0;
        for (int64_t i = 0; i < m; i++) {
            uint32_t u = gw_order(v[i]);
            min = u < min ? u : min;
            max = u > max ? u : max;
            to[i] = u;
        }
        gw_kll_extend(s, min, max, m);
        s->level[0].size += m;
        s->retained += m;
        if (gw_kll_compress(s)) return -1;
        v += m;
        n -= m;
    }
    return 0;
}

static int gw_kll_merge(gw_kll *s, const gw_kll *other)
{
    if (other->n == 0) return 0;
    for (int h = 0; h < other->levels; h++)
        if (gw_kll_push(s, h, other->level[h].items, other->level[h].size)) return -1;
    gw_kll_extend(s, other->min, other->max, other->n);
    return gw_kll_compress(s);
}
#endif
