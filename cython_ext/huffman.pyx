"""Canonical Huffman codes. See huffman.h for the streams, huffman_code.h for the codes; gradwire.codecs.entropy joins them."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "huffman.h" nogil:
    enum:
        GW_HUFFMAN_LIMIT
        GW_HUFFMAN_SYMBOLS
        GW_HUFFMAN_STREAMS
    void gw_huffman_lengths(const uint64_t *, int, int, uint8_t *)
    int gw_huffman_pack(const uint8_t *, int, uint8_t *)
    int gw_huffman_unpack(const uint8_t *, int64_t, int, uint8_t *)
    void gw_huffman_codes(const uint8_t *, int, uint32_t *)
    int64_t gw_huffman_nbytes(int64_t, int64_t)
    int gw_huffman_count(const uint16_t *, int64_t, int64_t, int, uint32_t *)
    void gw_huffman_encode(const uint16_t *, int64_t, int, const uint32_t *, const int64_t *, uint8_t *)
    int gw_huffman_decode(const uint8_t *, int64_t, int64_t, const uint8_t *, int, uint16_t *)

gw_import_simd()

LIMIT, SYMBOLS, STREAMS = GW_HUFFMAN_LIMIT, GW_HUFFMAN_SYMBOLS, GW_HUFFMAN_STREAMS


def count(const uint16_t[::1] codes, int64_t alphabet, int shift, uint32_t[:, ::1] out):
    """How often each symbol code >> shift occurs in each stream, to `out` of shape (STREAMS, SYMBOLS). False if a code is too large."""
    cdef int64_t n = codes.shape[0]
    cdef int refused = 0
    if out.shape[0] != GW_HUFFMAN_STREAMS or out.shape[1] != GW_HUFFMAN_SYMBOLS or not 1 <= alphabet <= 65536:
        raise ValueError(f"expected counts of shape ({STREAMS}, {SYMBOLS}) and an alphabet of 1 to 65536, got {alphabet}")
    if shift < 0 or (alphabet - 1) >> shift >= GW_HUFFMAN_SYMBOLS:
        raise ValueError(f"expected a shift that leaves at most {SYMBOLS} symbols, got {shift}")
    with nogil:
        refused = gw_huffman_count(&codes[0] if n else NULL, n, alphabet, shift, &out[0, 0])
    return refused == 0


def lengths(const uint64_t[::1] counts, int limit, uint8_t[::1] out):
    """The lengths, at most `limit`, of an optimal code for 2 to SYMBOLS counts of which one at least is not 0."""
    cdef int64_t m = counts.shape[0], used = 0
    if not 2 <= m <= GW_HUFFMAN_SYMBOLS or out.shape[0] != m or not 1 <= limit <= GW_HUFFMAN_LIMIT:
        raise ValueError(f"expected 2 to {SYMBOLS} counts and as many lengths of 1 to {LIMIT} bits, got {m} and {limit}")
    for s in range(m):
        used += counts[s] != 0
    if not 1 <= used <= 1 << limit:
        raise ValueError(f"expected 1 to {1 << limit} symbols, got {used}")
    with nogil:
        gw_huffman_lengths(&counts[0], <int>m, limit, &out[0])


def pack(const uint8_t[::1] lengths, uint8_t[::1] out):
    """The lengths to `out`, compactly; returns how many bytes that is, at most (len(lengths) + 1) // 2."""
    if not 1 <= lengths.shape[0] <= GW_HUFFMAN_SYMBOLS or out.shape[0] < (lengths.shape[0] + 1) // 2:
        raise ValueError(f"expected room for {lengths.shape[0]} lengths")
    return gw_huffman_pack(&lengths[0], <int>lengths.shape[0], &out[0])


def unpack(const uint8_t[::1] payload, uint8_t[::1] out):
    """The reverse of `pack`; returns how many bytes it read, or -1 if they are not the lengths of a complete code."""
    if not 1 <= out.shape[0] <= GW_HUFFMAN_SYMBOLS:
        raise ValueError(f"expected room for 1 to {SYMBOLS} lengths, got {out.shape[0]}")
    return gw_huffman_unpack(&payload[0], payload.shape[0], <int>out.shape[0], &out[0]) if payload.shape[0] else -1


def nbytes(int64_t n, int64_t bits):
    """Size of the streams of n symbols that have `bits` bits in all."""
    return gw_huffman_nbytes(n, bits)


def encode(const uint16_t[::1] codes, int shift, const uint8_t[::1] lengths, const int64_t[::1] bits, uint8_t[::1] out):
    """The streams to `out` of exactly nbytes(n, sum(bits)) bytes. lengths and bits (of each stream) must be those of these codes."""
    cdef int64_t n = codes.shape[0]
    cdef uint32_t entries[1024]
    if lengths.shape[0] > GW_HUFFMAN_SYMBOLS or bits.shape[0] != GW_HUFFMAN_STREAMS:
        raise ValueError(f"expected at most {SYMBOLS} lengths and the bits of {STREAMS} streams")
    if out.shape[0] != gw_huffman_nbytes(n, bits[0] + bits[1] + bits[2] + bits[3]):
        raise ValueError(f"expected {gw_huffman_nbytes(n, bits[0] + bits[1] + bits[2] + bits[3])} bytes, got {out.shape[0]}")
    if n:
        with nogil:
            gw_huffman_codes(&lengths[0], <int>lengths.shape[0], entries)
            gw_huffman_encode(&codes[0], n, shift, entries, &bits[0], &out[0])


def decode(const uint8_t[::1] payload, const uint8_t[::1] lengths, uint16_t[::1] out):
    """The symbols of the streams `payload`; `lengths` as `unpack` accepted them. False if these are not the streams of len(out) symbols."""
    cdef int64_t n = out.shape[0]
    cdef int refused
    if not 2 <= lengths.shape[0] <= GW_HUFFMAN_SYMBOLS:
        raise ValueError(f"expected 2 to {SYMBOLS} lengths, got {lengths.shape[0]}")
    if n == 0 or payload.shape[0] == 0:
        return n == payload.shape[0]
    with nogil:
        refused = gw_huffman_decode(&payload[0], payload.shape[0], n, &lengths[0], <int>lengths.shape[0], &out[0])
    return refused == 0
