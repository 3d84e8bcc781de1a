"""Standard and natural dithering of float32 values. See dithering.h for levels, codes and arithmetic."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "dithering.h" nogil:
    int gw_dither_norms(const float *, int64_t, int64_t, int, float *)
    int gw_dither_spreads(const float *, int64_t, int64_t, double *)
    void gw_dither(const float *, int64_t, int64_t, const float *, int, uint64_t, int, uint8_t *)
    int gw_undither(const uint8_t *, int64_t, int64_t, const float *, int, int, float *)
    void gw_natural_dither(const float *, int64_t, int64_t, const float *, int, uint64_t, uint16_t *)
    int gw_natural_undither(const uint16_t *, int64_t, int64_t, const float *, int, float *)

gw_import_simd()

MAX_LEVELS, MAX_NATURAL_LEVELS = 32767, 64


def groups(int64_t n, int64_t group):
    """How many groups n values have."""
    return (n + group - 1) // group


def norms(const float[::1] values, int64_t group, int p, float[::1] out):
    """The p-norm (p = 1, 2, or 0 for the largest magnitude) of each group. False if a value is not finite."""
    cdef int64_t n = values.shape[0]
    cdef int refused = 0
    _expect(n, group, out.shape[0], 1, 1)
    if n:
        with nogil:
            refused = gw_dither_norms(&values[0], n, group, p, &out[0])
    return refused == 0


def spreads(const float[::1] values, int64_t group, double[::1] out):
    """The standard deviation of each group. False if a value is not finite."""
    cdef int64_t n = values.shape[0]
    cdef int refused = 0
    _expect(n, group, out.shape[0], 1, 1)
    if n:
        with nogil:
            refused = gw_dither_spreads(&values[0], n, group, &out[0])
    return refused == 0


def encode(const float[::1] values, int64_t group, const float[::1] norms, int levels, uint64_t seed, uint8_t[::1] out):
    """Codes 0 … 2 · levels, one byte each if `out` has n bytes (levels ≤ 127), two if it has 2n."""
    cdef int64_t n = values.shape[0]
    cdef bint wide = levels > 127 or out.shape[0] != n
    _expect(n, group, norms.shape[0], levels, MAX_LEVELS)
    _expect_bytes(out.shape[0], n, wide)
    if n:
        with nogil:
            gw_dither(&values[0], n, group, &norms[0], levels, seed, wide, &out[0])


def decode(const uint8_t[::1] codes, int64_t group, const float[::1] norms, int levels, float[::1] out):
    """The values of n codes of one or two bytes, as `encode` wrote them. False if a code is above 2 · levels."""
    cdef int64_t n = out.shape[0]
    cdef bint wide = levels > 127 or codes.shape[0] != n
    cdef int refused = 0
    _expect(n, group, norms.shape[0], levels, MAX_LEVELS)
    _expect_bytes(codes.shape[0], n, wide)
    if n:
        with nogil:
            refused = gw_undither(&codes[0], n, group, &norms[0], levels, wide, &out[0])
    return refused == 0


def encode_natural(const float[::1] values, int64_t group, const float[::1] norms, int levels, uint64_t seed, uint16_t[::1] out):
    """Codes 0 … 2 · levels of the natural levels."""
    cdef int64_t n = values.shape[0]
    _expect(n, group, norms.shape[0], levels, MAX_NATURAL_LEVELS)
    _expect_bytes(2 * out.shape[0], n, True)
    if n:
        with nogil:
            gw_natural_dither(&values[0], n, group, &norms[0], levels, seed, &out[0])


def decode_natural(const uint16_t[::1] codes, int64_t group, const float[::1] norms, int levels, float[::1] out):
    """The reverse of encode_natural. False if a code is above 2 · levels."""
    cdef int64_t n = out.shape[0]
    cdef int refused = 0
    _expect(n, group, norms.shape[0], levels, MAX_NATURAL_LEVELS)
    _expect_bytes(2 * codes.shape[0], n, True)
    if n:
        with nogil:
            refused = gw_natural_undither(&codes[0], n, group, &norms[0], levels, &out[0])
    return refused == 0


cdef int _expect(int64_t n, int64_t group, int64_t norms, int levels, int most) except -1:
    if group < 1 or norms != (n + group - 1) // group:
        raise ValueError(f"expected groups of 1 or more and a number for each, got groups of {group} and {norms} numbers for {n} values")
    if not 1 <= levels <= most:
        raise ValueError(f"expected 1 to {most} levels, got {levels}")
    return 0


cdef int _expect_bytes(int64_t got, int64_t n, bint wide) except -1:
    if got != (2 * n if wide else n):
        raise ValueError(f"expected {2 * n if wide else n} bytes of codes, got {got}")
    return 0
