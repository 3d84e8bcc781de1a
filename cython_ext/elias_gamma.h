/* Elias's gamma code of numbers 1 … 2^16 - 1 (Elias 1975), its two halves in separate streams: a code c = 0 … 65534 stands for m = c + 1,
 * with L = floor(log2 m).
 *
 *   unary   for each code L zeros, then a one
 *   rest    for each code the L low bits of m
 *
 * Streams are bits from the least significant of the first byte on; each ends with the byte that holds its last bit, unused bits are 0;
 * `rest` follows `unary`. A code takes 2L + 1 bits, at least one. The unary stream of n codes ends with its n-th one, so no length is
 * stored.
 *
 *   gw_gamma_bits     reads n codes <= 65534; returns the sum of L. The payload has gw_gamma_nbytes(n, sum) bytes.
 *   gw_gamma_encode   reads n codes, writes exactly the payload; may write zeros to the 8 bytes behind it, which the caller must have
 *   gw_gamma_end      returns the bits of the unary stream of n >= 1 codes, -1 if there are fewer than n ones in the payload
 *   gw_gamma_decode   reads exactly nbytes bytes; `unary` as gw_gamma_end found it. Writes n codes. Returns the largest, or -1 if an L is
 *                     above 15, an unused bit is 1 or nbytes is not what these codes take. Whatever the bytes are, it stays in the buffers.
 *
 * No buffer needs an alignment, nothing is allocated.
 */
#ifndef GW_ELIAS_GAMMA_H
#define GW_ELIAS_GAMMA_H
#include "simd.h"

GW_INLINE int64_t gw_gamma_nbytes(int64_t n, int64_t sum)
{
    return (n + sum + 7) / 8 + (sum + 7) / 8;
}

/* 8 bytes at `at`, zeros beyond the end. */
GW_INLINE uint64_t gw_word_at(const uint8_t *in, int64_t nbytes, int64_t at)
{
    uint64_t word = 0;
    if (nbytes - at >= 8) memcpy(&word, in + at, 8);
    else if (at < nbytes) memcpy(&word, in + at, (size_t)(nbytes - at));
    return word;
}

#define GW_KERNELS "elias_gamma_kernels.h"
#include "levels.h"

GW_DISPATCH(int64_t, gw_gamma_bits, (const uint16_t *codes, int64_t n), (codes, n))
GW_DISPATCH(void, gw_gamma_encode, (const uint16_t *codes, int64_t n, int64_t sum, uint8_t *out), (codes, n, sum, out))
GW_DISPATCH(int64_t, gw_gamma_end, (const uint8_t *in, int64_t nbytes, int64_t n), (in, nbytes, n))
GW_DISPATCH(int64_t, gw_gamma_decode, (const uint8_t *in, int64_t nbytes, int64_t unary, int64_t n, uint16_t *out),
            (in, nbytes, unary, n, out))
#endif
