/* golomb: gaps of strictly increasing keys in one Golomb code, with truncated binary remainders.
 *
 * Gap 0 is the first key; gap j is key j minus key j-1 minus 1. With divisor m a gap g is the quotient g / m in unary and the remainder
 * r = g % m: with w = floor(log2 m) and c = 2^(w+1) - m, the w bits of r if r < c, else the w+1 bits of r + c, whose upper w bits are not
 * below c: the last bit is there if and only if the first w bits are not below c. So the two parts have streams of their own.
 *
 * Format, for n >= 1 keys (n = 0: no bytes at all):
 *   header      8 bytes: m = 1 … 2^31 - 1, u32; the number of extra bits, u32
 *   remainders  of all keys: r if r < c, else (r + c) >> 1; the stream of low bits of unary.h, width w
 *   extra bits  (r + c) & 1 of the keys with r >= c; from the low bit of byte 0 upwards, unused bits are 0
 *   quotients   the unary stream of unary.h
 *
 *   gw_golomb_plan(keys, n)           chooses m (see golomb_divisor.h) and counts what it costs, exactly
 *   gw_golomb_encode(keys, n, code, out)
 *       writes the payload and up to GW_UNARY_SLACK bytes after it; returns its size
 *   gw_golomb_decode(payload, nbytes, n, dim, out)
 *       reads any payload of at least GW_GOLOMB_HEADER bytes; writes n keys. GW_KEYS_OK if they increase strictly, are below dim <= 2^32
 *       and fill the streams, else another gw_keys_error. A payload of less than n/8 bytes is refused before anything is written.
 */
#ifndef GW_GOLOMB_H
#define GW_GOLOMB_H
#include "golomb_divisor.h"
#include "unary.h"

enum { GW_GOLOMB_HEADER = 8, GW_GOLOMB_SLACK = GW_UNARY_SLACK };

typedef struct {
    uint32_t m, c;
    int w;
    int64_t extra, unary; /* bits */
} gw_golomb_code;

GW_INLINE gw_golomb_code gw_golomb_of(uint32_t m)
{
    int w = gw_bit_width(m) - 1;
    gw_golomb_code code = {m, (uint32_t)(((uint64_t)2 << w) - m), w, 0, 0};
    return code;
}

GW_INLINE int64_t gw_golomb_nbytes(const gw_golomb_code *code, int64_t n)
{
    return GW_GOLOMB_HEADER + (n * code->w + 7) / 8 + (code->extra + 7) / 8 + (code->unary + 7) / 8;
}

#define GW_KERNELS "golomb_kernels.h"
#include "levels.h"

GW_DISPATCH(void, gw_golomb_count, (const uint32_t *keys, int64_t n, gw_golomb_code *code), (keys, n, code))
GW_DISPATCH(int64_t, gw_golomb_encode, (const uint32_t *keys, int64_t n, const gw_golomb_code *code, uint8_t *out), (keys, n, code, out))
GW_DISPATCH(int, gw_golomb_decode, (const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, uint32_t *out),
            (payload, nbytes, n, dim, out))

static GW_UNUSED gw_golomb_code gw_golomb_plan(const uint32_t *keys, int64_t n)
{
    gw_golomb_code code = gw_golomb_of(gw_golomb_divisor(keys, n));
    gw_golomb_count(keys, n, &code);
    return code;
}
#endif
