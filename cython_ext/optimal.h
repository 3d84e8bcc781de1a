/* Levels of least rounding variance for given data, and rounding between levels that stand anywhere.
 *
 * Between neighbouring levels a <= x <= b, unbiased rounding has the variance (b - x) * (x - a). Levels are chosen among the points
 * themselves, which loses nothing (Zhang et al. 2017), so that the sum over all points is least: a path of `count - 1` edges from the first
 * point to the last. These costs satisfy the quadrangle inequality, so the least cost is convex in the number of edges, and the path comes
 * from paths of any length on which each edge costs lambda more, with lambda found by bisection (Aggarwal, Schieber, Tokuyama 1994); one
 * such path takes O(C log C) for C candidates.
 *
 * Bins  A value's bin is its key, less that of low, >> shift. Keys are 0 for 0 and otherwise sign * (max(bits of |v|, floor) - floor + 1): a
 *       logarithmic scale of 24 octaves below the largest magnitude, one key for all that is smaller. shift is the least for which
 *       GW_OPTIMAL_BINS bins suffice.
 *
 *   gw_optimal_histogram   reads n floats in [low, high]; for each bin that is not empty writes one of its values (low and high
 *                          themselves at the ends, else the last seen) and how many it holds, in increasing order. Returns how many bins.
 *   gw_optimal_levels      reads n strictly increasing values and their counts, writes `count` levels, 2 … 256: the best for
 *                          these points if there are at most GW_OPTIMAL_EXACT; else the best among about that many of them, chosen so that each
 *                          step has an equal share of the sum of (count * gap^2)^(1/3), which is how the best levels thin out (Panter and
 *                          Dite 1951). The first and the last point are levels. Unused levels repeat the last.
 *   gw_optimal_encode      reads n <= 2^32 floats in [levels[0], levels[last]]. Code j of value v, levels[j] <= v: j + 1 instead if
 *                          u * (levels[j + 1] - levels[j]) < v - levels[j], in double, u = ((gw_random32(seed, i) >> 1) + 1/2) * 2^-31
 *                          ("stochastic"), or if levels[j + 1] - v < v - levels[j] ("nearest"). Writes gw_packed_nbytes(n, bits) bytes or,
 *                          if `wide`, n uint16.
 *   gw_optimal_decode      reads those and writes levels[code], every code being below 2^bits.
 *
 * Doubles in a fixed order and no library function but the exact sqrt: equal levels everywhere. Scratch is the caller's.
 */
#ifndef GW_OPTIMAL_H
#define GW_OPTIMAL_H
#include <math.h>
#include "bitpack.h"
#include "extent.h"
#include "random.h"

enum { GW_OPTIMAL_BINS = 16384, GW_OPTIMAL_EXACT = 1024, GW_OPTIMAL_CANDIDATES = 2 * GW_OPTIMAL_EXACT, GW_OPTIMAL_BLOCK = 512 };
enum { GW_OPTIMAL_OCTAVES = 24 };

typedef struct { int32_t floor, first; int shift; } gw_optimal_map;

GW_INLINE int32_t gw_optimal_key(int32_t floor, const float *value)
{
    int32_t m = gw_magnitude_bits(value), key = (m > floor ? m : floor) - floor + 1, negative = -(int32_t)(gw_bits_of(*value) >> 31);
    key = m ? key : 0;
    return (key ^ negative) - negative;
}

GW_INLINE int32_t gw_optimal_bin(const gw_optimal_map *map, const float *value)
{
    return (int32_t)((uint32_t)(gw_optimal_key(map->floor, value) - map->first) >> map->shift);
}

static gw_optimal_map gw_optimal_map_of(float low, float high)
{
    int32_t a = gw_magnitude_bits(&low), b = gw_magnitude_bits(&high), peak = a > b ? a : b;
    gw_optimal_map map = {peak > GW_OPTIMAL_OCTAVES << 23 ? peak - (GW_OPTIMAL_OCTAVES << 23) : 1, 0, 0};
    map.first = gw_optimal_key(map.floor, &low);
    while (gw_optimal_bin(&map, &high) >= GW_OPTIMAL_BINS) map.shift++;
    return map;
}

