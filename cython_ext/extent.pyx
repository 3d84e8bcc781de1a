"""How far values reach and whether they are finite. See extent.h."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "extent.h" nogil:
    uint32_t gw_bits_of(float)
    float gw_float_of(uint32_t)
    uint32_t gw_peak(const float *, int64_t)
    int gw_range(const float *, int64_t, float *, float *)
    int64_t gw_count_from(const float *, int64_t, uint32_t)
    int gw_copy_finite(const float *, int64_t, float *)
    void gw_mask_from(const float *, int64_t, uint32_t, uint8_t *)

gw_import_simd()


def peak(const float[::1] values):
    """The largest magnitude, 0 of none; None if a value is not finite."""
    cdef int64_t n = values.shape[0]
    cdef uint32_t bits
    with nogil:
        bits = gw_peak(&values[0], n)
    return None if bits >= 0x7F800000 else gw_float_of(bits)


def value_range(const float[::1] values):
    """(smallest, largest) of the values, (0, 0) of none; None if one is not finite."""
    cdef int64_t n = values.shape[0]
    cdef float low, high
    cdef int refused
    with nogil:
        refused = gw_range(&values[0], n, &low, &high)
    return None if refused else (low, high)


def count_from(const float[::1] values, float magnitude):
    """How many values have a magnitude ≥ `magnitude` > 0; NaN counts."""
    cdef int64_t n = values.shape[0], count
    with nogil:
        count = gw_count_from(&values[0], n, gw_bits_of(magnitude))
    return count


def mask_from(const float[::1] values, float magnitude, uint8_t[::1] out):
    """out[i] = 1 if |values[i]| ≥ magnitude > 0, else 0."""
    cdef int64_t n = values.shape[0]
    if out.shape[0] != n:
        raise ValueError(f"expected a mask of {n} bytes, got {out.shape[0]}")
    with nogil:
        gw_mask_from(&values[0], n, gw_bits_of(magnitude), &out[0])


def copy_finite(const float[::1] values, float[::1] out):
    """out = values; False if one is not finite."""
    cdef int64_t n = values.shape[0]
    cdef int refused
    if out.shape[0] != n:
        raise ValueError(f"expected room for {n} values, got {out.shape[0]}")
    with nogil:
        refused = gw_copy_finite(&values[0], n, &out[0])
    return refused == 0
