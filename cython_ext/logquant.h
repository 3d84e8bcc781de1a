/* Logarithmic quantisation: the code of a value is how many bounds its magnitude is below.
 *
 *   m          bits of |v| as an integer: magnitudes compare as their bits do
 *   levels[e]  scale * b^-e, e = 0 … tau - 1: halves[2e] * scale in double, then to float. halves[i] = b^(-i/2), given.
 *   bounds[e]  "nearest": the smallest float >= halves[2e + 1] * scale, a product in double; "down" and "stochastic": levels[e]; "up": the
 *              float after levels[e + 1]. Then kept >= 2^-149 and <= max(scale, 2^-149). They do not increase.
 *   code       number of e in 0 … tau - 2 with m < bounds[e], so 0 … tau - 1. Rounding "stochastic" then takes code c - 1 > -1 if
 *              u * (levels[c - 1] - levels[c]) < min(|v|, scale) - levels[c], in double, u = (gw_random32(seed, i) >> 1) + 1/2) * 2^-31.
 *   wire       code | sign << width, width = ceil(log2(tau)), packed as in bitpack.h in width + 1 bits
 *
 * How codes are found fast. Cut the integers m into cells of 2^shift, so small that none has two bounds. In a cell with `above` bounds
 * above it and one at x inside (x = its start if there is none), code = (x + (above + 1) * 2^shift - 1 - m) >> shift: all of it
 * but m is a table (GW_LOG_CELLS). If there are k = 1, 2 or 4 bounds per octave, bounds[e + k] = bounds[e] - 2^23, the same holds with
 * >> (23 - log2 k) and a table of 8 cells for all octaves (GW_LOG_OCTAVE), which fits a register. Where bounds are equal, subnormal or
 * too many the code is found by halving. All three give the same codes.
 *
 *   gw_log_tables    writes levels[0 … tau - 1] and bounds[0 … tau - 1].
 *   gw_log_plan      chooses; cells has room for GW_LOG_MAX_CELLS words, bounds for 2^width floats (those from tau - 1 on become 0).
 *   gw_log_encode    reads n <= 2^32 finite floats; writes gw_packed_nbytes(n, width + 1) bytes, or, if `wide`, n uint16.
 *   gw_log_decode    reads those; out[i] = table[wire[i]], table of 2^(width + 1) floats. Returns the largest code without its sign.
 *
 * Blocks of values go through buffers of 2 KiB; nothing is allocated and no byte buffer needs an alignment.
 */
#ifndef GW_LOGQUANT_H
#define GW_LOGQUANT_H
#include "bitpack.h"
#include "extent.h"
#include "random.h"

enum { GW_LOG_BLOCK = 512, GW_LOG_MAX_CELLS = 8192 };
enum { GW_LOG_NEAREST, GW_LOG_DOWN, GW_LOG_UP, GW_LOG_STOCHASTIC };
enum { GW_LOG_HALVING, GW_LOG_CELLS, GW_LOG_OCTAVE };

typedef struct {
    int tau, width, stochastic, method, shift;
    uint32_t top, floor, first;         /* the clamps of m; the number of the first cell */
    const float *levels;
    const int32_t *bounds;
    const uint32_t *cells;
    uint64_t seed;
} gw_log_quantiser;

static void gw_log_tables(const double *halves, int tau, int rounding, float scale, float *levels, float *bounds)
{
    const uint32_t top = scale > 0 ? gw_bits_of(scale) : 1;
    for (int e = 0; e < tau; e++) {
        uint32_t bits;
        levels[e] = (float)(scale * halves[2 * e]);
        if (rounding == GW_LOG_NEAREST) {
            double exact = scale * halves[2 * e + 1];
            bits = gw_bits_of((float)exact);
            bits += (float)exact < exact;
        } else if (rounding == GW_LOG_UP) bits = gw_bits_of((float)(scale * halves[2 * e + 2])) + 1;
        else bits = gw_bits_of(levels[e]);
        bits = bits < 1 ? 1 : bits > top ? top : bits;
        bounds[e] = gw_float_of(bits);
    }
}