/* Candidates 0 … last: which points, where, how many values are before each and their sum; and what the search needs. */
typedef struct {
    int last;
    int64_t point[GW_OPTIMAL_CANDIDATES];
    double at[GW_OPTIMAL_CANDIDATES], number[GW_OPTIMAL_CANDIDATES], sum[GW_OPTIMAL_CANDIDATES];
    double best[GW_OPTIMAL_CANDIDATES];                                 /* cost of the best path to each */
    int previous[GW_OPTIMAL_CANDIDATES];
    int who[GW_OPTIMAL_CANDIDATES], from[GW_OPTIMAL_CANDIDATES];        /* a queue: the best predecessor, from which candidate on */
    int path[GW_OPTIMAL_CANDIDATES], few[GW_OPTIMAL_CANDIDATES], many[GW_OPTIMAL_CANDIDATES];
} gw_optimal_work;

/* About the cube root, within 4%: a third of the logarithm that the bits of a double are. */
GW_INLINE double gw_rough_cbrt(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    bits = bits / 3 + 0x2A9F789300000000u;
    memcpy(&x, &bits, 8);
    return x;
}

GW_INLINE double gw_optimal_share(const float *points, const uint32_t *counts, int64_t i)
{
    double gap = (double)points[i + 1] - points[i];
    return gw_rough_cbrt(gap * gap * ((double)counts[i] + counts[i + 1]));
}

static void gw_optimal_candidates(const float *points, const uint32_t *counts, int64_t n, gw_optimal_work *w)
{
    double total = 0, half = 0, passed = 0, number = 0, sum = 0, step, next, origin;
    int64_t middle = 0;
    for (int64_t i = 0; i < n; i++) total += counts[i];
    for (; half < total / 2; middle++) half += counts[middle];
    origin = points[middle - 1];        /* the median: sums of what is near it lose no digits */
    total = 0;
    for (int64_t i = 0; i + 1 < n; i++) total += gw_optimal_share(points, counts, i);
    next = step = n > GW_OPTIMAL_EXACT ? total / (GW_OPTIMAL_EXACT - 2) : 0;
    w->last = -1;
    for (int64_t i = 0; i < n; i++) {
        double share = i + 1 < n ? gw_optimal_share(points, counts, i) : 0, x = points[i] - origin;
        if (i == 0 || i + 1 == n || share >= step || passed >= next) {      /* before a wide gap, after it, and at each step */
            w->last++;
            w->point[w->last] = i;
            w->at[w->last] = x;
            w->number[w->last] = number;
            w->sum[w->last] = sum;
            while (step > 0 && next <= passed) next += step;
        }
        passed += share;
        number += counts[i];
        sum += counts[i] * x;
    }
}

/* The sum of (b - x) * (x - a) over the points of an edge from candidate i to j, without the squares of x: every path has all of them. */
GW_INLINE double gw_optimal_cost(const gw_optimal_work *w, int i, int j)
{
    return (w->at[i] + w->at[j]) * (w->sum[j] - w->sum[i]) - w->at[i] * w->at[j] * (w->number[j] - w->number[i]);
}

/* Whether candidate j is a better predecessor of k than i is. */
GW_INLINE int gw_optimal_better(const gw_optimal_work *w, int j, int i, int k)
{
    return w->best[j] + gw_optimal_cost(w, j, k) < w->best[i] + gw_optimal_cost(w, i, k);
}

/* The best path if each edge costs lambda more, as candidates 0 … last; returns its number of edges. By the quadrangle inequality a later
 * predecessor, once better, stays better, so the queue holds for each predecessor from where on it is the best so far. */
static int gw_optimal_path(gw_optimal_work *w, double lambda, int *path)
{
    int head = 0, tail = 0, edges = 0;
    w->who[0] = 0;
    w->from[0] = 1;
    w->best[0] = 0;
    for (int j = 1; j <= w->last; j++) {
        int i, low, high = w->last + 1;
        while (head < tail && w->from[head + 1] <= j) head++;
        i = w->who[head];
        w->best[j] = w->best[i] + gw_optimal_cost(w, i, j) + lambda;
        w->previous[j] = i;
        if (j == w->last) break;
        while (tail > head && gw_optimal_better(w, j, w->who[tail], w->from[tail])) high = w->from[tail--];
        low = tail > head ? w->from[tail] : j;      /* not better there; better at high */
        while (high - low > 1) {
            int k = low + (high - low) / 2;
            if (gw_optimal_better(w, j, w->who[tail], k)) high = k;
            else low = k;
        }
        if (high > w->last) continue;
        tail++;
        w->who[tail] = j;
        w->from[tail] = high;
    }
    for (int j = w->last; j; j = w->previous[j]) edges++;
    path[edges] = w->last;
    for (int k = edges, j = w->last; k; k--) path[k - 1] = j = w->previous[j];
    return edges;
}

