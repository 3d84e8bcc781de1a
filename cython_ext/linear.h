/* Linear models on CSR mini-batches: scores, losses and sparse gradients in O(entries of the batch), whatever the dimension.
 *
 * Row r of a gw_csr is indices[indptr[r]] … indices[indptr[r + 1] - 1] with the same positions of values (NULL: all ones).
 * Nothing in it is trusted: gw_linear_count and gw_linear_evaluate check the rows, and every key is compared with dim before its use.
 *
 *   score   s = θᵀx, summed in double by two interleaved sums (even and odd positions), in row order
 *   loss    logistic log(1 + exp(-ys)) · hinge max(0, 1 - ys) · squared (y - s)²
 *   slope   d loss / d s; the hinge's kink (ys = 1) has slope 0
 *
 * The gradient of a batch of B rows is the sum over rows of slope/B · x. The pairs (key, slope/B · x) are packed as
 * key << 32 | float bits and sorted by a stable least-significant-digit radix sort whose first pass is fused with the product, so
 * every sum runs in row order (in double): equal inputs give equal bytes. Scratch is O(entries), given by the caller.
 * exp and log1p come from libm: scores are equal on every machine, the last bit of a logistic slope may not be.
 */
#ifndef GW_LINEAR_H
#define GW_LINEAR_H
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Macros, because GCC drops calls of a function that does nothing but prefetch. */
#if defined(__GNUC__)
#define GW_PREFETCH(address) __builtin_prefetch(address)
#else
#define GW_PREFETCH(address) ((void)(address))
#endif
#define GW_PREFETCH_RANGE(array, start, stop)                                                  \
    do {                                                                                       \
        for (int64_t at_ = (start); at_ < (stop); at_ += 16) GW_PREFETCH((array) + at_);       \
        if ((start) < (stop)) GW_PREFETCH((array) + (stop) - 1);                               \
    } while (0)

enum { GW_LOGISTIC = 0, GW_HINGE = 1, GW_SQUARED = 2 };
enum {
    GW_DIGIT = 11,      /* bits of a radix digit, at most */
    GW_PASSES = 3,      /* ceil(32 / GW_DIGIT) */
    GW_BLOCK = 256,     /* keys whose parameters are asked for together */
    GW_AHEAD = 16       /* rows between asking for one and reading it */
};

typedef struct {
    const int64_t *indptr;   /* n_rows + 1 */
    const uint32_t *indices; /* nnz */
    const float *values;     /* nnz, or NULL: all ones */
    const float *labels;     /* n_rows */
    int64_t n_rows, nnz;
} gw_csr;

/* The row exists and lies inside the arrays. */
static inline int gw_row_exists(const gw_csr *data, int64_t row)
{
    return row >= 0 && row < data->n_rows && data->indptr[row] >= 0 && data->indptr[row] <= data->indptr[row + 1] &&
           data->indptr[row + 1] <= data->nnz;
}

/* Entries in rows[0 … batch-1], or -1 - i for the first position i whose row does not exist. */
static int64_t gw_linear_count(const gw_csr *data, const int64_t *rows, int64_t batch)
{
    int64_t entries = 0;
    for (int64_t i = 0; i < batch; i++) {
        if (!gw_row_exists(data, rows[i])) return -1 - i;
        entries += data->indptr[rows[i] + 1] - data->indptr[rows[i]];
    }
    return entries;
}

/* All n keys are below dim. */
static inline int gw_keys_below(const uint32_t *keys, int64_t n, uint64_t dim)
{
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) largest = keys[i] > largest ? keys[i] : largest;
    return n == 0 || largest < dim;
}

/* θᵀx of one row with n entries. */
static inline double gw_score(const float *params, const uint32_t *keys, const float *x, int64_t n)
{
    double even = 0, odd = 0;
    int64_t i = 0;
    if (x) {
        for (; i + 2 <= n; i += 2) {
            even += (double)params[keys[i]] * x[i];
            odd += (double)params[keys[i + 1]] * x[i + 1];
        }
        if (i < n) even += (double)params[keys[i]] * x[i];
    } else {
        for (; i + 2 <= n; i += 2) {
            even += params[keys[i]];
            odd += params[keys[i + 1]];
        }
        if (i < n) even += params[keys[i]];
    }
    return even + odd;
}

/* The loss of one row; writes its slope. */
static inline double gw_loss(int loss, double score, double label, double *slope)
{
    double margin = label * score;
    if (loss == GW_LOGISTIC) {
        double e = exp(-fabs(margin)); /* never overflows */
        *slope = -label * (margin > 0 ? e : 1.0) / (1.0 + e);
        return (margin > 0 ? 0.0 : -margin) + log1p(e);
    }
    if (loss == GW_HINGE) {
        *slope = margin < 1 ? -label : 0.0;
        return margin < 1 ? 1.0 - margin : 0.0;
    }
    *slope = 2.0 * (score - label);
    return (score - label) * (score - label);
}

/* Scores (float) and the sum of the losses of rows start … stop-1. Returns -1, or the first row that does not exist or has a
 * key >= dim. */
static int64_t gw_linear_evaluate(const gw_csr *data, int64_t start, int64_t stop, const float *params, uint64_t dim, int loss,
                                  float *scores, double *loss_sum)
{
    double sum = 0, slope;
    for (int64_t row = start; row < stop; row++) {
        if (!gw_row_exists(data, row)) return row;
        int64_t at = data->indptr[row], n = data->indptr[row + 1] - at;
        for (int64_t k = at + GW_BLOCK / 4; k < at + GW_BLOCK / 4 + n && k < data->nnz; k++) GW_PREFETCH(params + data->indices[k]);
        if (!gw_keys_below(data->indices + at, n, dim)) return row;
        double score = gw_score(params, data->indices + at, data->values ? data->values + at : NULL, n);
        sum += gw_loss(loss, score, data->labels[row], &slope);
        scores[row - start] = (float)score;
    }
    *loss_sum = sum;
    return -1;
}

