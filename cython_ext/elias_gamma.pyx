"""Elias gamma codes of small numbers. See elias_gamma.h for the two streams."""

from libc.stdint cimport int64_t, uint8_t, uint16_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "elias_gamma.h" nogil:
    int64_t gw_gamma_nbytes(int64_t, int64_t)
    int64_t gw_gamma_bits(const uint16_t *, int64_t)
    void gw_gamma_encode(const uint16_t *, int64_t, int64_t, uint8_t *)
    int64_t gw_gamma_end(const uint8_t *, int64_t, int64_t)
    int64_t gw_gamma_decode(const uint8_t *, int64_t, int64_t, int64_t, uint16_t *)

gw_import_simd()

SLACK = 8
"""How many bytes `encode` wants behind the payload."""


def nbytes(const uint16_t[::1] codes):
    """Size of the payload of codes up to 65534."""
    cdef int64_t n = codes.shape[0]
    return gw_gamma_nbytes(n, gw_gamma_bits(&codes[0], n)) if n else 0


def encode(const uint16_t[::1] codes, uint8_t[::1] out):
    """The payload of codes up to 65534, to the first bytes of `out`, which has SLACK more; returns how many bytes it takes."""
    cdef int64_t n = codes.shape[0], sum, size
    if n == 0:
        return 0
    with nogil:
        sum = gw_gamma_bits(&codes[0], n)
    size = gw_gamma_nbytes(n, sum)
    if out.shape[0] < size + 8:
        raise ValueError(f"expected room for {size + 8} bytes, got {out.shape[0]}")
    with nogil:
        gw_gamma_encode(&codes[0], n, sum, &out[0])
    return size


def decode(const uint8_t[::1] payload, uint16_t[::1] out):
    """The codes of a payload that holds len(out) of them; returns the largest (−1 of none), or None if it is no such payload."""
    cdef int64_t n = out.shape[0], nbytes = payload.shape[0], unary, largest = -1
    if n == 0 or nbytes == 0:
        return -1 if n == nbytes else None
    with nogil:
        unary = gw_gamma_end(&payload[0], nbytes, n)
        if unary >= 0:
            largest = gw_gamma_decode(&payload[0], nbytes, unary, n, &out[0])
    return None if largest < 0 else largest
