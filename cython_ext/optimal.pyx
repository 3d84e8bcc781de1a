"""Levels of least rounding variance for given data, and rounding to them. See optimal.h."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "optimal.h" nogil:
    enum: GW_OPTIMAL_BINS
    enum: GW_OPTIMAL_EXACT
    ctypedef struct gw_optimal_work:
        pass
    ctypedef struct gw_optimal:
        int bits
        int stochastic
        uint64_t seed

    int64_t gw_packed_nbytes(int64_t, int)
    int64_t gw_optimal_histogram(const float *, int64_t, float, float, float *, uint32_t *, uint32_t *)
    void gw_optimal_levels(const float *, const uint32_t *, int64_t, int, gw_optimal_work *, float *)
    void gw_optimal_plan(gw_optimal *, const float *)
    void gw_optimal_encode(const gw_optimal *, const float *, int64_t, int, uint8_t *)
    void gw_optimal_decode(const uint8_t *, int64_t, int, int, const float *, float *)

gw_import_simd()

BINS = GW_OPTIMAL_BINS
EXACT = GW_OPTIMAL_EXACT
SCRATCH = sizeof(gw_optimal_work)


def histogram(const float[::1] values, float low, float high, float[::1] points, uint32_t[::1] counts, uint32_t[::1] scratch):
    """One value and the number of values for each bin of [low, high] that is not empty; returns how many bins. Room for BINS each."""
    cdef int64_t n = values.shape[0], found
    if not points.shape[0] == counts.shape[0] == scratch.shape[0] == GW_OPTIMAL_BINS or not low <= high or n == 0:
        raise ValueError(f"expected values, room for {GW_OPTIMAL_BINS} points and counts, and low ≤ high, got {n} values, {low} and {high}")
    with nogil:
        found = gw_optimal_histogram(&values[0], n, low, high, &points[0], &counts[0], &scratch[0])
    return found


def levels(const float[::1] points, const uint32_t[::1] counts, uint8_t[::1] scratch, float[::1] out):
    """The best levels, 2 … 256 to `out`, for strictly increasing points with their counts. scratch has SCRATCH bytes, 8-byte aligned."""
    cdef int64_t n = points.shape[0]
    cdef int wanted = out.shape[0]
    if counts.shape[0] != n or scratch.shape[0] != sizeof(gw_optimal_work) or not 2 <= wanted <= 256 or n > GW_OPTIMAL_BINS:
        raise ValueError(f"expected at most {GW_OPTIMAL_BINS} points, as many counts and 2 … 256 levels, got {n}, {counts.shape[0]}, {wanted}")
    with nogil:
        gw_optimal_levels(&points[0], &counts[0], n, wanted, <gw_optimal_work *>&scratch[0], &out[0])


def encode(const float[::1] values, const float[::1] table, uint64_t seed, bint stochastic, uint8_t[::1] out, bint wide=False):
    """Codes of values between the first and the last of the levels `table`, 2^bits of them, packed; with wide=True n uint16."""
    cdef int64_t n = values.shape[0]
    cdef gw_optimal q
    q.bits, q.stochastic, q.seed = _bits(table.shape[0]), stochastic, seed
    _expect(out.shape[0], gw_packed_nbytes(n, 16 if wide else q.bits))
    with nogil:
        gw_optimal_plan(&q, &table[0])
        gw_optimal_encode(&q, &values[0], n, wide, &out[0])


def decode(const uint8_t[::1] payload, const float[::1] table, float[::1] out, bint wide=False):
    """out = table[codes], 2^bits levels; with wide=True the codes are uint16, below 2^bits."""
    cdef int64_t n = out.shape[0]
    cdef int bits = _bits(table.shape[0])
    _expect(payload.shape[0], gw_packed_nbytes(n, 16 if wide else bits))
    with nogil:
        gw_optimal_decode(&payload[0], n, bits, wide, &table[0], &out[0])


cdef int _bits(int64_t levels) except -1:
    cdef int bits = levels.bit_length() - 1
    if not 1 <= bits <= 8 or levels != 1 << bits:
        raise ValueError(f"expected 2 … 256 levels, a power of two, got {levels}")
    return bits


cdef int _expect(int64_t got, int64_t wanted) except -1:
    if got != wanted:
        raise ValueError(f"expected {wanted} bytes of codes, got {got}")
    return 0
