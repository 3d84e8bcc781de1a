"""Uniform fixed point between the smallest and the largest value. See uniform.h for the arithmetic."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "uniform.h" nogil:
    int gw_range(const float *, int64_t, float *, float *)
    void gw_uniform_encode8(const float *, int64_t, float, float, int, uint64_t, int, uint8_t *)
    void gw_uniform_encode16(const float *, int64_t, float, float, int, uint64_t, int, uint8_t *)
    void gw_uniform_decode8(const uint8_t *, int64_t, float, float, int, float *)
    void gw_uniform_decode16(const uint8_t *, int64_t, float, float, int, float *)


def value_range(const float[::1] values):
    """(smallest, largest) of the values, (0, 0) of none; None if one is not finite."""
    cdef int64_t n = values.shape[0]
    cdef float low = 0, high = 0
    cdef int refused = 0
    if n:
        with nogil:
            refused = gw_range(&values[0], n, &low, &high)
    return None if refused else (low, high)


def encode(const float[::1] values, float low, float high, int levels, uint64_t seed, bint stochastic, uint8_t[::1] out):
    """Codes 0 … levels of values in [low, high]: one byte each if `out` has n bytes (levels ≤ 255), two if it has 2n."""
    cdef int64_t n = values.shape[0]
    cdef bint wide = levels > 255 or out.shape[0] != n
    _expect(out.shape[0], n, wide, levels)
    if n:
        with nogil:
            if wide:
                gw_uniform_encode16(&values[0], n, low, high, levels, seed, stochastic, &out[0])
            else:
                gw_uniform_encode8(&values[0], n, low, high, levels, seed, stochastic, &out[0])


def decode(const uint8_t[::1] codes, float low, float high, int levels, float[::1] out):
    """The values of n codes ≤ levels: one byte each if `codes` has n bytes, two if it has 2n."""
    cdef int64_t n = out.shape[0]
    cdef bint wide = levels > 255 or codes.shape[0] != n
    _expect(codes.shape[0], n, wide, levels)
    if n:
        with nogil:
            if wide:
                gw_uniform_decode16(&codes[0], n, low, high, levels, &out[0])
            else:
                gw_uniform_decode8(&codes[0], n, low, high, levels, &out[0])


cdef int _expect(int64_t got, int64_t n, bint wide, int levels) except -1:
    if got != (2 * n if wide else n):
        raise ValueError(f"expected {2 * n if wide else n} bytes of codes, got {got}")
    if not 1 <= levels <= 65535:
        raise ValueError(f"expected 1 to 65535 levels, got {levels}")
    return 0
