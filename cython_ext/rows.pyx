"""Rows of CSR matrices while a data set is prepared. See rows.h for what each kernel reads, writes and assumes."""

import numpy as np
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "rows.h" nogil:
    void gw_rows_sort(const int64_t *, int64_t, uint32_t *, float *)
    int64_t gw_rows_check(const int64_t *, int64_t, const uint32_t *, int64_t, uint64_t)
    void gw_rows_select(const int64_t *, const uint32_t *, const float *, const int64_t *, int64_t, int64_t *, uint32_t *, float *)
    void gw_rows_count(const uint32_t *, int64_t, uint32_t *)
    void gw_permute(uint32_t *, int64_t, uint64_t, uint64_t)
    uint32_t gw_random32(uint64_t, uint64_t)


def sort(const int64_t[::1] indptr, uint32_t[::1] indices, float[::1] values=None):
    """Sort every row by key, in place, with its values."""
    if indices.shape[0]:
        gw_rows_sort(&indptr[0], indptr.shape[0] - 1, &indices[0], &values[0] if values is not None else NULL)


def check(const int64_t[::1] indptr, const uint32_t[::1] indices, uint64_t n_features):
    """First row with bad offsets, or with keys that are not strictly increasing and below n_features; else -1."""
    cdef const uint32_t *keys = &indices[0] if indices.shape[0] else NULL
    return gw_rows_check(&indptr[0], indptr.shape[0] - 1, keys, indices.shape[0], n_features)


def select(const int64_t[::1] indptr, const uint32_t[::1] indices, const float[::1] values, const int64_t[::1] rows):
    """(indptr, indices, values) of the given rows, in their order; values is None where the argument is."""
    cdef int64_t i, total = 0, n = rows.shape[0]
    for i in range(n):
        if not 0 <= rows[i] < indptr.shape[0] - 1:
            raise IndexError(f"expected rows in 0 … {indptr.shape[0] - 2}, got {rows[i]}")
        total += indptr[rows[i] + 1] - indptr[rows[i]]
    out_indptr, out_indices = np.zeros(n + 1, np.int64), np.empty(total, np.uint32)
    out_values = None if values is None else np.empty(total, np.float32)
    cdef int64_t[::1] p = out_indptr
    cdef uint32_t[::1] k = out_indices
    cdef float[::1] v = out_values
    if n and total:
        gw_rows_select(&indptr[0], &indices[0], &values[0] if values is not None else NULL, &rows[0], n,
                       &p[0], &k[0], &v[0] if values is not None else NULL)
    return out_indptr, out_indices, out_values


def count(const uint32_t[::1] indices, uint32_t[::1] counts):
    """counts[indices] += 1, repeated indices counted each time. Every index is below len(counts)."""
    if indices.shape[0]:
        gw_rows_count(&indices[0], indices.shape[0], &counts[0])


def permute(uint32_t[::1] ids, uint64_t n_features, uint64_t seed):
    """Replace each id by its image under the permutation of 0 … n_features-1 that `seed` picks, in place."""
    if ids.shape[0]:
        gw_permute(&ids[0], ids.shape[0], n_features, seed)


def random32(uint64_t seed, const int64_t[::1] counters):
    """uint32 (n,): word `counters[i]` of the random stream `seed`, see random.h."""
    cdef int64_t i, n = counters.shape[0]
    words = np.empty(n, np.uint32)
    cdef uint32_t[::1] w = words
    for i in range(n):
        w[i] = gw_random32(seed, <uint64_t>counters[i])
    return words
