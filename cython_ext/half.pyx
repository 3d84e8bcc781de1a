"""float32 values ↔ 16-bit floats. See half.h for the rounding."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "half.h" nogil:
    int64_t gw_fp16_encode(const float *, int64_t, uint8_t *)
    uint32_t gw_fp16_decode(const uint8_t *, int64_t, float *)
    int64_t gw_bf16_encode(const float *, int64_t, uint8_t *)
    uint32_t gw_bf16_decode(const uint8_t *, int64_t, float *)

gw_import_simd()


def encode_fp16(const float[::1] values, uint8_t[::1] out):
    """fp16 codes to `out` of 2n bytes; returns how many values were beyond the largest finite one (NaN and infinities too)."""
    cdef int64_t n = values.shape[0], overflow = 0
    _expect(out.shape[0], 2 * n)
    if n:
        with nogil:
            overflow = gw_fp16_encode(&values[0], n, &out[0])
    return overflow


def decode_fp16(const uint8_t[::1] payload, float[::1] out):
    """The reverse. False if a code is infinite or NaN."""
    cdef int64_t n = out.shape[0]
    cdef uint32_t refused = 0
    _expect(payload.shape[0], 2 * n)
    if n:
        with nogil:
            refused = gw_fp16_decode(&payload[0], n, &out[0])
    return refused == 0


def encode_bf16(const float[::1] values, uint8_t[::1] out):
    """bf16 codes to `out` of 2n bytes; returns how many values were beyond the largest finite one (NaN and infinities too)."""
    cdef int64_t n = values.shape[0], overflow = 0
    _expect(out.shape[0], 2 * n)
    if n:
        with nogil:
            overflow = gw_bf16_encode(&values[0], n, &out[0])
    return overflow


def decode_bf16(const uint8_t[::1] payload, float[::1] out):
    """The reverse. False if a code is infinite or NaN."""
    cdef int64_t n = out.shape[0]
    cdef uint32_t refused = 0
    _expect(payload.shape[0], 2 * n)
    if n:
        with nogil:
            refused = gw_bf16_decode(&payload[0], n, &out[0])
    return refused == 0


cdef int _expect(int64_t got, int64_t wanted) except -1:
    if got != wanted:
        raise ValueError(f"expected a buffer of {wanted} bytes, got {got}")
    return 0
