"""Logarithmic quantisation. See logquant.h for levels, bounds and codes."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "logquant.h" nogil:
    enum: GW_LOG_MAX_CELLS
    enum: GW_LOG_STOCHASTIC
    ctypedef struct gw_log_quantiser:
        int tau
        int width
        int stochastic
        int method
        const float *levels
        uint64_t seed

    int64_t gw_packed_nbytes(int64_t, int)
    void gw_log_tables(const double *, int, int, float, float *, float *)
    void gw_log_plan(gw_log_quantiser *, int32_t *, uint32_t *, float)
    void gw_log_encode(const gw_log_quantiser *, const float *, int64_t, int, uint8_t *)
    uint32_t gw_log_decode(const uint8_t *, int64_t, int, int, const float *, float *)

gw_import_simd()

ROUNDINGS = ("nearest", "down", "up", "stochastic")
METHODS = ("halving", "cells", "octave")
MAX_CELLS = GW_LOG_MAX_CELLS


def tables(const double[::1] halves, int tau, str rounding, float scale, float[::1] levels, float[::1] bounds):
    """levels and bounds, tau ≥ 1 floats each, from halves[i] = base^(−i/2), 2·tau + 1 of them."""
    if tau < 1 or halves.shape[0] != 2 * tau + 1 or levels.shape[0] < tau or bounds.shape[0] < tau:
        raise ValueError(f"expected {2 * tau + 1} powers and room for {tau} levels and bounds")
    gw_log_tables(&halves[0], tau, ROUNDINGS.index(rounding), scale, &levels[0], &bounds[0])


def encode(const float[::1] values, const float[::1] levels, float[::1] bounds, int tau, str rounding, float scale, uint64_t seed,
           uint32_t[::1] cells, uint8_t[::1] out, bint wide=False):
    """Wire words of finite values, packed; with wide=True n uint16. Returns the name of the method that found the codes.

    bounds holds tau and has room for 2^⌈log₂ tau⌉; what follows the first tau − 1 is overwritten. cells is scratch, MAX_CELLS words.
    """
    cdef int64_t n = values.shape[0]
    cdef gw_log_quantiser q
    q.tau, q.width, q.seed, q.stochastic = tau, (tau - 1).bit_length(), seed, ROUNDINGS.index(rounding) == GW_LOG_STOCHASTIC
    if not 2 <= tau <= 32768 or bounds.shape[0] != 1 << q.width or levels.shape[0] < tau or cells.shape[0] != GW_LOG_MAX_CELLS:
        raise ValueError(f"expected 2 to 32768 levels and full tables, got tau {tau} and {bounds.shape[0]} bounds")
    _expect(out.shape[0], gw_packed_nbytes(n, 16 if wide else q.width + 1))
    q.levels = &levels[0]
    with nogil:
        gw_log_plan(&q, <int32_t *>&bounds[0], &cells[0], scale)
        gw_log_encode(&q, &values[0], n, wide, &out[0])
    return METHODS[q.method]


def decode(const uint8_t[::1] payload, const float[::1] table, float[::1] out, bint wide=False):
    """out = table[wire words], a table of 2^bits floats whose upper half is the negated lower half. Returns the largest code.

    With wide=True the words are uint16, below 2^bits.
    """
    cdef int64_t n = out.shape[0]
    cdef int width = (<int64_t>table.shape[0]).bit_length() - 2
    cdef uint32_t largest
    if table.shape[0] != 2 << width or not 1 <= width <= 15:
        raise ValueError(f"expected a table of 4 … 65536 entries, a power of two, got {table.shape[0]}")
    _expect(payload.shape[0], gw_packed_nbytes(n, 16 if wide else width + 1))
    with nogil:
        largest = gw_log_decode(&payload[0], n, width, wide, &table[0], &out[0])
    return largest


cdef int _expect(int64_t got, int64_t wanted) except -1:
    if got != wanted:
        raise ValueError(f"expected {wanted} bytes of codes, got {got}")
    return 0
