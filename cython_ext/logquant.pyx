"""Logarithmic quantisation. See logquant.h for what a code is; logquant.py makes the tables."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "logquant.h" nogil:
    ctypedef struct gw_log_quantiser:
        const int32_t *bounds
        int width
        int period
        int tau
        const double *levels
        const double *gains
        uint64_t seed

    uint32_t gw_log_peak(const float *, int64_t)
    void gw_log_encode(const gw_log_quantiser *, const float *, int64_t, int, uint8_t *)
    void gw_log_decode8(const uint8_t *, int64_t, const float *, float *)
    void gw_log_decode16(const uint16_t *, int64_t, const float *, float *)


def peak(const float[::1] values):
    """Bits of the largest magnitude as an integer; 0x7F800000 or more if a value is not finite."""
    cdef int64_t n = values.shape[0]
    cdef uint32_t bits = 0
    if n:
        with nogil:
            bits = gw_log_peak(&values[0], n)
    return bits


def encode(const float[::1] values, const int32_t[::1] bounds, int tau, int period, const double[::1] levels, const double[::1] gains,
           uint64_t seed, uint8_t[::1] out):
    """Codes to `out` of n bytes (tau = 65 … 128) or of n uint16. `levels` and `gains` (tau,) round at random, None does not."""
    cdef int64_t n = values.shape[0]
    cdef gw_log_quantiser q
    q.tau, q.period, q.seed, q.width = tau, period, seed, (tau - 1).bit_length()
    cdef bint wide = q.width != 7 or out.shape[0] != n
    if not 2 <= tau <= 32768 or bounds.shape[0] != (1 << q.width) - 1:
        raise ValueError(f"expected 2 to 32768 levels and a full table of bounds, got tau {tau} and {bounds.shape[0]} bounds")
    if out.shape[0] != (2 * n if wide else n):
        raise ValueError(f"expected {2 * n if wide else n} bytes for the codes, got {out.shape[0]}")
    if gains is not None and (levels is None or levels.shape[0] != tau or gains.shape[0] != tau):
        raise ValueError(f"expected {tau} levels and gains")
    q.bounds = &bounds[0]
    q.levels = &levels[0] if gains is not None else NULL
    q.gains = &gains[0] if gains is not None else NULL
    if n:
        with nogil:
            gw_log_encode(&q, &values[0], n, wide, &out[0])


def decode8(const uint8_t[::1] codes, const float[::1] table, float[::1] out):
    """out = table[codes], table of 256 entries."""
    cdef int64_t n = out.shape[0]
    if codes.shape[0] != n or table.shape[0] != 256:
        raise ValueError(f"expected {n} codes and 256 entries, got {codes.shape[0]} and {table.shape[0]}")
    if n:
        with nogil:
            gw_log_decode8(&codes[0], n, &table[0], &out[0])


def decode16(const uint16_t[::1] codes, int bits, const float[::1] table, float[::1] out):
    """out = table[codes]; the codes are below 2**bits, and the table has that many entries."""
    cdef int64_t n = out.shape[0]
    if codes.shape[0] != n or table.shape[0] != 1 << bits:
        raise ValueError(f"expected {n} codes and {1 << bits} entries, got {codes.shape[0]} and {table.shape[0]}")
    if n:
        with nogil:
            gw_log_decode16(&codes[0], n, &table[0], &out[0])
