/* bitflag, the choice of bit widths: from a histogram of the widths of the gaps, counts[b] gaps of b bits, b = 0 … 32.
 * A set of widths is an integer with bit b for width b. A gap takes the smallest width of the set that holds it, and f flag bits.
 *
 *   gw_bitflag_bits(counts, f, set)         flags and payload in bits if gaps with this histogram are coded with this set of widths
 *   gw_bitflag_multiples(counts, f)         the set {w, 2w, …, B}, w = ⌈B/2^f⌉, B = width of the largest gap (at least 1)
 *   gw_bitflag_optimal(counts, sets)        sets[f] = the cheapest set of at most 2^f widths for f = 0 … 5
 */
#ifndef GW_BITFLAG_WIDTHS_H
#define GW_BITFLAG_WIDTHS_H
#include "keys_bits.h"

enum { GW_BITFLAG_WIDTHS = 33, GW_BITFLAG_MAX_F = 5 };

static int64_t gw_bitflag_bits(const int64_t *counts, int f, uint64_t set)
{
    int64_t bits = 0;
    int width = 0;
    for (int b = GW_BITFLAG_WIDTHS - 1; b >= 0; b--) { /* downwards: `width` is the smallest of the set that is not below b */
        if (set >> b & 1) width = b;
        bits += counts[b] * (f + width);
    }
    return bits;
}

static uint64_t gw_bitflag_multiples(const int64_t *counts, int f)
{
    int largest = 1;
    for (int b = 2; b < GW_BITFLAG_WIDTHS; b++)
        if (counts[b]) largest = b;
    int step = (largest + (1 << f) - 1) >> f;
    uint64_t set = (uint64_t)1 << largest;
    for (int b = step; b < largest; b += step) set |= (uint64_t)1 << b;
    return set;
}

/* Dynamic programme over the widths that occur, w_0 < … < w_{m-1}: the first j of them in c classes cost at least
 * best_c(j) = min over i < j of best_{c-1}(i) + w_{j-1} · (gaps of widths w_i … w_{j-1}); the last class pays its largest width. */
static void gw_bitflag_optimal(const int64_t *counts, uint64_t *sets)
{
    int width[GW_BITFLAG_WIDTHS], m = 0;
    int64_t below[GW_BITFLAG_WIDTHS + 1] = {0}, best[GW_BITFLAG_WIDTHS + 1];
    uint8_t cut[GW_BITFLAG_WIDTHS + 1][GW_BITFLAG_WIDTHS + 1];
    for (int b = 0; b < GW_BITFLAG_WIDTHS; b++)
        if (counts[b]) {
            width[m++] = b;
            below[m] = below[m - 1] + counts[b];
        }
    sets[0] = (uint64_t)1 << (m && width[m - 1] ? width[m - 1] : 1);
    for (int j = 1; j <= m; j++) {
        best[j] = width[j - 1] * below[j];
        cut[1][j] = 0;
    }
    for (int c = 2; c <= m && c <= 1 << GW_BITFLAG_MAX_F; c++)
        for (int j = m; j >= c; j--) { /* downwards: best[i] still belongs to c - 1 classes */
            int64_t least = INT64_MAX;
            for (int i = c - 1; i < j; i++) {
                int64_t cost = best[i] + width[j - 1] * (below[j] - below[i]);
                if (cost < least) {
                    least = cost;
                    cut[c][j] = (uint8_t)i;
                }
            }
            best[j] = least;
        }
    for (int f = 1; f <= GW_BITFLAG_MAX_F; f++) {
        sets[f] = m ? 0 : sets[0];
        for (int c = m < 1 << f ? m : 1 << f, j = m; c > 0; j = cut[c--][j]) sets[f] |= (uint64_t)1 << width[j - 1];
    }
}
#endif
