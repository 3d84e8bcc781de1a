"""Natural compression of float32 values. See natural.h for the streams and the rounding."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "natural.h" nogil:
    uint32_t gw_natural_encode9(const float *, int64_t, uint64_t, int, uint8_t *, uint8_t *)
    uint32_t gw_natural_encode8(const float *, int64_t, uint64_t, int, uint8_t *)
    uint32_t gw_natural_decode9(const uint8_t *, const uint8_t *, int64_t, float *)
    void gw_natural_decode8(const uint8_t *, int64_t, float *)

gw_import_simd()


def encode9(const float[::1] values, uint64_t seed, bint stochastic, uint8_t[::1] out):
    """Exponent fields, then the sign bitmap, to `out` of n + ⌈n/8⌉ bytes. False if a value is not finite."""
    cdef int64_t n = values.shape[0]
    cdef uint32_t refused = 0
    _expect(out.shape[0], n + (n + 7) // 8)
    if n:
        with nogil:
            refused = gw_natural_encode9(&values[0], n, seed, stochastic, &out[0], &out[n])
    return refused == 0


def encode8(const float[::1] values, uint64_t seed, bint stochastic, uint8_t[::1] out):
    """Sign and 7-bit exponent code to `out` of n bytes. False if a value is not finite."""
    cdef int64_t n = values.shape[0]
    cdef uint32_t refused = 0
    _expect(out.shape[0], n)
    if n:
        with nogil:
            refused = gw_natural_encode8(&values[0], n, seed, stochastic, &out[0])
    return refused == 0


def decode9(const uint8_t[::1] payload, float[::1] out):
    """The reverse of encode9. False if an exponent field is 255: the values are not finite then."""
    cdef int64_t n = out.shape[0]
    cdef uint32_t refused = 0
    _expect(payload.shape[0], n + (n + 7) // 8)
    if n:
        with nogil:
            refused = gw_natural_decode9(&payload[0], &payload[n], n, &out[0])
    return refused == 0


def decode8(const uint8_t[::1] payload, float[::1] out):
    """The reverse of encode8; every byte is valid."""
    cdef int64_t n = out.shape[0]
    _expect(payload.shape[0], n)
    if n:
        with nogil:
            gw_natural_decode8(&payload[0], n, &out[0])


cdef int _expect(int64_t got, int64_t wanted) except -1:
    if got != wanted:
        raise ValueError(f"expected a buffer of {wanted} bytes, got {got}")
    return 0
