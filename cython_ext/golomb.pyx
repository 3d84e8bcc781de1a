"""golomb: gaps of keys in one Golomb code; golomb.h and golomb_divisor.h are the specification."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "golomb.h" nogil:
    enum:
        GW_GOLOMB_HEADER
        GW_GOLOMB_SLACK
    ctypedef struct gw_golomb_code:
        uint32_t m
    void gw_unary_init()
    gw_golomb_code gw_golomb_plan(const uint32_t *, int64_t)
    int64_t gw_golomb_nbytes(const gw_golomb_code *, int64_t)
    int64_t gw_golomb_encode(const uint32_t *, int64_t, const gw_golomb_code *, uint8_t *)
    int gw_golomb_decode(const uint8_t *, int64_t, int64_t, uint64_t, uint32_t *)

gw_import_simd()
gw_unary_init()

HEADER = GW_GOLOMB_HEADER
SLACK = GW_GOLOMB_SLACK


cdef class Plan:
    """The best divisor for at least one key. nbytes: the exact size of their encoding. divisor: m."""

    cdef const uint32_t[::1] keys
    cdef gw_golomb_code code

    def __init__(self, const uint32_t[::1] keys):
        self.keys = keys
        with nogil:
            self.code = gw_golomb_plan(&keys[0], keys.shape[0])

    @property
    def divisor(self):
        return self.code.m

    @property
    def nbytes(self):
        return gw_golomb_nbytes(&self.code, self.keys.shape[0])

    def encode(self, uint8_t[::1] out):
        """Write the encoding to `out`, which has room for nbytes and SLACK bytes; returns its size."""
        cdef int64_t used
        with nogil:
            used = gw_golomb_encode(&self.keys[0], self.keys.shape[0], &self.code, &out[0])
        return used


def decode(const uint8_t[::1] payload, uint64_t dim, uint32_t[::1] out):
    """Fill `out` with the keys, n = len(out) ≥ 1, from at least HEADER bytes; returns a gw_keys_error."""
    cdef int error
    with nogil:
        error = gw_golomb_decode(&payload[0], payload.shape[0], out.shape[0], dim, &out[0])
    return error
