"""Bucket numbers of values and values of bucket numbers. See quantile.h."""

import numpy as np
from libc.stdint cimport int64_t, uint16_t, uint32_t

cdef extern from "quantile.h" nogil:
    uint32_t gw_order(float)
    void gw_assign(const float *, int64_t, const uint32_t *, uint32_t, uint32_t *, uint16_t *)
    void gw_bucket_sums(const float *, const uint16_t *, int64_t, double *, int64_t *)
    int gw_lookup(const uint16_t *, int64_t, const float *, uint32_t, float *)

TABLE_FROM = 1 << 13


def assign(const float[::1] values, const float[::1] splits, uint16_t[::1] out):
    """out[i] = how many of the ascending splits (at most 65535) are ≤ values[i]. All are finite."""
    cdef int64_t i, n = values.shape[0], m = splits.shape[0]
    if out.shape[0] < n or m > 65535:
        raise ValueError(f"expected room for {n} codes and at most 65535 splits, got {out.shape[0]} and {m}")
    ordered = np.empty(m + 1, np.uint32)
    table = np.empty(65537 if n >= TABLE_FROM else 1, np.uint32)
    cdef uint32_t[::1] s = ordered, t = table
    cdef uint32_t *scratch = &t[0] if n >= TABLE_FROM else NULL
    for i in range(m):
        s[i] = gw_order(splits[i])
    s[m] = 0xFFFFFFFF
    if n:
        with nogil:
            gw_assign(&values[0], n, &s[0], <uint32_t>m, scratch, &out[0])


def sums(const float[::1] values, const uint16_t[::1] codes, int64_t buckets):
    """(float64 sum, int64 count) of the values of each bucket, each (buckets,); codes are below buckets."""
    total, count = np.zeros(buckets, np.float64), np.zeros(buckets, np.int64)
    cdef double[::1] s = total
    cdef int64_t[::1] c = count
    if values.shape[0]:
        with nogil:
            gw_bucket_sums(&values[0], &codes[0], values.shape[0], &s[0], &c[0])
    return total, count


def lookup(const uint16_t[::1] codes, const float[::1] values, float[::1] out):
    """out[i] = values[codes[i]]. Returns False, and writes nothing, if a code is not below len(values)."""
    cdef int64_t n = codes.shape[0]
    if out.shape[0] < n:
        raise ValueError(f"expected room for {n} values, got {out.shape[0]}")
    if n == 0:
        return True
    return values.shape[0] > 0 and gw_lookup(&codes[0], n, &values[0], <uint32_t>values.shape[0], &out[0]) == 0
