"""elias_fano: keys as one Elias–Fano sequence; elias_fano.h is the specification."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "elias_fano.h" nogil:
    enum:
        GW_ELIAS_FANO_SLACK
    void gw_unary_init()
    int gw_elias_fano_split(int64_t, uint32_t)
    int64_t gw_elias_fano_nbytes(int64_t, uint32_t, int)
    int64_t gw_elias_fano_encode(const uint32_t *, int64_t, int, uint8_t *)
    int gw_elias_fano_decode(const uint8_t *, int64_t, int64_t, uint64_t, uint32_t *)

gw_import_simd()
gw_unary_init()

SLACK = GW_ELIAS_FANO_SLACK


def plan(int64_t n, uint32_t last):
    """(size in bytes of the payload, l) for n ≥ 1 keys up to `last`."""
    cdef int l = gw_elias_fano_split(n, last)
    return gw_elias_fano_nbytes(n, last, l), l


def encode(const uint32_t[::1] keys, int l, uint8_t[::1] out):
    """Write the encoding of at least one key to `out`, which has room for it and SLACK bytes; returns its size."""
    cdef int64_t used
    with nogil:
        used = gw_elias_fano_encode(&keys[0], keys.shape[0], l, &out[0])
    return used


def decode(const uint8_t[::1] payload, uint64_t dim, uint32_t[::1] out):
    """Fill `out` with the keys, n = len(out) ≥ 1, from at least one byte; returns a gw_keys_error."""
    cdef int error
    with nogil:
        error = gw_elias_fano_decode(&payload[0], payload.shape[0], out.shape[0], dim, &out[0])
    return error
