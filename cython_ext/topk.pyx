"""Selection by magnitude: topk and threshold. See topk.h for what each kernel reads and writes."""

import numpy as np
from libc.stdint cimport int64_t, uint32_t

cdef extern from "topk.h" nogil:
    uint32_t gw_topk_floor(const float *, int64_t, int64_t, int64_t *)
    int64_t gw_topk_count(const float *, int64_t, uint32_t)
    void gw_topk_collect(const float *, const uint32_t *, int64_t, uint32_t, int64_t, uint32_t *, float *)
    int64_t gw_topk_trim(uint32_t *, float *, int64_t, int64_t)


def largest(const float[::1] values, keys, int64_t k):
    """(keys, values) of the min(k, nnz) largest magnitudes, the first ones at a tie, zeros never; keys None: positions are the keys."""
    cdef int64_t n = values.shape[0], items = 0
    cdef uint32_t floor
    if k > n:
        k = n
    if k <= 0:
        return np.empty(0, np.uint32), np.empty(0, np.float32)
    with nogil:
        floor = gw_topk_floor(&values[0], n, k, &items)
    kept_keys, kept = _collect(values, keys, floor, items)
    cdef uint32_t[::1] out_keys = kept_keys
    cdef float[::1] out_values = kept
    with nogil:
        items = gw_topk_trim(&out_keys[0], &out_values[0], items, k)
    return kept_keys[:items], kept[:items]


def at_least(const float[::1] values, keys, uint32_t floor):
    """(keys, values) of the magnitudes that reach `floor`, the integer view of a positive float; keys None: positions are the keys."""
    cdef int64_t n = values.shape[0], items = 0
    if n:
        with nogil:
            items = gw_topk_count(&values[0], n, floor)
    return _collect(values, keys, floor, items)


cdef _collect(const float[::1] values, const uint32_t[::1] keys, uint32_t floor, int64_t items):
    """(keys, values) of the `items` pairs whose magnitude reaches `floor`."""
    kept_keys, kept = np.empty(items + 1, np.uint32), np.empty(items + 1, np.float32)
    cdef uint32_t[::1] out_keys = kept_keys
    cdef float[::1] out_values = kept
    cdef const uint32_t *given = NULL
    if keys is not None and items:
        given = &keys[0]
    if items:
        with nogil:
            gw_topk_collect(&values[0], given, values.shape[0], floor, items, &out_keys[0], &out_values[0])
    return kept_keys[:items], kept[:items]
