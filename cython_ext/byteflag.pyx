"""byteflag: gaps of keys in 1 to 4 whole bytes. byteflag.h is the specification."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "byteflag.h" nogil:
    enum:
        GW_BYTEFLAG_SLACK
    void gw_byteflag_import()
    int64_t gw_byteflag_measure(const uint32_t *, int64_t, uint64_t, int)
    int64_t gw_byteflag_encode(const uint32_t *, int64_t, int, uint8_t *)
    int gw_byteflag_decode(const uint8_t *, int64_t, int64_t, uint64_t, int, uint32_t *)

SLACK = GW_BYTEFLAG_SLACK
gw_import_simd()
gw_byteflag_import()


def measure(const uint32_t[::1] keys, uint64_t dim, bint three):
    """Size in bytes of the encoding, or -1 unless the keys increase strictly and are below dim."""
    cdef int64_t n = keys.shape[0], size = 0
    if n:
        with nogil:
            size = gw_byteflag_measure(&keys[0], n, dim, three)
    return size


def encode(const uint32_t[::1] keys, bint three, uint8_t[::1] out):
    """Write the encoding of keys that `measure` has taken to `out`, which has room for it and SLACK bytes; returns its size."""
    cdef int64_t n = keys.shape[0], used = 0
    if n:
        with nogil:
            used = gw_byteflag_encode(&keys[0], n, three, &out[0])
    return used


def decode(const uint8_t[::1] payload, uint64_t dim, bint three, uint32_t[::1] out):
    """Fill `out` with the keys, n = len(out) ≥ 1; returns a gw_keys_error. `payload` has at least ⌈n/4⌉ + n bytes."""
    cdef int64_t n = out.shape[0]
    cdef int error
    with nogil:
        error = gw_byteflag_decode(&payload[0], payload.shape[0], n, dim, three, &out[0])
    return error
