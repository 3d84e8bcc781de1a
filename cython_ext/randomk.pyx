"""Random subsets of coordinates and the values that stand at them. See randomk.h for what each kernel reads and writes."""

import numpy as np
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "randomk.h" nogil:
    void gw_subset(uint64_t, int64_t, uint64_t, uint32_t *, uint32_t *, uint32_t *)
    int64_t gw_pick(const float *, const uint32_t *, const uint32_t *, int64_t, double, uint32_t *, float *)
    void gw_align(const float *, const uint32_t *, int64_t, const uint32_t *, int64_t, double, float *)


def subset(uint64_t dim, int64_t q, uint64_t seed):
    """uint32 (q,): the sorted uniformly random subset of 0 … dim − 1 that belongs to `seed`."""
    if not 0 <= q <= <int64_t>dim <= 1 << 32:
        raise ValueError(f"expected 0 ≤ q ≤ dim ≤ 2³², got q {q} and dim {dim}")
    chosen, drawn = np.empty(q, np.uint32), max(1, min(q, <int64_t>dim - q))
    cdef uint32_t[::1] out = chosen, fresh = np.empty(drawn, np.uint32), scratch = np.empty(drawn, np.uint32)
    if q:
        with nogil:
            gw_subset(dim, q, seed, &out[0], &fresh[0], &scratch[0])
    return chosen


def pick(const float[::1] values, const uint32_t[::1] keys, const uint32_t[::1] at, double factor):
    """(keys, factor · values) of the positions `at`, zeros left out; keys None: positions are the keys."""
    cdef int64_t q = at.shape[0], found = 0
    kept_keys, kept = np.empty(q, np.uint32), np.empty(q, np.float32)
    cdef uint32_t[::1] out_keys = kept_keys
    cdef float[::1] out_values = kept
    cdef const uint32_t *given = NULL
    if q:
        if keys is not None:
            given = &keys[0]
        with nogil:
            found = gw_pick(&values[0], given, &at[0], q, factor, &out_keys[0], &out_values[0])
    return kept_keys[:found], kept[:found]


def align(const float[::1] values, const uint32_t[::1] keys, const uint32_t[::1] chosen, double factor):
    """float32 (len(chosen),): factor · the value at each of the increasing keys `chosen`, 0 where there is none."""
    cdef int64_t n = values.shape[0], q = chosen.shape[0]
    aligned = np.zeros(q, np.float32)
    cdef float[::1] out = aligned
    cdef const uint32_t *given = NULL
    if q and n:
        if keys is not None:
            given = &keys[0]
        with nogil:
            gw_align(&values[0], given, n, &chosen[0], q, factor, &out[0])
    return aligned
