/* Canonical Huffman codes of up to 2^16 symbols, in one or four streams.
 *
 * Codes 0 … alphabet - 1 are cut in two: the symbol code >> shift is Huffman-coded (huffman_code.h), the `shift` low bits travel as they
 * are (bitpack.h). shift = max(0, width - 10), width = max(1, bits of alphabet - 1): up to 1,024 symbols, and no cut for alphabets up to
 * that. Code lengths are at most limit = 11 for alphabets up to 256, else 12.
 *
 * Payload of n codes:
 *
 *   stored    byte 0, then the codes, `width` bits each (bitpack.h)
 *   Huffman   byte 1, the lengths (gw_huffman_pack), the streams, then the low bits of all codes
 *
 * n < 1024: one stream. Else four: three u32, the byte lengths of streams 0, 1 and 2, then the streams. Stream k < 3 holds symbols
 * [k * q, (k + 1) * q), q = n / 4, stream 3 the rest. A stream is the symbols' codes one after the other, from the least significant bit
 * of its first byte on; it ends with the byte in which its last bit lies, and unused bits are 0. Four streams of T bits in all are
 * followed by zeros up to floor(T / 8) + 4 bytes, so that the histogram of the codes tells the payload's size. A symbol takes at least
 * one bit, the only one of a message too: a payload of N bytes never holds more than 8N codes.
 *
 *   gw_huffman_count    reads n codes; writes 4 x 1024 counts of the symbols, one row for each stream (row 0 if there is one). Returns -1,
 *                       and has counted nothing, if a code is not below `alphabet`.
 *   gw_huffman_encode   reads n codes whose symbols have a length; bits[k] is the size of stream k in bits. Writes exactly the bytes of the
 *                       streams, from their byte lengths to their zeros.
 *   gw_huffman_decode   reads exactly `nbytes` bytes from the byte lengths to the zeros; writes n symbols. Whatever the bytes are, it
 *                       stays inside both buffers. Returns 0, or -1 if gw_huffman_encode writes these bytes for no n symbols.
 *
 * The decoder finds one symbol per look-up of up to 12 bits, or up to three (long messages of few bits per code).
 * No buffer needs an alignment, nothing is allocated; a call takes about 60 KB of stack.
 */
#ifndef GW_HUFFMAN_H
#define GW_HUFFMAN_H
#include "huffman_code.h"
#include "simd.h"

enum {
    GW_HUFFMAN_STREAMS = 4,
    GW_HUFFMAN_FOUR = 1024,         /* codes from which there are so many streams */
    GW_HUFFMAN_MANY = 1 << 14,      /* codes from which the table of three symbols per look-up pays, */
    GW_HUFFMAN_FEW_BITS = 5,        /* and bits per code below which it does */
    GW_HUFFMAN_TAIL = 80            /* codes at the end of a stream that are written byte by byte */
};

static inline int gw_huffman_streams(int64_t n)
{
    return n < GW_HUFFMAN_FOUR ? 1 : GW_HUFFMAN_STREAMS;
}

/* Size of the streams with their byte lengths and zeros; bits of all streams together. */
static inline int64_t gw_huffman_nbytes(int64_t n, int64_t bits)
{
    return gw_huffman_streams(n) == 1 ? (bits + 7) / 8 : 12 + bits / 8 + 4;
}

static inline int64_t gw_huffman_first(int64_t n, int stream)
{
    return stream == gw_huffman_streams(n) ? n : n / GW_HUFFMAN_STREAMS * stream;
}

#define GW_KERNELS "huffman_kernels.h"
#include "levels.h"

GW_DISPATCH(int, gw_huffman_count, (const uint16_t *codes, int64_t n, int64_t alphabet, int shift, uint32_t *counts),
            (codes, n, alphabet, shift, counts))
GW_DISPATCH(void, gw_huffman_encode,
            (const uint16_t *codes, int64_t n, int shift, const uint32_t *entries, const int64_t *bits, uint8_t *out),
            (codes, n, shift, entries, bits, out))
GW_DISPATCH(int, gw_huffman_decode, (const uint8_t *in, int64_t nbytes, int64_t n, const uint8_t *lengths, int m, uint16_t *out),
            (in, nbytes, n, lengths, m, out))
#endif