/* The k of 1, 2, 4 for which the bounds repeat k codes on at half their size, none subnormal, as if they went on for ever; else 0. */
static int gw_log_period(const int32_t *bounds, int count, int32_t top)
{
    for (int k = 1; k <= 4; k *= 2) {
        int fits = count >= k && bounds[0] - bounds[k - 1] <= 1 << 23 && bounds[count - 1] >= 1 << 23 && bounds[k - 1] > top - (1 << 23);
        for (int e = 0; fits && e + k < count; e++) fits = bounds[e + k] == bounds[e] - (1 << 23);
        for (int e = 0; fits && e + 1 < k; e++) fits = bounds[e] - bounds[e + 1] >= 1 << 20;
        if (fits) return k;
    }
    return 0;
}

/* The table entry of the cell of 2^shift integers that starts at `start`, for codes of 2^step integers; *e bounds are above the cell
 * before and are counted on to those above this one. */
static uint32_t gw_log_cell(const int32_t *bounds, int count, uint32_t start, int shift, int step, int *e)
{
    uint32_t x = start, end = start + ((uint32_t)1 << shift);
    while (*e < count && (uint32_t)bounds[*e] >= end) ++*e;
    if (*e < count && (uint32_t)bounds[*e] > start) x = (uint32_t)bounds[*e];
    return x + ((uint32_t)(*e + 1) << step) - 1;
}

static void gw_log_plan(gw_log_quantiser *q, int32_t *bounds, uint32_t *cells, float scale)
{
    int count = q->tau - 1, e = 0, k, shift = 23;
    int32_t gap = INT32_MAX;
    memset(bounds + count, 0, (((size_t)1 << q->width) - (size_t)count) * 4);
    q->bounds = bounds;
    q->cells = cells;
    q->top = gw_bits_of(scale);
    q->floor = (uint32_t)bounds[count - 1] - 1;
    q->method = GW_LOG_HALVING;
    k = gw_log_period(bounds, count, (int32_t)q->top);
    if (k) {
        /* Eight cells down from an octave that begins below the last bound of a whole period. */
        int32_t last = ((bounds[0] >> 20) - 7) << 20;
        q->method = GW_LOG_OCTAVE;
        q->shift = 23 - (k > 1) - (k > 2);
        for (int c = 7; c >= 0; c--) {
            uint32_t start = (uint32_t)last + ((uint32_t)c << 20);
            cells[start >> 20 & 7] = gw_log_cell(bounds, count, start, 20, q->shift, &e);
        }
        return;
    }
    for (int i = 1; i < count; i++) gap = bounds[i - 1] - bounds[i] < gap ? bounds[i - 1] - bounds[i] : gap;
    while (shift && (gap < 1 << shift || ((int64_t)(q->tau + 1) << shift) > INT32_MAX)) shift--;
    q->first = q->floor >> shift;
    if (gap < 1 || (q->top >> shift) - q->first >= GW_LOG_MAX_CELLS) return;
    q->method = GW_LOG_CELLS;
    q->shift = shift;
    for (uint32_t c = q->top >> shift; c + 1 > q->first; c--) {
        cells[c - q->first] = gw_log_cell(bounds, count, c << shift, shift, shift, &e);
        if (c == 0) break;
    }
}

#define GW_KERNELS "logquant_kernels.h"
#include "levels.h"

GW_DISPATCH(void, gw_log_encode, (const gw_log_quantiser *q, const float *values, int64_t n, int wide, uint8_t *out), (q, values, n, wide, out))
GW_DISPATCH(uint32_t, gw_log_decode, (const uint8_t *in, int64_t n, int width, int wide, const float *table, float *out),
            (in, n, width, wide, table, out))
#endif
