"""Gaps of keys as widths and the bits below their leading ones. See huffman_keys.h."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "huffman_keys.h" nogil:
    int64_t gw_gap_widths(const uint32_t *, int64_t, uint16_t *)
    void gw_gap_pack(const uint32_t *, int64_t, uint8_t *)
    int gw_gap_unpack(const uint16_t *, int64_t, const uint8_t *, int64_t, uint64_t, uint32_t *)

gw_import_simd()

WIDTHS, SLACK = 33, 8


def widths(const uint32_t[::1] keys, uint16_t[::1] out):
    """The width of each gap; returns the bits of the rests."""
    cdef int64_t n = keys.shape[0], rest = 0
    if out.shape[0] != n:
        raise ValueError(f"expected room for {n} widths, got {out.shape[0]}")
    if n:
        with nogil:
            rest = gw_gap_widths(&keys[0], n, &out[0])
    return rest


def pack(const uint32_t[::1] keys, int64_t bits, uint8_t[::1] out):
    """The rests, `bits` as `widths` returned it, to the first bytes of `out`, which has SLACK more."""
    cdef int64_t n = keys.shape[0]
    if out.shape[0] < (bits + 7) // 8 + 8:
        raise ValueError(f"expected room for {(bits + 7) // 8 + 8} bytes, got {out.shape[0]}")
    if n:
        with nogil:
            gw_gap_pack(&keys[0], n, &out[0])


def unpack(const uint16_t[::1] widths, const uint8_t[::1] payload, uint64_t dim, uint32_t[::1] out):
    """The keys of gaps of these widths (each ≤ 32). Returns an `enum gw_keys_error`."""
    cdef int64_t n = widths.shape[0]
    cdef int error = 0
    if out.shape[0] != n or n == 0:
        raise ValueError(f"expected room for {n} keys, at least 1, got {out.shape[0]}")
    with nogil:
        error = gw_gap_unpack(&widths[0], n, &payload[0] if payload.shape[0] else NULL, payload.shape[0], dim, &out[0])
    return error
