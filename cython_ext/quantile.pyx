"""Bucket numbers of values and values of bucket numbers. See quantile.h. Codes are uint8 or uint16 arrays."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "quantile.h" nogil:
    ctypedef struct gw_surveyed:
        uint32_t least
        uint32_t most
        int64_t below
        int64_t zeros
    uint32_t gw_finite_least
    uint32_t gw_finite_most
    uint32_t gw_order(float)
    float gw_unorder(uint32_t)
    gw_surveyed gw_survey(const float *, int64_t)
    int64_t gw_keep(const float *, int64_t, uint32_t, uint32_t, int, float *)
    void gw_assign(const float *, int64_t, const uint32_t *, uint32_t, uint16_t *, void *, int)
    void gw_mark(const float *, int64_t, uint32_t, uint32_t, uint32_t, void *, int, float *)
    void gw_bucket_sums(const float *, const void *, int, int64_t, int64_t, double *, int64_t *)
    int gw_lookup(const void *, int, int64_t, const float *, uint32_t, float *)
    int64_t gw_fill(const void *, int, int64_t, uint32_t, const float *, int64_t, float *)
    uint32_t gw_select_u32(uint32_t *, int64_t, int64_t)

gw_import_simd()

ctypedef fused code_t:
    uint8_t
    uint16_t

TABLE_FROM = 1 << 13
SLACK = 16
SAMPLE = 2048


def survey(const float[::1] values):
    """(least, greatest, how many below zero, how many zero) of at least one value; None if one is NaN or infinite."""
    cdef gw_surveyed s
    if values.shape[0] == 0:
        raise ValueError("expected at least one value")
    with nogil:
        s = gw_survey(&values[0], values.shape[0])
    if s.least < gw_finite_least or s.most > gw_finite_most:
        return None
    return gw_unorder(s.least), gw_unorder(s.most), s.below, s.zeros


cdef _keep(const float[::1] values, uint32_t low, uint32_t high, bint outside):
    cdef int64_t n = values.shape[0], m = 0
    kept = np.empty(n + SLACK, np.float32)
    cdef float[::1] k = kept
    if n:
        with nogil:
            m = gw_keep(&values[0], n, low, high, outside, &k[0])
    return kept[:m]


def negatives(const float[::1] values):
    """The values below zero, in their order."""
    return _keep(values, 0, gw_order(0) - 1, False)


def positives(const float[::1] values):
    """The values above zero, in their order."""
    return _keep(values, gw_order(0) + 1, 0xFFFFFFFF, False)


def nonzeros(const float[::1] values):
    """The values that are not zero, in their order."""
    return _keep(values, gw_order(0), gw_order(0), True)


def within(const float[::1] values, float bound):
    """The values of magnitude at most `bound` ≥ 0, in their order."""
    return _keep(values, gw_order(-bound), gw_order(bound), False)


def largest_magnitude(const float[::1] values, int64_t rank):
    """|v| of the value that `rank` (0 … n − 1) values precede when they stand in descending order of magnitude."""
    cdef int64_t i, n = values.shape[0], k
    if not 0 <= rank < n:
        raise ValueError(f"expected a rank in 0 … {n - 1}, got {rank}")
    floor = 0.0
    if n > 4 * SAMPLE:
        # A bound that almost surely enough values reach: from a sample, four standard deviations on the safe side. If it fails, 0 will do.
        sample = np.sort(np.abs(np.asarray(values)[:: n // SAMPLE]))
        expected = len(sample) * (rank + 1) / n
        floor = float(sample[max(0, len(sample) - 2 - int(expected + 4 * expected**0.5))])
    above = _keep(values, gw_order(-floor), gw_order(floor), True)
    if len(above) <= rank:
        above = np.asarray(values)
    magnitudes = above.view(np.uint32) & np.uint32(0x7FFFFFFF)
    cdef uint32_t[::1] m = magnitudes
    k = m.shape[0]
    cdef uint32_t found = gw_select_u32(&m[0], k, k - 1 - rank)
    return float(np.uint32(found).view(np.float32))


def assign(const float[::1] values, const float[::1] splits, code_t[::1] out):
    """out[i] = how many of the ascending splits (at most 255, or 65535 for uint16) are ≤ values[i]. All are finite."""
    cdef int64_t i, n = values.shape[0], m = splits.shape[0], most = 255 if code_t is uint8_t else 65535
    if out.shape[0] < n or m > most:
        raise ValueError(f"expected room for {n} codes and at most {most} splits, got {out.shape[0]} and {m}")
    ordered = np.full(max(m + 1, 256), 0xFFFFFFFF, np.uint32)
    table = np.empty(65537 if n >= TABLE_FROM else 1, np.uint16)
    cdef uint32_t[::1] s = ordered
    cdef uint16_t[::1] t = table
    cdef uint16_t *scratch = &t[0] if n >= TABLE_FROM else NULL
    for i in range(m):
        s[i] = gw_order(splits[i])
    if n:
        with nogil:
            gw_assign(&values[0], n, &s[0], <uint32_t>m, scratch, &out[0], code_t is uint16_t)


def mark(const float[::1] values, float bound, uint32_t code, code_t[::1] out, float[::1] exact):
    """out[i] = code where |values[i]| > bound; these values, in their order, to `exact`, which has room for just them."""
    cdef int64_t n = values.shape[0]
    if out.shape[0] < n:
        raise ValueError(f"expected room for {n} codes, got {out.shape[0]}")
    if exact.shape[0]:
        with nogil:
            gw_mark(&values[0], n, gw_order(-bound), gw_order(bound), code, &out[0], code_t is uint16_t, &exact[0])


def sums(const float[::1] values, const code_t[::1] codes, int64_t buckets):
    """(float64 sum, int64 count) of the values of each bucket, each (buckets,); codes are below buckets."""
    total, count = np.zeros((2, buckets), np.float64), np.zeros((2, buckets), np.int64)
    cdef double[:, ::1] s = total
    cdef int64_t[:, ::1] c = count
    if values.shape[0]:
        with nogil:
            gw_bucket_sums(&values[0], &codes[0], code_t is uint16_t, values.shape[0], buckets, &s[0, 0], &c[0, 0])
    return total[0] + total[1], count[0] + count[1]


def lookup(const code_t[::1] codes, const float[::1] values, float[::1] out):
    """out[i] = values[codes[i]]. Returns False if a code is not below len(values); `out` then means nothing."""
    cdef int64_t n = codes.shape[0], size = values.shape[0]
    cdef int failed
    if out.shape[0] < n:
        raise ValueError(f"expected room for {n} values, got {out.shape[0]}")
    if n == 0:
        return True
    table = np.zeros(max(size, 256), np.float32)
    table[:size] = values
    cdef float[::1] t = table
    with nogil:
        failed = gw_lookup(&codes[0], code_t is uint16_t, n, &t[0], <uint32_t>size, &out[0])
    return failed == 0


def fill(const code_t[::1] codes, uint32_t code, const float[::1] exact, float[::1] out):
    """out[i] = the next of the exact values where codes[i] is `code`. Returns False if they are not just as many as such codes."""
    cdef int64_t n = codes.shape[0], m = exact.shape[0], found = 0
    if out.shape[0] < n:
        raise ValueError(f"expected room for {n} values, got {out.shape[0]}")
    if n:
        with nogil:
            found = gw_fill(&codes[0], code_t is uint16_t, n, code, &exact[0] if m else NULL, m, &out[0])
    return found == m
