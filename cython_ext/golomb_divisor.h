/* The divisor m of the Golomb code that takes the fewest bits for n gaps, from a histogram of them.
 *
 * With w = floor(log2 m) and T = 2^(w+1) a gap g takes w + 1 bits and one for each of T - m, T, T + m, T + 2m … that it reaches. So
 *   F(m) = n*(w+1) + C(T - m) + C(T) + C(T + m) + …      where C(x) = number of gaps >= x,
 * and for 2^w <= m < 2^(w+1) the term C(T - m) grows with m while the rest falls: what is left out between two m can be bounded.
 *
 * Where m is sought: let k be the smallest with 3*2^k >= y*2^k = mean gap + 1. The Rice code m = 2^(k+2) takes less than k + 4 bits a gap,
 * every m >= 2^(k+3) at least that. m = 2^k takes at most k + 1 + y bits a gap; with floor(x/m) >= (x+1)/m - 1 every m < 2^(k-2) at least
 * k - 2 + 4y. So 2^(k-2) <= m < 2^(k+3), and there F is minimised by branch and bound.
 *
 * The histogram has bins of 2^e gaps, the smallest e that makes those m less than 2^GW_GOLOMB_PRECISION bins; only multiples of 2^e are
 * candidates, at least every 128th part. Gaps beyond GW_GOLOMB_BINS bins, more than 10 times the mean, count for F with their number and sum:
 * half a bit too much or too little each, at most. If there are none and e = 0 (mean gap below 767), m is the optimum. m < 2^31.
 *
 *   gw_golomb_divisor(keys, n)   that m for n >= 1 keys. O(n).
 */
#ifndef GW_GOLOMB_DIVISOR_H
#define GW_GOLOMB_DIVISOR_H
#include "keys_bits.h"
#include "simd.h"

enum { GW_GOLOMB_PRECISION = 11, GW_GOLOMB_BINS = 8192 };

typedef struct {
    uint32_t reach[2 * GW_GOLOMB_BINS]; /* C(x) of the first bins; before, two histograms in turn */
    int64_t bins, far, far_sum; /* bins in use; number and sum of the gaps beyond the last, in bins */
    int64_t best, m;            /* the fewest bits so far, and where, in bins */
} gw_golomb_search;

static void gw_golomb_histogram(gw_golomb_search *s, const uint32_t *keys, int64_t n, int e)
{
    uint32_t before = 0xFFFFFFFFu, largest = 0;
    memset(s->reach, 0, sizeof s->reach);
    s->far = s->far_sum = 0;
    for (int64_t j = 0; j < n; j++) { /* in turn to two counters: equal gaps do not wait for each other */
        uint32_t bin = (keys[j] - before - 1) >> e;
        before = keys[j];
        if (bin >= GW_GOLOMB_BINS) {
            s->far++;
            s->far_sum += bin;
            continue;
        }
        s->reach[2 * bin + (j & 1)]++;
        largest = bin > largest ? bin : largest;
    }
    s->bins = s->far ? GW_GOLOMB_BINS : largest + 1;
    for (int64_t x = 0; x < s->bins; x++) s->reach[x] = s->reach[2 * x] + s->reach[2 * x + 1];
    uint32_t sum = (uint32_t)s->far;
    for (int64_t x = s->bins - 1; x >= 0; x--) s->reach[x] = sum += s->reach[x];
}

/* C(T) + C(T + m) + …, in bins. */
static int64_t gw_golomb_beyond(const gw_golomb_search *s, int64_t m, int64_t T)
{
    int64_t sum = 0, x = T, more;
    for (; x < s->bins; x += m) sum += s->reach[x];
    if (s->far == 0) return sum;
    more = (2 * (s->far_sum - s->far * x) + s->far * m) / (2 * m);
    return more > 0 ? sum + more : sum;
}

static int64_t gw_golomb_before(const gw_golomb_search *s, int64_t x) { return x < s->bins ? s->reach[x] : s->far; }

/* Takes m if it is better; base = n*(w+1). Returns gw_golomb_beyond. */
static int64_t gw_golomb_try(gw_golomb_search *s, int64_t m, int64_t T, int64_t base)
{
    int64_t beyond = gw_golomb_beyond(s, m, T), cost = base + gw_golomb_before(s, T - m) + beyond;
    if (cost < s->best) s->best = cost, s->m = m;
    return beyond;
}

/* Tries what may be better between `first` and `last`, both of one octave or its end; `beyond` is gw_golomb_beyond of `last`. */
static void gw_golomb_between(gw_golomb_search *s, int64_t first, int64_t last, int64_t T, int64_t base, int64_t beyond)
{
    while (last - first > 1 && base + gw_golomb_before(s, T - first - 1) + beyond < s->best) {
        int64_t middle = (first + last) / 2;
        gw_golomb_between(s, first, middle, T, base, gw_golomb_try(s, middle, T, base));
        first = middle;
    }
}

static GW_UNUSED uint32_t gw_golomb_divisor(const uint32_t *keys, int64_t n)
{
    gw_golomb_search s = {.best = INT64_MAX};
    uint64_t total = (uint64_t)keys[n - 1] + 1 - (uint64_t)n;
    int k = 0;
    if (total == 0) return 1;
    while (((uint64_t)3 << k) < total / (uint64_t)n + 1 || ((uint64_t)3 * (uint64_t)n) << k < total + (uint64_t)n) k++;
    int e = k + 3 > GW_GOLOMB_PRECISION ? k + 3 - GW_GOLOMB_PRECISION : 0;
    gw_golomb_histogram(&s, keys, n, e);
    for (int w = k > 2 ? k - 2 : 0; w < k + 3 && w < 31; w++) {
        int64_t m = (int64_t)1 << (w - e), T = 2 * m, base = n * (w + 1);
        gw_golomb_try(&s, m, T, base);
        gw_golomb_between(&s, m, T, T, base, gw_golomb_beyond(&s, T, T));
    }
    return (uint32_t)(s.m << e);
}
#endif
