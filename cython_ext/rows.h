/* Rows of a sparse matrix in CSR form, while a data set is being prepared: check, sort, select, count, renumber.
 *
 * indptr has n_rows + 1 non-decreasing entries and may start anywhere; row r is indices[indptr[r]] … indices[indptr[r + 1] - 1] and
 * the same positions of values. values is NULL when all values are 1. Offsets are trusted unless the line says otherwise.
 */
#ifndef GW_ROWS_H
#define GW_ROWS_H
#include <stdint.h>
#include <string.h>
#include "random.h"

static inline void gw_swap_pair(uint32_t *keys, float *values, int64_t i, int64_t j)
{
    uint32_t key = keys[i]; keys[i] = keys[j]; keys[j] = key;
    if (values) { float value = values[i]; values[i] = values[j]; values[j] = value; }
}

/* Heapsort of n pairs by key, in place: O(n log n) whatever the input. */
static inline void gw_heap_sort(uint32_t *keys, float *values, int64_t n)
{
    int64_t start = n / 2, end = n;
    while (end > 1) {
        if (start > 0) start--;
        else gw_swap_pair(keys, values, --end, 0);
        for (int64_t root = start, child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && keys[child + 1] > keys[child]) child++;
            if (keys[root] >= keys[child]) break;
            gw_swap_pair(keys, values, root, child);
        }
    }
}

/* Sorts the n pairs of one row by key, in place; equal keys keep no particular order. */
static inline void gw_row_sort(uint32_t *keys, float *values, int64_t n)
{
    if (n > 64) { gw_heap_sort(keys, values, n); return; }
    for (int64_t i = 1; i < n; i++) {
        uint32_t key = keys[i];
        float value = values ? values[i] : 0.0f;
        int64_t j = i;
        for (; j > 0 && keys[j - 1] > key; j--) {
            keys[j] = keys[j - 1];
            if (values) values[j] = values[j - 1];
        }
        keys[j] = key;
        if (values) values[j] = value;
    }
}

static inline void gw_rows_sort(const int64_t *indptr, int64_t n_rows, uint32_t *indices, float *values)
{
    for (int64_t r = 0; r < n_rows; r++)
        gw_row_sort(indices + indptr[r], values ? values + indptr[r] : 0, indptr[r + 1] - indptr[r]);
}

/* First row whose offsets leave [0, nnz] or decrease, or whose keys are not strictly increasing and below n_features; else -1. */
static inline int64_t gw_rows_check(const int64_t *indptr, int64_t n_rows, const uint32_t *indices, int64_t nnz, uint64_t n_features)
{
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t start = indptr[r], stop = indptr[r + 1];
        if (start < 0 || start > stop || stop > nnz) return r;
        int bad = stop > start && indices[stop - 1] >= n_features;
        for (int64_t i = start + 1; i < stop; i++) bad |= indices[i] <= indices[i - 1];
        if (bad) return r;
    }
    return -1;
}

/* Copies the n rows rows[i] to out_indices and out_values (room for their entries); writes out_indptr[0] = 0 … out_indptr[n]. */
static inline void gw_rows_select(const int64_t *indptr, const uint32_t *indices, const float *values, const int64_t *rows, int64_t n,
                           int64_t *out_indptr, uint32_t *out_indices, float *out_values)
{
    int64_t at = 0;
    out_indptr[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t start = indptr[rows[i]], length = indptr[rows[i] + 1] - start;
        memcpy(out_indices + at, indices + start, (size_t)length * 4);
        if (values) memcpy(out_values + at, values + start, (size_t)length * 4);
        out_indptr[i + 1] = at += length;
    }
}

/* counts[indices[i]] += 1, stopping at 2^32 - 1. Keys are below the length of counts. */
static inline void gw_rows_count(const uint32_t *indices, int64_t n, uint32_t *counts)
{
    for (int64_t i = 0; i < n; i++) counts[indices[i]] += counts[indices[i]] != UINT32_MAX;
}

/* Replaces each id by its image under a permutation of 0 … n_features-1 that `seed` picks. Ids must be below n_features ≤ 2^32.
 * Four rounds of x ← (x · odd + word) mod 2^b, x ← x ⊕ x >> ⌈b/2⌉, each of which is a permutation of 0 … 2^b-1; b is the smallest
 * with 2^b ≥ n_features, and values that fall outside walk on along their cycle (Black and Rogaway 2002). */
static inline void gw_permute(uint32_t *ids, int64_t n, uint64_t n_features, uint64_t seed)
{
    int bits = 0;
    while (bits < 32 && (n_features - 1) >> bits) bits++;
    if (!bits) return;
    uint32_t mask = (uint32_t)((1ull << bits) - 1);
    int shift = (bits + 1) / 2;
    uint32_t odd[4], word[4];
    for (int round = 0; round < 4; round++) {
        odd[round] = gw_random32(seed, 2 * (uint64_t)round) | 1;
        word[round] = gw_random32(seed, 2 * (uint64_t)round + 1);
    }
    for (int64_t i = 0; i < n; i++) {
        uint32_t x = ids[i];
        do {
            for (int round = 0; round < 4; round++) {
                x = (x * odd[round] + word[round]) & mask;
                x ^= x >> shift;
            }
        } while (x >= n_features);
        ids[i] = x;
    }
}
#endif