/* Forward pass over a batch that gw_linear_count has accepted: writes all keys in row order to keys, slope/batch of each row to
 * coefficients, and the sum of the losses. Returns -1, or the first row that has a key >= dim.
 * Rows are asked for GW_AHEAD rows early; blocks of about GW_BLOCK keys are copied, and their parameters asked for, before the
 * first score that needs them: rows and parameters lie anywhere in memory. */
static int64_t gw_linear_forward(const gw_csr *data, const int64_t *rows, int64_t batch, const float *params, uint64_t dim, int loss,
                                 uint32_t *keys, float *coefficients, double *loss_sum)
{
    double sum = 0, slope;
    for (int64_t first = 0, i = 0; i < batch; first = i) {
        int64_t filled = 0;
        for (; i < batch && (i == first || filled < GW_BLOCK); i++) {
            int64_t at = data->indptr[rows[i]], n = data->indptr[rows[i] + 1] - at;
            if (i + GW_AHEAD < batch) {
                int64_t later = rows[i + GW_AHEAD];
                GW_PREFETCH(data->labels + later);
                GW_PREFETCH_RANGE(data->indices, data->indptr[later], data->indptr[later + 1]);
                if (data->values) GW_PREFETCH_RANGE(data->values, data->indptr[later], data->indptr[later + 1]);
            }
            if (!gw_keys_below(data->indices + at, n, dim)) return rows[i];
            if (n) memcpy(keys + filled, data->indices + at, (size_t)n * 4);
            for (int64_t k = filled; k < filled + n; k++) GW_PREFETCH(params + keys[k]);
            filled += n;
        }
        for (int64_t r = first; r < i; r++) {
            int64_t at = data->indptr[rows[r]], n = data->indptr[rows[r] + 1] - at;
            sum += gw_loss(loss, gw_score(params, keys, data->values ? data->values + at : NULL, n), data->labels[rows[r]], &slope);
            coefficients[r] = (float)(slope / (double)batch);
            keys += n;
        }
    }
    *loss_sum = sum;
    return -1;
}

static inline uint64_t gw_pair(uint32_t key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint64_t)key << 32 | bits;
}

static inline float gw_pair_value(uint64_t pair)
{
    uint32_t bits = (uint32_t)pair;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* Counts the digits of all `passes` in one pass over the keys and turns the counts into first positions. */
static inline void gw_digit_starts(const uint32_t *keys, int64_t n, int passes, int digit, int64_t next[GW_PASSES][1 << GW_DIGIT])
{
    uint32_t mask = (1u << digit) - 1;
    memset(next, 0, (size_t)passes * sizeof next[0]);
    for (int64_t i = 0; i < n; i++)
        for (int p = 0; p < passes; p++) next[p][keys[i] >> (p * digit) & mask]++;
    for (int p = 0; p < passes; p++) {
        int64_t sum = 0;
        for (uint32_t b = 0; b <= mask; b++) { int64_t count = next[p][b]; next[p][b] = sum; sum += count; }
    }
}

/* Backward pass: the pairs (key, coefficient · x) of the batch, sorted by key and in row order among equal keys. keys and
 * coefficients are gw_linear_forward's. a and b have room for `entries`; returns the one of them that holds the result. */
static uint64_t *gw_linear_backward(const gw_csr *data, const int64_t *rows, int64_t batch, const uint32_t *keys,
                                    const float *coefficients, int64_t entries, uint64_t dim, uint64_t *a, uint64_t *b)
{
    int bits = 1;
    while (bits < 32 && (dim - 1) >> bits) bits++;
    int passes = (bits + GW_DIGIT - 1) / GW_DIGIT, digit = (bits + passes - 1) / passes;
    uint32_t mask = (1u << digit) - 1;
    int64_t next[GW_PASSES][1 << GW_DIGIT];
    switch (passes) { /* constants, so that the loop over passes unrolls */
    case 1: gw_digit_starts(keys, entries, 1, digit, next); break;
    case 2: gw_digit_starts(keys, entries, 2, digit, next); break;
    default: gw_digit_starts(keys, entries, 3, digit, next);
    }
    for (int64_t r = 0; r < batch; r++) {
        int64_t at = data->indptr[rows[r]], n = data->indptr[rows[r] + 1] - at;
        float coefficient = coefficients[r];
        if (data->values)
            for (int64_t k = 0; k < n; k++) a[next[0][keys[k] & mask]++] = gw_pair(keys[k], coefficient * data->values[at + k]);
        else
            for (int64_t k = 0; k < n; k++) a[next[0][keys[k] & mask]++] = gw_pair(keys[k], coefficient);
        keys += n;
    }
    for (int p = 1; p < passes; p++) {
        int shift = 32 + p * digit;
        for (int64_t i = 0; i < entries; i++) b[next[p][a[i] >> shift & mask]++] = a[i];
        uint64_t *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

/* Writes each different key of n sorted pairs, and the sum of its values + l2 · params[key], to keys and values (room for n);
 * returns how many. */
static int64_t gw_sum_runs(const uint64_t *pairs, int64_t n, const float *params, double l2, uint32_t *keys, float *values)
{
    int64_t runs = 0;
    for (int64_t i = 0; i < n; runs++) {
        uint32_t key = (uint32_t)(pairs[i] >> 32);
        double sum = l2 != 0 ? l2 * params[key] : 0.0;
        do sum += gw_pair_value(pairs[i++]);
        while (i < n && pairs[i] >> 32 == key);
        keys[runs] = key;
        values[runs] = (float)sum;
    }
    return runs;
}
#endif
