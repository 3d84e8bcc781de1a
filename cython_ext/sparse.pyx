"""Sparse vectors: checks, scatter, selection, sums. See sparse.h for what each kernel reads and writes."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "sparse.h" nogil:
    int64_t gw_first_unsorted(const uint32_t *, int64_t, uint64_t)
    int64_t gw_first_nonfinite(const float *, int64_t)
    void gw_scatter_add(float *, const uint32_t *, const float *, int64_t, float)
    int64_t gw_nonzero(const float *, int64_t, uint32_t *, float *)
    int64_t gw_compress(const uint8_t *, const uint32_t *, const float *, int64_t, uint32_t *, float *)
    void gw_split(const uint32_t *, const uint8_t *, int64_t, uint32_t *, int64_t *)
    int64_t gw_add(const uint32_t *, const float *, int64_t, const uint32_t *, const float *, int64_t, uint32_t *, float *)
    void gw_sort_pairs(uint32_t *, float *, int64_t, int, uint32_t *, float *)
    int64_t gw_reduce_runs(uint32_t *, float *, int64_t)


def first_unsorted(const uint32_t[::1] keys, uint64_t dim):
    """Position of the first key that is out of order or not below dim, else -1."""
    if keys.shape[0] == 0:
        return -1
    return gw_first_unsorted(&keys[0], keys.shape[0], dim)


def first_nonfinite(const float[::1] values):
    """Position of the first NaN or infinity, else -1."""
    if values.shape[0] == 0:
        return -1
    return gw_first_nonfinite(&values[0], values.shape[0])


def scatter_add(float[::1] out, const uint32_t[::1] keys, const float[::1] values, float scale):
    """out[keys] += scale * values. Keys are below len(out)."""
    if keys.shape[0]:
        gw_scatter_add(&out[0], &keys[0], &values[0], keys.shape[0], scale)


def axpy(float[::1] out, const float[::1] values, float scale):
    """out += scale * values."""
    cdef int64_t i
    for i in range(values.shape[0]):
        out[i] += scale * values[i]


def scatter(float[::1] out, const uint32_t[::1] keys, const float[::1] values):
    """out[keys] = values."""
    cdef int64_t i
    for i in range(keys.shape[0]):
        out[keys[i]] = values[i]


def gather(const float[::1] source, const uint32_t[::1] keys):
    """source[keys], float32 (nnz,)."""
    cdef int64_t i, n = keys.shape[0]
    values = np.empty(n, np.float32)
    cdef float[::1] v = values
    for i in range(n):
        v[i] = source[keys[i]]
    return values


def nonzero(const float[::1] values):
    """(keys, values) of the entries that are not ±0."""
    cdef int64_t n = values.shape[0], m = 0
    keys, kept = np.empty(n, np.uint32), np.empty(n, np.float32)
    cdef uint32_t[::1] k = keys
    cdef float[::1] v = kept
    if n:
        m = gw_nonzero(&values[0], n, &k[0], &v[0])
    return keys[:m], kept[:m]


def compress(const uint8_t[::1] mask, const uint32_t[::1] keys, const float[::1] values):
    """(keys, values) of the pairs whose mask byte is not 0."""
    cdef int64_t n = keys.shape[0], m = 0
    kept_keys, kept = np.empty(n, np.uint32), np.empty(n, np.float32)
    cdef uint32_t[::1] k = kept_keys
    cdef float[::1] v = kept
    if n:
        m = gw_compress(&mask[0], &keys[0], &values[0], n, &k[0], &v[0])
    return kept_keys[:m], kept[:m]


def split(const uint32_t[::1] keys, const uint8_t[::1] group):
    """List of uint32 arrays: the keys of group 0, 1, … up to the highest that occurs, each in input order."""
    cdef int64_t n = keys.shape[0]
    cdef int64_t starts[257]
    if n == 0:
        return []
    grouped = np.empty(n, np.uint32)
    cdef uint32_t[::1] out = grouped
    gw_split(&keys[0], &group[0], n, &out[0], starts)
    parts = []
    for i in range(256):
        if starts[i] == n:
            break
        parts.append(grouped[starts[i] : starts[i + 1]])
    return parts


def add(const uint32_t[::1] keys_a, const float[::1] values_a, const uint32_t[::1] keys_b, const float[::1] values_b):
    """(keys, values) of the sum of two sparse vectors."""
    cdef int64_t na = keys_a.shape[0], nb = keys_b.shape[0], m
    keys, values = np.empty(na + nb + 1, np.uint32), np.empty(na + nb + 1, np.float32)
    cdef uint32_t[::1] k = keys
    cdef float[::1] v = values
    cdef const uint32_t *ka = &keys_a[0] if na else NULL
    cdef const float *va = &values_a[0] if na else NULL
    cdef const uint32_t *kb = &keys_b[0] if nb else NULL
    cdef const float *vb = &values_b[0] if nb else NULL
    if na == 0 and nb == 0:
        return keys[:0], values[:0]
    m = gw_add(ka, va, na, kb, vb, nb, &k[0], &v[0])
    return keys[:m], values[:m]


def sort_reduce(uint32_t[::1] keys, float[::1] values, uint64_t dim):
    """(keys, values): sorted unique keys and the sums of their values, added in input order. Overwrites its arguments."""
    cdef int64_t n = keys.shape[0], m = 0
    cdef int bits = 0
    while bits < 32 and (dim - 1) >> bits:
        bits += 1
    scratch_keys, scratch = np.empty(n, np.uint32), np.empty(n, np.float32)
    cdef uint32_t[::1] k = scratch_keys
    cdef float[::1] v = scratch
    if n:
        with nogil:
            gw_sort_pairs(&keys[0], &values[0], n, bits, &k[0], &v[0])
            m = gw_reduce_runs(&keys[0], &values[0], n)
    return np.asarray(keys)[:m], np.asarray(values)[:m]
