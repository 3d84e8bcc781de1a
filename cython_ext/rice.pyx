"""rice: gaps of keys in Rice codes with a parameter for each block; rice.h is the specification."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "rice.h" nogil:
    enum:
        GW_UNARY_BLOCK
        GW_RICE_SLACK
    ctypedef struct gw_rice_sizes:
        pass
    void gw_unary_init()
    int64_t gw_rice_nbytes(const gw_rice_sizes *)
    void gw_rice_plan(const uint32_t *, int64_t, int, uint8_t *, gw_rice_sizes *)
    int64_t gw_rice_encode(const uint32_t *, int64_t, int, const uint8_t *, const gw_rice_sizes *, uint8_t *)
    int gw_rice_measure(const uint8_t *, int64_t, int64_t, int, gw_rice_sizes *)
    int gw_rice_decode(const uint8_t *, int64_t, int64_t, int, uint64_t, const gw_rice_sizes *, uint32_t *)

gw_import_simd()
gw_unary_init()

MAX_BLOCK = GW_UNARY_BLOCK
SLACK = GW_RICE_SLACK


cdef class Plan:
    """The parameters of at least one key in blocks of `block`. nbytes: the exact size of their encoding."""

    cdef const uint32_t[::1] keys
    cdef uint8_t[::1] parameters
    cdef gw_rice_sizes sizes
    cdef int block

    def __init__(self, const uint32_t[::1] keys, int block, uint8_t[::1] parameters):
        """parameters: room for ⌈n/block⌉ bytes, n ≥ 1."""
        self.keys, self.block, self.parameters = keys, block, parameters
        with nogil:
            gw_rice_plan(&keys[0], keys.shape[0], block, &parameters[0], &self.sizes)

    @property
    def nbytes(self):
        return gw_rice_nbytes(&self.sizes)

    def encode(self, uint8_t[::1] out):
        """Write the encoding to `out`, which has room for nbytes and SLACK bytes; returns its size."""
        cdef int64_t used
        with nogil:
            used = gw_rice_encode(&self.keys[0], self.keys.shape[0], self.block, &self.parameters[0], &self.sizes, &out[0])
        return used


cdef class Reader:
    """A payload of n ≥ 1 keys. error: a gw_keys_error; unless it is 0, nothing can be decoded."""

    cdef const uint8_t[::1] payload
    cdef gw_rice_sizes sizes
    cdef int64_t n
    cdef int block
    cdef readonly int error

    def __init__(self, const uint8_t[::1] payload, int64_t n, int block):
        """`payload` has at least a byte."""
        self.payload, self.n, self.block = payload, n, block
        with nogil:
            self.error = gw_rice_measure(&payload[0], payload.shape[0], n, block, &self.sizes)

    def decode(self, uint64_t dim, uint32_t[::1] out):
        """Fill `out` with the n keys; returns a gw_keys_error."""
        cdef int error
        with nogil:
            error = gw_rice_decode(&self.payload[0], self.payload.shape[0], self.n, self.block, dim, &self.sizes, &out[0])
        return error
