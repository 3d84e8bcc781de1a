"""bitflag: gaps of keys in one of 2^f bit widths; bitflag.h and bitflag_widths.h are the specification.

A set of widths is an integer with bit b for width b.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "bitflag_widths.h" nogil:
    enum:
        GW_BITFLAG_WIDTHS
        GW_BITFLAG_MAX_F
    int64_t gw_bitflag_bits(const int64_t *, int, uint64_t)
    uint64_t gw_bitflag_multiples(const int64_t *, int)
    void gw_bitflag_optimal(const int64_t *, uint64_t *)

cdef extern from "bitflag.h" nogil:
    enum:
        GW_BITFLAG_HEADER
        GW_BITFLAG_SLACK
    int gw_bitflag_histogram(const uint32_t *, int64_t, uint64_t, int64_t *)
    int64_t gw_bitflag_encode(const uint32_t *, int64_t, int, uint64_t, uint8_t *)
    int gw_bitflag_decode(const uint8_t *, int64_t, int64_t, uint64_t, int, uint64_t, uint32_t *)

HEADER = GW_BITFLAG_HEADER
SLACK = GW_BITFLAG_SLACK
WIDTHS = GW_BITFLAG_WIDTHS
MAX_FLAG_BITS = GW_BITFLAG_MAX_F
gw_import_simd()


def histogram(const uint32_t[::1] keys, uint64_t dim, int64_t[::1] counts):
    """counts, int64 (33,): how many gaps of at least one key have each bit width. False unless the keys increase and are below dim."""
    cdef int good
    with nogil:
        good = gw_bitflag_histogram(&keys[0], keys.shape[0], dim, &counts[0])
    return good != 0


def choose(const int64_t[::1] counts, bint optimal, int first_f, int last_f):
    """(bits, f, set) of the fewest bits for flags and payload, f = first_f … last_f, the smaller f at a tie. counts: int64 (33,)."""
    cdef uint64_t sets[GW_BITFLAG_MAX_F + 1]
    cdef int64_t bits
    cdef int f
    best = None
    if optimal:
        gw_bitflag_optimal(&counts[0], sets)
    for f in range(first_f, last_f + 1):
        if not optimal:
            sets[f] = gw_bitflag_multiples(&counts[0], f)
        bits = gw_bitflag_bits(&counts[0], f, sets[f])
        if best is None or bits < best[0]:
            best = bits, f, sets[f]
    return best


def encode(const uint32_t[::1] keys, int f, uint64_t widths, uint8_t[::1] out):
    """Write the encoding of keys that `histogram` has taken to `out`, which has room for it and SLACK bytes; returns its size."""
    cdef int64_t used
    with nogil:
        used = gw_bitflag_encode(&keys[0], keys.shape[0], f, widths, &out[0])
    return used


def decode(const uint8_t[::1] payload, uint64_t dim, int f, uint64_t widths, uint32_t[::1] out):
    """Fill `out` with the keys, n = len(out) ≥ 1; returns a gw_keys_error. `payload` lacks the header."""
    cdef int64_t n = out.shape[0]
    cdef int error
    with nogil:
        error = gw_bitflag_decode(&payload[0], payload.shape[0], n, dim, f, widths, &out[0])
    return error
