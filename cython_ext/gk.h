/* The quantile summary of Greenwald and Khanna (SIGMOD 2001), with batch insertion and merging. Items are ordered integers (order.h).
 *
 * A summary is a list of tuples in ascending order. Tuple i stands for g items that end at its value: the sum of g up to and
 * including i is the least rank that its value can have, that sum + delta the greatest. As long as g + delta <= max(1, 2 eps n) for
 * every tuple, each rank question is answered within eps n, and this file never breaks it:
 *
 * A merge of two summaries (a sorted batch is one whose tuples are all g = 1, delta = 0) keeps all tuples, and a tuple whose
 * successor in the other list is t gets delta += t.g + t.delta - 1. Its g + delta is then at most 2 eps n_a + 2 eps n_b, that is 2 eps n.
 * On the way a tuple is absorbed by its successor whenever the two together stay within the new limit. The first tuple (the minimum)
 * is never absorbed. So the error holds for merges of merges too; what merging by itself does not bound is the number of tuples.
 * (Absorbing greedily, without the paper's bands: Luo, Wang, Yi, Cormode, VLDB Journal 2016, measured that to be the smaller one.)
 *
 * New items wait in a buffer and enter as one sorted batch when max(GW_GK_BATCH, 2 * tuples) of them have come, so that an item
 * costs O(1) beside its share of the sort.
 *
 *   gw_gk_init(s, epsilon)          s becomes an empty summary
 *   gw_gk_free(s)                   releases everything that s owns
 *   gw_gk_update(s, v, n)           adds n finite floats
 *   gw_gk_flush(s)                  moves the buffered items into the summary
 *   gw_gk_merge(s, other)           adds what other summarises, its buffer included; other != s, other->epsilon == s->epsilon
 *   gw_gk_join(s, tuples, n, items) merges n foreign tuples that stand for `items` items into the summary
 *
 * Functions that return int return 0, or -1 when memory ran out (the summary is then still safe to free, not to query).
 */
#ifndef GW_GK_H
#define GW_GK_H
#include <stdlib.h>
#include "order.h"

enum { GW_GK_BATCH = 16384 };

typedef struct { int64_t g, delta; uint32_t value; } gw_gk_tuple;

typedef struct {
    double epsilon;
    int64_t n, size, room;          /* items behind the tuples; tuples; room for tuples */
    gw_gk_tuple *tuples;
    int64_t buffered, buffer_room;  /* items that wait, in no order */
    uint32_t *buffer, *scratch;     /* both of buffer_room */
} gw_gk;

static void gw_gk_init(gw_gk *s, double epsilon)
{
    memset(s, 0, sizeof *s);
    s->epsilon = epsilon;
}

static void gw_gk_free(gw_gk *s)
{
    free(s->tuples);
    free(s->buffer);
    free(s->scratch);
    gw_gk_init(s, s->epsilon);
}

/* Merges the tuples a with either the tuples b (items is NULL) or the ascending items (b is NULL), greedily absorbing up to `limit`.
 * Writes the result in DESCENDING order to out (room for na + nb); returns how many. */
static inline int64_t gw_gk_combine(const gw_gk_tuple *a, int64_t na, const gw_gk_tuple *b, const uint32_t *items, int64_t nb,
                                    int64_t limit, gw_gk_tuple *out)
{
    int64_t i = na - 1, j = nb - 1, m = -1;
    int64_t after_a = 0, after_b = 0; /* what the successor in a adds to a delta of b, and the other way round */
    gw_gk_tuple last = {0, 0, 0};     /* the tuple that may still absorb; it goes to out[m] when it cannot */
    while (i >= 0 || j >= 0) {
        gw_gk_tuple t;
        if (j < 0 || (i >= 0 && a[i].value > (items ? items[j] : b[j].value))) {
            t = a[i--];
            int64_t own = t.g + t.delta - 1;
            t.delta += after_b;
            after_a = own;
        } else if (items) {
            t = (gw_gk_tuple){1, after_a, items[j--]};
        } else {
            t = b[j--];
            after_b = t.g + t.delta - 1;
            t.delta += after_a;
        }
        if (m >= 0 && t.g + last.g + last.delta <= limit && (i >= 0 || j >= 0)) {
            last.g += t.g;
            continue;
        }
        if (m >= 0) out[m] = last;
        last = t;
        m++;
    }
    if (m >= 0) out[m] = last;
    return m + 1;
}

