"""Uniform fixed point between the smallest and the largest value. See uniform.h for the arithmetic."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "uniform.h" nogil:
    ctypedef struct gw_uniform:
        pass

    int64_t gw_packed_nbytes(int64_t, int)
    gw_uniform gw_uniform_of(float, float, int, int, uint64_t)
    void gw_uniform_encode(const gw_uniform *, const float *, int64_t, int, uint8_t *)
    void gw_uniform_decode(const gw_uniform *, const uint8_t *, int64_t, int, float *)

gw_import_simd()


def encode(const float[::1] values, float low, float high, int bits, uint64_t seed, bint stochastic, uint8_t[::1] out, bint wide=False):
    """Codes of `bits` bits of values in [low, high], packed; with wide=True as n uint16."""
    cdef int64_t n = values.shape[0]
    _expect(out.shape[0], n, bits, wide)
    cdef gw_uniform q = gw_uniform_of(low, high, bits, stochastic, seed)
    with nogil:
        gw_uniform_encode(&q, &values[0], n, wide, &out[0])


def decode(const uint8_t[::1] codes, float low, float high, int bits, float[::1] out, bint wide=False):
    """The values of n codes, packed; with wide=True uint16, each below 2**bits."""
    cdef int64_t n = out.shape[0]
    _expect(codes.shape[0], n, bits, wide)
    cdef gw_uniform q = gw_uniform_of(low, high, bits, 0, 0)
    with nogil:
        gw_uniform_decode(&q, &codes[0], n, wide, &out[0])


cdef int _expect(int64_t got, int64_t n, int bits, bint wide) except -1:
    if not 1 <= bits <= 16:
        raise ValueError(f"expected 1 to 16 bits, got {bits}")
    cdef int64_t wanted = gw_packed_nbytes(n, 16 if wide else bits)
    if got != wanted:
        raise ValueError(f"expected {wanted} bytes of codes, got {got}")
    return 0
