"""Sparse vectors: checks, scatter, selection, sums. See sparse.h for what each kernel reads and writes."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "sparse.h" nogil:
    int GW_MERGE_MOST
    int64_t gw_first_unsorted(const uint32_t *, int64_t, uint64_t)
    int64_t gw_first_nonfinite(const float *, int64_t)
    int gw_has_zero(const float *, int64_t)
    void gw_axpy(float *, const float *, int64_t, float)
    void gw_scatter_add(float *, const uint32_t *, const float *, int64_t, float)
    int64_t gw_nonzero(const uint32_t *, const float *, int64_t, uint32_t *, float *)
    int64_t gw_compress(const uint8_t *, const uint32_t *, const float *, int64_t, uint32_t *, float *)
    void gw_split(const uint32_t *, const void *, int, int64_t, const uint32_t *, int64_t, int, int, uint32_t *, uint32_t *, void *, int64_t *)
    int64_t gw_merge_room(int)
    int gw_merge_runs(const uint32_t *, const uint32_t *, const int64_t *, int, uint64_t *, uint32_t *, uint32_t *)
    int64_t gw_add(const uint32_t *, const float *, int64_t, const uint32_t *, const float *, int64_t, uint32_t *, float *)
    void gw_sort_pairs(uint32_t *, float *, int64_t, int, uint32_t *, float *)
    int64_t gw_reduce_runs(uint32_t *, float *, int64_t)

gw_import_simd()

ctypedef fused code_t:
    uint8_t
    uint16_t


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
    if values.shape[0]:
        gw_axpy(&out[0], &values[0], values.shape[0], scale)


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
        with nogil:
            m = gw_nonzero(NULL, &values[0], n, &k[0], &v[0])
    return keys[:m], kept[:m]


def drop_zeros(const uint32_t[::1] keys, const float[::1] values):
    """(keys, values) of the pairs whose value is not ±0; None if that is all of them."""
    cdef int64_t n = keys.shape[0], m = 0
    if n == 0 or not gw_has_zero(&values[0], n):
        return None
    kept_keys, kept = np.empty(n, np.uint32), np.empty(n, np.float32)
    cdef uint32_t[::1] k = kept_keys
    cdef float[::1] v = kept
    with nogil:
        m = gw_nonzero(&keys[0], &values[0], n, &k[0], &v[0])
    return kept_keys[:m], kept[:m]


def compress(const uint8_t[::1] mask, const uint32_t[::1] keys, const float[::1] values):
    """(keys, values) of the pairs whose mask byte is not 0."""
    cdef int64_t n = keys.shape[0], m = 0
    kept_keys, kept = np.empty(n, np.uint32), np.empty(n, np.float32)
    cdef uint32_t[::1] k = kept_keys
    cdef float[::1] v = kept
    if n:
        m = gw_compress(&mask[0], &keys[0], &values[0], n, &k[0], &v[0])
    return kept_keys[:m], kept[:m]


def split(const uint32_t[::1] keys, const code_t[::1] codes, const uint32_t[::1] places, int groups):
    """(keys, indexes, sizes): the pairs group by group, each in input order.

    places (uint32): for each code, group << 16 | index in the group; codes are below its length, groups below `groups` ≤ 256.
    codes uint8 or uint16 (nnz,), uint16 if an index is above 255. keys uint32 (nnz,), indexes uint8 (nnz,), or uint16 if one is above 255,
    sizes int64 (groups,).
    """
    cdef int64_t n = keys.shape[0], buckets = places.shape[0]
    cdef bint wide = n > 0 and (np.asarray(places) & 0xFFFF).max() > 255
    if not 0 <= groups <= 256 or codes.shape[0] != n or (n and (np.asarray(places) >> 16).max() >= groups):
        raise ValueError(f"expected {n} codes and places in at most 256 groups, got {codes.shape[0]} codes, {groups} groups")
    if wide and code_t is uint8_t:
        raise ValueError("expected indexes below 256 for codes of one byte")
    grouped, indexes = np.empty(n, np.uint32), np.empty(n, np.uint16 if wide else np.uint8)
    sizes, counts = np.zeros(groups, np.int64), np.zeros(buckets, np.uint32)
    cdef uint32_t[::1] k = grouped, c = counts
    cdef uint8_t[::1] i = indexes.view(np.uint8)
    cdef int64_t[::1] s = sizes
    if n:
        with nogil:
            gw_split(&keys[0], &codes[0], code_t is uint16_t, n, &places[0], buckets, groups, wide, &c[0], &k[0], &i[0], &s[0])
    return grouped, indexes, sizes


def merge(const uint32_t[::1] keys, payload, const int64_t[::1] sizes):
    """(keys, payload): the pairs of sorted runs in the order of their keys; None if two keys are equal.

    keys: sizes[0] strictly increasing ones, then sizes[1], …. payload: 4 bytes each, float32 (not NaN) or uint32 below 2³² − 1.
    """
    cdef int64_t n = keys.shape[0], largest = np.max(sizes, initial=0)
    cdef int runs = <int>sizes.shape[0], equal
    if runs > GW_MERGE_MOST or np.sum(sizes) != n or len(payload) != n:
        raise ValueError(f"expected {n} pairs in at most {GW_MERGE_MOST} runs, got {len(payload)} in {sizes.shape[0]}")
    if largest == n:
        return np.asarray(keys), payload
    # One block: what is often freed whole, the allocator keeps, and its pages need not be made again at the next call.
    block = np.empty((2, n), np.uint32)
    merged, out = block[0], block[1].view(payload.dtype)
    scratch = np.empty(gw_merge_room(runs), np.uint64)
    cdef const uint32_t[::1] p = payload.view(np.uint32)
    cdef uint32_t[::1] out_keys = merged, out_payload = out.view(np.uint32)
    cdef uint64_t[::1] room = scratch
    with nogil:
        equal = gw_merge_runs(&keys[0], &p[0], &sizes[0], runs, &room[0], &out_keys[0], &out_payload[0])
    return None if equal else (merged, out)


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
