"""partitioned: the optimal cut of gaps into partitions of one bit width each; partitioned.h is the specification.

`rounded` (uint8, (33,)): the width that a gap of b bits gets. A plan is the uint16 array that `trace` returns.
"""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "partitioned.h" nogil:
    enum:
        GW_PARTITIONED_WIDTHS
        GW_PARTITIONED_SLACK
    void gw_partitioned_widths(const uint32_t *, int64_t, uint8_t *, int64_t *)
    int64_t gw_partitioned_plan(const uint8_t *, int64_t, const int64_t *, const uint8_t *, int, int, uint16_t *)
    int64_t gw_partitioned_trace(const uint8_t *, int64_t, const uint8_t *, int, int, uint16_t *)
    int64_t gw_partitioned_pack(const uint32_t *, int64_t, const uint16_t *, int64_t, int, int, const uint8_t *, uint8_t *)
    int gw_partitioned_unpack(const uint8_t *, int64_t, int64_t, int64_t, uint64_t, int, int, const uint8_t *, uint32_t *)

gw_import_simd()

WIDTHS = GW_PARTITIONED_WIDTHS
SLACK = GW_PARTITIONED_SLACK


def widths(const uint32_t[::1] keys):
    """(uint8 (n,), int64 (33,)): the bit width of each gap, and how many gaps have each width."""
    cdef int64_t n = keys.shape[0]
    each, counts = np.empty(n, np.uint8), np.zeros(GW_PARTITIONED_WIDTHS, np.int64)
    cdef uint8_t[::1] w = each
    cdef int64_t[::1] c = counts
    if n:
        with nogil:
            gw_partitioned_widths(&keys[0], n, &w[0], &c[0])
    return each, counts


def plan(const uint8_t[::1] widths, const int64_t[::1] counts, const uint8_t[::1] rounded, int l, int f):
    """(bits of the optimum, uint16 (n + 1,) for trace). widths and counts: of `widths`, at least one gap."""
    cdef int64_t n = widths.shape[0], bits
    best = np.empty(n + 1, np.uint16)
    cdef uint16_t[::1] g = best
    with nogil:
        bits = gw_partitioned_plan(&widths[0], n, &counts[0], &rounded[0], l, f, &g[0])
    return bits, best


def trace(const uint8_t[::1] widths, const uint8_t[::1] rounded, int l, int f, uint16_t[::1] best):
    """uint16: (length - 1) | width << 8 of each partition; a part of `best`, which is overwritten."""
    cdef int64_t n = widths.shape[0], parts
    with nogil:
        parts = gw_partitioned_trace(&widths[0], n, &rounded[0], l, f, &best[0])
    return np.asarray(best)[n + 1 - parts :]


def pack(const uint32_t[::1] keys, const uint16_t[::1] plan, int l, int f, const uint8_t[::1] field, uint8_t[::1] out):
    """Write the stream to `out`, which has room for it and SLACK bytes; returns its size. field: uint8 (33,), by width."""
    cdef int64_t used
    with nogil:
        used = gw_partitioned_pack(&keys[0], keys.shape[0], &plan[0], plan.shape[0], l, f, &field[0], &out[0])
    return used


def unpack(const uint8_t[::1] stream, int64_t parts, uint64_t dim, int l, int f, const uint8_t[::1] width, uint32_t[::1] out):
    """Fill `out` with the keys, n = len(out) ≥ 1; returns a gw_keys_error. width: uint8 (2^f,), 255 for none."""
    cdef int64_t n = out.shape[0]
    cdef int error
    with nogil:
        error = gw_partitioned_unpack(&stream[0], stream.shape[0], parts, n, dim, l, f, &width[0], &out[0])
    return error
