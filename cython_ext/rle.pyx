"""rle: run lengths of the bitmap of the keys in the Elias delta code; rle.h is the specification."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "rle.h" nogil:
    enum:
        GW_RLE_LONGEST
        GW_RLE_SLACK
    int64_t gw_rle_bits(const uint32_t *, int64_t, int64_t)
    int64_t gw_rle_encode(const uint32_t *, int64_t, uint8_t *)
    int gw_rle_check(const uint8_t *, int64_t, int64_t, uint64_t)
    void gw_rle_decode(const uint8_t *, int64_t, int64_t, uint32_t *)

LONGEST = GW_RLE_LONGEST
SLACK = GW_RLE_SLACK


def bits(const uint32_t[::1] keys, int64_t limit):
    """Size of the stream of at least one key in bits, or an incomplete sum that is not below limit."""
    cdef int64_t found
    with nogil:
        found = gw_rle_bits(&keys[0], keys.shape[0], limit)
    return found


def encode(const uint32_t[::1] keys, uint8_t[::1] out):
    """Write the stream of at least one key to `out`, which has room for it and SLACK bytes; returns its size."""
    cdef int64_t used
    with nogil:
        used = gw_rle_encode(&keys[0], keys.shape[0], &out[0])
    return used


def check(const uint8_t[::1] payload, int64_t n, uint64_t dim):
    """A gw_keys_error; at least one byte and one key."""
    cdef int error
    with nogil:
        error = gw_rle_check(&payload[0], payload.shape[0], n, dim)
    return error


def decode(const uint8_t[::1] payload, uint32_t[::1] out):
    """Fill `out` with the keys of a payload that `check` found good for len(out) of them."""
    with nogil:
        gw_rle_decode(&payload[0], payload.shape[0], out.shape[0], &out[0])
