"""bitmap: one bit for each number below dim; bitmap.h is the specification."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "bitmap.h" nogil:
    void gw_bitmap_prepare()
    void gw_bitmap_encode(const uint32_t *, int64_t, uint8_t *)
    int64_t gw_bitmap_count(const uint8_t *, int64_t)
    void gw_bitmap_decode(const uint8_t *, int64_t, int64_t, uint32_t *)

gw_import_simd()
gw_bitmap_prepare()


def encode(const uint32_t[::1] keys, uint8_t[::1] out):
    """Set the bits of at least one key in `out`, zeros, a multiple of 8 bytes."""
    if out.shape[0] % 8 or 8 * out.shape[0] <= keys[keys.shape[0] - 1]:
        raise ValueError(f"expected a multiple of 8 bytes with a bit for {keys[keys.shape[0] - 1]}, got {out.shape[0]}")
    with nogil:
        gw_bitmap_encode(&keys[0], keys.shape[0], &out[0])


def count(const uint8_t[::1] bitmap):
    """How many bits are set; at least one byte."""
    cdef int64_t found
    with nogil:
        found = gw_bitmap_count(&bitmap[0], bitmap.shape[0])
    return found


def decode(const uint8_t[::1] bitmap, uint32_t[::1] out):
    """Fill `out` with the positions of the set bits, of which there are exactly len(out) ≥ 1."""
    with nogil:
        gw_bitmap_decode(&bitmap[0], bitmap.shape[0], out.shape[0], &out[0])