/* Replaces the summary by its union with tuples or ascending values that stand for `items` items in all. */
static int gw_gk_absorb(gw_gk *s, const gw_gk_tuple *tuples, const uint32_t *values, int64_t count, int64_t items)
{
    gw_gk_tuple *out = malloc((size_t)(s->size + count) * sizeof *out);
    if (!out) return -1;
    int64_t limit = (int64_t)(2 * s->epsilon * (double)(s->n + items));
    int64_t m = values ? gw_gk_combine(s->tuples, s->size, NULL, values, count, limit, out)
                       : gw_gk_combine(s->tuples, s->size, tuples, NULL, count, limit, out);
    if (m > s->room) {
        gw_gk_tuple *grown = realloc(s->tuples, (size_t)(m + m / 2) * sizeof *grown);
        if (!grown) { free(out); return -1; }
        s->tuples = grown;
        s->room = m + m / 2;
    }
    for (int64_t i = 0; i < m; i++) s->tuples[i] = out[m - 1 - i];
    s->size = m;
    s->n += items;
    free(out);
    return 0;
}

static int gw_gk_join(gw_gk *s, const gw_gk_tuple *tuples, int64_t count, int64_t items)
{
    return count ? gw_gk_absorb(s, tuples, NULL, count, items) : 0;
}

static int gw_gk_flush(gw_gk *s)
{
    if (s->buffered == 0) return 0;
    gw_sort_u32(s->buffer, s->buffered, s->scratch);
    if (gw_gk_absorb(s, NULL, s->buffer, s->buffered, s->buffered)) return -1;
    s->buffered = 0;
    return 0;
}

/* Up to n items may be written behind the buffered ones; returns for how many there is room now (at least 1), or -1. */
static int64_t gw_gk_reserve(gw_gk *s, int64_t n)
{
    int64_t limit = 2 * s->size < GW_GK_BATCH ? GW_GK_BATCH : 2 * s->size;
    if (s->buffered >= limit && gw_gk_flush(s)) return -1;
    int64_t free_room = limit - s->buffered, m = n < free_room ? n : free_room;
    if (s->buffered + m > s->buffer_room) {
        int64_t room = s->buffered + m + s->buffer_room / 2;
        uint32_t *buffer = realloc(s->buffer, (size_t)room * 4);
        if (buffer) s->buffer = buffer;
        uint32_t *scratch = realloc(s->scratch, (size_t)room * 4);
        if (scratch) s->scratch = scratch;
        if (!buffer || !scratch) return -1;
        s->buffer_room = room;
    }
    return m;
}

static int gw_gk_update(gw_gk *s, const float *v, int64_t n)
{
    while (n > 0) {
        int64_t m = gw_gk_reserve(s, n);
        if (m < 0) return -1;
        for (int64_t i = 0; i < m; i++) s->buffer[s->buffered + i] = gw_order(v[i]);
        s->buffered += m;
        v += m;
        n -= m;
    }
    return 0;
}

static int gw_gk_merge(gw_gk *s, const gw_gk *other)
{
    if (gw_gk_flush(s) || gw_gk_join(s, other->tuples, other->size, other->n)) return -1;
    for (int64_t at = 0; at < other->buffered;) {
        int64_t m = gw_gk_reserve(s, other->buffered - at);
        if (m < 0) return -1;
        memcpy(s->buffer + s->buffered, other->buffer + at, (size_t)m * 4);
        s->buffered += m;
        at += m;
    }
    return 0;
}
#endif
