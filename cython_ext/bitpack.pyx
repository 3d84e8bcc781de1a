"""Codes of 1 … 16 bits ↔ packed bytes. See bitpack.h for the layout."""

from libc.stdint cimport int64_t, uint8_t, uint16_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "bitpack.h" nogil:
    int64_t gw_packed_nbytes(int64_t, int)
    void gw_pack(const uint16_t *, int64_t, int, uint8_t *, int64_t)
    void gw_unpack(const uint8_t *, int64_t, int, uint16_t *, int64_t)

gw_import_simd()


def packed_nbytes(int64_t n, int bits):
    """Size in bytes of n packed codes: ⌈n · bits / 8⌉."""
    return gw_packed_nbytes(n, bits)


def pack(const uint16_t[::1] codes, int bits, uint8_t[::1] out):
    """Pack codes, each below 2**bits, into the first bytes of `out`; returns how many bytes that is."""
    cdef int64_t n = codes.shape[0], nbytes = gw_packed_nbytes(n, bits)
    if not 1 <= bits <= 16:
        raise ValueError(f"expected 1 to 16 bits, got {bits}")
    if out.shape[0] < nbytes:
        raise ValueError(f"expected room for {nbytes} bytes, got {out.shape[0]}")
    if n:
        with nogil:
            gw_pack(&codes[0], n, bits, &out[0], nbytes)
    return nbytes


def unpack(const uint8_t[::1] payload, int64_t n, int bits, uint16_t[::1] out):
    """Unpack n codes from the first packed_nbytes(n, bits) bytes of `payload` into the first n of `out`."""
    if not 1 <= bits <= 16 or n < 0:
        raise ValueError(f"expected 1 to 16 bits and n ≥ 0, got {bits} and {n}")
    if payload.shape[0] < gw_packed_nbytes(n, bits) or out.shape[0] < n:
        raise ValueError(f"expected {gw_packed_nbytes(n, bits)} bytes and room for {n} codes, got {payload.shape[0]} and {out.shape[0]}")
    if n:
        with nogil:
            gw_unpack(&payload[0], n, bits, &out[0], payload.shape[0])
