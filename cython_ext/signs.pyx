"""Sign bits and two numbers per group. See signs.h."""

from libc.stdint cimport int64_t, uint8_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "signs.h" nogil:
    int gw_signs_means(const float *, int64_t, int64_t, float *)
    int gw_signs_scales(const float *, int64_t, int64_t, float *)
    void gw_signs_pack(const float *, int64_t, uint8_t *)
    void gw_signs_unpack(const uint8_t *, int64_t, int64_t, const float *, float *)

gw_import_simd()


def means(const float[::1] values, int64_t group, float[:, ::1] out):
    """The means of the values without and with sign bit, for each group, to `out` of shape (groups, 2). False if one is not finite."""
    cdef int64_t n = values.shape[0]
    cdef int refused = 0
    _expect(n, group, out.shape[0], out.shape[1])
    if n:
        with nogil:
            refused = gw_signs_means(&values[0], n, group, &out[0, 0])
    return refused == 0


def scales(const float[::1] values, int64_t group, float[:, ::1] out):
    """The mean magnitude and its negative, for each group, to `out` of shape (groups, 2). False if a value is not finite."""
    cdef int64_t n = values.shape[0]
    cdef int refused = 0
    _expect(n, group, out.shape[0], out.shape[1])
    if n:
        with nogil:
            refused = gw_signs_scales(&values[0], n, group, &out[0, 0])
    return refused == 0


def pack(const float[::1] values, uint8_t[::1] out):
    """The sign bits of n values, to ⌈n / 8⌉ bytes."""
    cdef int64_t n = values.shape[0]
    if out.shape[0] != (n + 7) // 8:
        raise ValueError(f"expected {(n + 7) // 8} bytes, got {out.shape[0]}")
    if n:
        with nogil:
            gw_signs_pack(&values[0], n, &out[0])


def unpack(const uint8_t[::1] bitmap, int64_t group, const float[:, ::1] pairs, float[::1] out):
    """n values: the first number of the group's pair where the bit is 0, the second where it is 1."""
    cdef int64_t n = out.shape[0]
    _expect(n, group, pairs.shape[0], pairs.shape[1])
    if bitmap.shape[0] != (n + 7) // 8:
        raise ValueError(f"expected {(n + 7) // 8} bytes, got {bitmap.shape[0]}")
    if n:
        with nogil:
            gw_signs_unpack(&bitmap[0], n, group, &pairs[0, 0], &out[0])


cdef int _expect(int64_t n, int64_t group, int64_t pairs, int64_t two) except -1:
    if group < 1 or pairs != (n + group - 1) // group or two != 2:
        raise ValueError(f"expected groups of 1 or more and two numbers for each, got groups of {group} and ({pairs}, {two}) for {n} values")
    return 0
