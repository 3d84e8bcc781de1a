/* Codes of 1 … 16 bits, packed without gaps: code i occupies bits [i*bits, (i+1)*bits) of the stream, least significant bit first, and
 * bit j of the stream is bit j % 8 of byte j / 8. n codes take gw_packed_nbytes(n, bits) bytes; the unused high bits of the last one are 0.
 *
 * Eight codes are exactly `bits` bytes, so every group of eight starts at a byte and no group waits for the one before it.
 *
 *   gw_pack     reads n codes, each below 2^bits; writes exactly gw_packed_nbytes(n, bits) bytes of out.
 *   gw_unpack   reads exactly gw_packed_nbytes(n, bits) bytes; writes n codes, each below 2^bits whatever the bytes are. It does not
 *               look at the unused bits.
 *
 * `room` is how many bytes of the packed side belong to the caller from there on, at least gw_packed_nbytes(n, bits): gw_pack may write
 * and gw_unpack may read anything in there. The more there are, the shorter the slow tail; a caller that works block by block gives what
 * the whole stream has left, and the next block overwrites what was too much. Neither buffer needs an alignment; they must not overlap.
 * Nothing is allocated.
 */
#ifndef GW_BITPACK_H
#define GW_BITPACK_H
#include <stdint.h>
#include <string.h>
#include "simd.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "gradwire's formats are written for little-endian machines"
#endif

GW_INLINE int64_t gw_packed_nbytes(int64_t n, int bits)
{
    return n / 8 * bits + (n % 8 * bits + 7) / 8;
}

/* Four codes in the low 4 * bits bits. */
GW_INLINE uint64_t gw_pack4(const uint16_t *codes, int bits)
{
    return (uint64_t)codes[0] | (uint64_t)codes[1] << bits | (uint64_t)codes[2] << 2 * bits | (uint64_t)codes[3] << 3 * bits;
}

GW_INLINE void gw_unpack4(uint64_t word, int bits, uint16_t *codes)
{
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    codes[0] = (uint16_t)(word & mask);
    codes[1] = (uint16_t)(word >> bits & mask);
    codes[2] = (uint16_t)(word >> 2 * bits & mask);
    codes[3] = (uint16_t)(word >> 3 * bits & mask);
}

/* Eight codes of at most 15 bits to 16 bytes of out; those from `bits` on are 0, or beyond 8 untouched if bits <= 8. */
GW_INLINE void gw_pack8(const uint16_t *codes, int bits, uint8_t *out)
{
    uint64_t low = gw_pack4(codes, bits), high = gw_pack4(codes + 4, bits), word = low | high << 4 * bits;
    memcpy(out, &word, 8);
    if (bits > 8) {
        word = high >> (64 - 4 * bits);
        memcpy(out + 8, &word, 8);
    }
}

/* Eight codes of at most 15 bits from 16 bytes of in. */
GW_INLINE void gw_unpack8(const uint8_t *in, int bits, uint16_t *codes)
{
    uint64_t low, high;
    memcpy(&low, in, 8);
    memcpy(&high, in + bits / 2, 8);            /* bit 4 * bits: a byte, or the upper half of one if bits is odd */
    gw_unpack4(low, bits, codes);
    gw_unpack4(high >> (bits & 1) * 4, bits, codes + 4);
}

/* How many whole groups of `step` codes leave no access beyond `room` when each touches `reach` bytes from its start. */
GW_INLINE int64_t gw_safe_codes(int64_t n, int bits, int64_t room, int step, int reach)
{
    int64_t nbytes = (int64_t)step / 8 * bits, groups = room < reach ? 0 : (room - reach) / nbytes + 1;
    return (groups < n / step ? groups : n / step) * step;
}

enum { GW_PACK_BLOCK = 1024 };      /* codes that a caller who works block by block should pack at once */

#define GW_KERNELS "bitpack_kernels.h"
#include "levels.h"

GW_UNUSED GW_DISPATCH(void, gw_pack, (const uint16_t *codes, int64_t n, int bits, uint8_t *out, int64_t room), (codes, n, bits, out, room))
GW_UNUSED GW_DISPATCH(void, gw_unpack, (const uint8_t *in, int64_t n, int bits, uint16_t *codes, int64_t room), (in, n, bits, codes, room))
#endif
