/* elias_fano: strictly increasing keys as one Elias-Fano sequence.
 *
 * A key is its high part, key >> l, and its l low bits. High parts never decrease: they travel as the differences to the one before.
 *
 * Format, for n >= 1 keys (n = 0: no bytes at all):
 *   header      1 byte: l = 0 … 31
 *   low bits    of all keys; the stream of unary.h, width l
 *   high parts  differences of the high parts, the first against 0; the unary stream of unary.h
 * The encoder takes the smallest l with (last key >> l) <= 2n: it minimises n*l + n + (last key >> l), convex in l, the bits of the two
 * streams, which are therefore at most 2 + ceil(log2(dim / n)) a key: take l = ceil(log2(dim / n)).
 *
 *   gw_elias_fano_split(n, last)          that l
 *   gw_elias_fano_nbytes(n, last, l)      the size of the payload in bytes
 *   gw_elias_fano_encode(keys, n, l, out) writes the payload and up to GW_UNARY_SLACK bytes after it; returns its size
 *   gw_elias_fano_decode(payload, nbytes, n, dim, out)
 *       reads any payload of at least one byte; writes n keys. GW_KEYS_OK if they increase strictly, are below dim <= 2^32 and fill the
 *       streams, else another gw_keys_error. A payload of less than n/8 bytes is refused before anything is written.
 */
#ifndef GW_ELIAS_FANO_H
#define GW_ELIAS_FANO_H
#include "unary.h"

enum { GW_ELIAS_FANO_HEADER = 1, GW_ELIAS_FANO_SLACK = GW_UNARY_SLACK };

GW_INLINE int gw_elias_fano_split(int64_t n, uint32_t last)
{
    int l = 0;
    while (last >> l > 2 * (uint64_t)n) l++;
    return l;
}

GW_INLINE int64_t gw_elias_fano_nbytes(int64_t n, uint32_t last, int l)
{
    return GW_ELIAS_FANO_HEADER + (n * l + 7) / 8 + (n + (last >> l) + 7) / 8;
}

#define GW_KERNELS "elias_fano_kernels.h"
#include "levels.h"

GW_DISPATCH(int64_t, gw_elias_fano_encode, (const uint32_t *keys, int64_t n, int l, uint8_t *out), (keys, n, l, out))
GW_DISPATCH(int, gw_elias_fano_decode, (const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, uint32_t *out),
            (payload, nbytes, n, dim, out))
#endif
