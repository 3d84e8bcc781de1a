"""Selection by magnitude: topk, sampled_topk, threshold, nonzero. See topk.h for what each kernel reads and writes.

`keys` None: positions are the keys. Every function returns (keys, values), uint32 and float32, in the order of the input.
"""

import numpy as np
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "topk.h" nogil:
    enum: GW_TOPK_SLACK
    enum: GW_TOPK_DIGIT
    uint32_t GW_TOPK_ALL
    ctypedef struct gw_topk_bounds:
        uint32_t lo
        uint32_t hi
        int64_t expected
    int64_t gw_topk_count(const float *, int64_t, uint32_t)
    int64_t gw_topk_above(const float *, const uint32_t *, int64_t, uint32_t, int64_t, uint32_t *, float *)
    int64_t gw_topk_band(const float *, int64_t, uint32_t, uint32_t, uint32_t *, int64_t *)
    int64_t gw_topk_keep(const float *, const uint32_t *, int64_t, uint32_t, int64_t, uint32_t *, float *)
    uint32_t gw_topk_select(uint32_t *, int64_t, int64_t *, int)
    uint32_t gw_topk_histogram(const float *, int64_t, int64_t, int64_t *, int64_t *)
    gw_topk_bounds gw_topk_plan(const float *, int64_t, int64_t)
    uint32_t gw_topk_quantile(const float *, int64_t, int64_t, int64_t, uint64_t, uint32_t *)

gw_import_simd()


def largest(const float[::1] values, keys, int64_t k):
    """The min(k, nnz) largest magnitudes, the first ones at a tie, zeros never."""
    cdef int64_t n = values.shape[0], found, ties = 0
    cdef uint32_t cut
    cdef gw_topk_bounds bounds
    k = min(k, n)
    if k <= 0:
        return np.empty(0, np.uint32), np.empty(0, np.float32)
    with nogil:
        bounds = gw_topk_plan(&values[0], n, k)
    if bounds.expected < n and bounds.lo != bounds.hi:
        likely_keys, likely, found = _above(values, keys, bounds.lo, min(n, bounds.expected + bounds.expected // 4 + 1024))
        if found >= k or (bounds.lo == 1 and found >= 0):
            likely_keys, likely = likely_keys[: found + GW_TOPK_SLACK], likely[: found + GW_TOPK_SLACK]
            if found <= k:
                return likely_keys[:found], likely[:found]
            cut = _cut(likely[:found], k, bounds.lo, bounds.hi, found, &ties)
            return _keep(likely[:found], likely_keys[:found], cut, ties, likely_keys, likely)
    cut = _cut_of_all(values, k, bounds, &ties)
    return _keep(values, keys, cut, ties, np.empty(k + GW_TOPK_SLACK, np.uint32), np.empty(k + GW_TOPK_SLACK, np.float32))


def at_least(const float[::1] values, keys, uint32_t floor):
    """The magnitudes that reach `floor`, the integer view of a positive float; the arguments themselves where all do."""
    cdef int64_t n = values.shape[0], items = 0
    if n:
        with nogil:
            items = gw_topk_count(&values[0], n, floor)
    if items == n and keys is not None:
        return keys, np.asarray(values)
    kept_keys, kept, _ = _above(values, keys, floor, items)
    return kept_keys[:items], kept[:items]


def sampled(const float[::1] values, keys, int64_t k, int64_t sample, uint64_t seed):
    """The magnitudes, zeros never, that reach a sample's estimate of the k-th largest; `largest` if these are over 2k or under k/2."""
    cdef int64_t n = values.shape[0], items
    cdef uint32_t floor
    k = min(k, n)
    if k <= 0:
        return np.empty(0, np.uint32), np.empty(0, np.float32)
    cdef uint32_t[::1] scratch = np.empty(sample, np.uint32)
    with nogil:
        floor = max(1, gw_topk_quantile(&values[0], n, k, sample, seed, &scratch[0]))
    kept_keys, kept, items = _above(values, keys, floor, min(n, 2 * k))
    if items < 0 or 2 * items < k:
        return largest(values, keys, k)
    return kept_keys[:items], kept[:items]


cdef _above(const float[::1] values, const uint32_t[::1] keys, uint32_t floor, int64_t capacity):
    """(keys, values, how many) with room for capacity + GW_TOPK_SLACK; how many is -1 if they are more than `capacity`."""
    cdef int64_t n = values.shape[0], found = 0
    kept_keys, kept = np.empty(capacity + GW_TOPK_SLACK, np.uint32), np.empty(capacity + GW_TOPK_SLACK, np.float32)
    cdef uint32_t[::1] out_keys = kept_keys
    cdef float[::1] out_values = kept
    cdef const uint32_t *given = NULL
    if n:
        if keys is not None:
            given = &keys[0]
        with nogil:
            found = gw_topk_above(&values[0], given, n, floor, capacity, &out_keys[0], &out_values[0])
    return kept_keys, kept, found


cdef _keep(const float[::1] values, const uint32_t[::1] keys, uint32_t cut, int64_t ties, out_keys, out_values):
    cdef int64_t found
    cdef uint32_t[::1] kept_keys = out_keys
    cdef float[::1] kept = out_values
    cdef const uint32_t *given = NULL
    if keys is not None:
        given = &keys[0]
    with nogil:
        found = gw_topk_keep(&values[0], given, values.shape[0], cut, ties, &kept_keys[0], &kept[0])
    return out_keys[:found], out_values[:found]


cdef uint32_t _cut_of_all(const float[::1] values, int64_t k, gw_topk_bounds bounds, int64_t *ties):
    """The k-th largest magnitude and how many ties with it to keep, whatever the sample said."""
    cdef int64_t n = values.shape[0], above = 0, items = 0
    cdef uint32_t digit
    if bounds.expected < n:
        with nogil:  # many ties at the sample's estimate are likely what misled it
            above = gw_topk_count(&values[0], n, bounds.lo + 1)
            items = gw_topk_count(&values[0], n, bounds.lo)
        if above < k <= items:
            ties[0] = k - above
            return bounds.lo
    with nogil:
        digit = gw_topk_histogram(&values[0], n, k, &above, &items)
    return _cut(values, k, digit, digit + (<uint32_t>1 << GW_TOPK_DIGIT), items, ties)


cdef uint32_t _cut(const float[::1] values, int64_t k, uint32_t lo, uint32_t hi, int64_t room, int64_t *ties):
    """The k-th largest magnitude, which is at least lo, likely below hi, and how many ties with it to keep. room: of those in lo … hi."""
    cdef int64_t n = values.shape[0], above = 0, found
    cdef uint32_t[::1] band = np.empty(room + GW_TOPK_SLACK, np.uint32)
    cdef uint32_t cut
    cdef int bits = 0
    with nogil:
        found = gw_topk_band(&values[0], n, lo, hi, &band[0], &above)
        if above >= k or above + found < k:  # hi was too low
            hi = GW_TOPK_ALL
            found = gw_topk_band(&values[0], n, lo, hi, &band[0], &above)
        while bits < 31 and (hi - 1 - lo) >> bits:
            bits += 1
        ties[0] = k - above
        cut = lo + gw_topk_select(&band[0], found, ties, bits)
    if cut == 0:
        ties[0] = 0
    return cut
