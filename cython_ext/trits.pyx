"""Five codes 0, 1, 2 in a byte. See trits.h."""

from libc.stdint cimport int64_t, uint8_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "trits.h" nogil:
    int64_t gw_trits_nbytes(int64_t)
    void gw_trits_pack(const uint8_t *, int64_t, uint8_t *)
    int gw_trits_unpack(const uint8_t *, int64_t, uint8_t *)

gw_import_simd()


def nbytes(int64_t n):
    """Size in bytes of n packed codes."""
    return gw_trits_nbytes(n)


def pack(const uint8_t[::1] codes, uint8_t[::1] out):
    """Codes 0, 1, 2 to nbytes(n) bytes."""
    cdef int64_t n = codes.shape[0]
    _expect(out.shape[0], n)
    if n:
        with nogil:
            gw_trits_pack(&codes[0], n, &out[0])


def unpack(const uint8_t[::1] payload, uint8_t[::1] out):
    """The reverse of `pack`. False if a byte is above 242."""
    cdef int64_t n = out.shape[0]
    cdef int refused = 0
    _expect(payload.shape[0], n)
    if n:
        with nogil:
            refused = gw_trits_unpack(&payload[0], n, &out[0])
    return refused == 0


cdef int _expect(int64_t got, int64_t n) except -1:
    if got != gw_trits_nbytes(n):
        raise ValueError(f"expected {gw_trits_nbytes(n)} bytes, got {got}")
    return 0