/* A path of `edges` edges in w->path, or of fewer if each more would gain less than 2^-60 of count * range^2; returns how many. If none
 * that the bisection meets has just as many, the beginning of a path with more goes on as one with fewer does, from where an edge of the
 * latter spans one of the former: by the quadrangle inequality that is as good. */
static int gw_optimal_path_of(gw_optimal_work *w, int edges)
{
    double range = w->at[w->last] - w->at[0], high = w->number[w->last] * range * range, low = high * 0x1p-60;
    int few, many, found, skip, i = 0;
    found = many = gw_optimal_path(w, low, w->path);
    if (found <= edges) return found;
    memcpy(w->many, w->path, sizeof w->path);
    found = few = gw_optimal_path(w, high, w->path);
    memcpy(w->few, w->path, sizeof w->path);
    for (int round = 0; found != edges && round < 80; round++) {
        double middle = sqrt(low * high);
        found = gw_optimal_path(w, middle, w->path);
        if (found < edges) {
            high = middle;
            few = found;
            memcpy(w->few, w->path, sizeof w->path);
        } else {
            low = middle;
            many = found;
            memcpy(w->many, w->path, sizeof w->path);
        }
    }
    if (found == edges) return edges;
    skip = edges - few;
    while (w->few[i + 1] <= w->many[i + 1 + skip]) i++;
    memcpy(w->path, w->many, (size_t)(i + skip + 1) * sizeof *w->path);
    memcpy(w->path + i + skip + 1, w->few + i + 1, (size_t)(few - i) * sizeof *w->path);
    return edges;
}

/* n >= 0 points; of none all levels are 0. */
static void gw_optimal_levels(const float *points, const uint32_t *counts, int64_t n, int count, gw_optimal_work *w, float *levels)
{
    int edges = 0;
    memset(levels, 0, (size_t)count * sizeof *levels);
    if (n == 0) return;
    gw_optimal_candidates(points, counts, n, w);
    if (w->last < count)
        for (edges = 0; edges <= w->last; edges++) w->path[edges] = edges;
    edges = w->last < count ? w->last : gw_optimal_path_of(w, count - 1);
    for (int k = 0; k < count; k++) levels[k] = points[w->point[w->path[k < edges ? k : edges]]];
}

typedef struct {
    gw_optimal_map map;
    int bits, stochastic, crowded;              /* crowded: a bin has two levels or more */
    uint64_t seed;
    float level[256], above[256];               /* the next level; the last one's is itself */
    uint8_t start[GW_OPTIMAL_BINS];             /* the last level whose bin is not above */
} gw_optimal;

static void gw_optimal_plan(gw_optimal *q, const float *levels)
{
    int last = 0, bin = 0;
    q->map = gw_optimal_map_of(levels[0], levels[(1 << q->bits) - 1]);
    q->crowded = 0;
    memcpy(q->level, levels, sizeof(float) << q->bits);
    while (last + 1 < 1 << q->bits && levels[last + 1] > levels[last]) last++;
    for (int j = 0; j <= last; j++) {
        int to = gw_optimal_bin(&q->map, levels + j);
        q->above[j] = levels[j < last ? j + 1 : j];
        q->crowded |= j && to < bin;            /* bin is already the one after the level before */
        for (; bin < to; bin++) q->start[bin] = (uint8_t)(j ? j - 1 : 0);
        q->start[to] = (uint8_t)j;
        bin = to + 1;
    }
    memset(q->start + bin, last, (size_t)(GW_OPTIMAL_BINS - bin));
}

#define GW_KERNELS "optimal_kernels.h"
#include "levels.h"

GW_DISPATCH(int64_t, gw_optimal_histogram,
            (const float *values, int64_t n, float low, float high, float *points, uint32_t *counts, uint32_t *scratch),
            (values, n, low, high, points, counts, scratch))
GW_DISPATCH(void, gw_optimal_encode, (const gw_optimal *q, const float *values, int64_t n, int wide, uint8_t *out), (q, values, n, wide, out))
GW_DISPATCH(void, gw_optimal_decode, (const uint8_t *in, int64_t n, int bits, int wide, const float *levels, float *out),
            (in, n, bits, wide, levels, out))
#endif
