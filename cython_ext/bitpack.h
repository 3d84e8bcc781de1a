/* Codes of 1 … 16 bits, packed without gaps: code i occupies bits [i*bits, (i+1)*bits) of the stream, least significant bit first, and
 * bit j of the stream is bit j % 8 of byte j / 8. n codes take gw_packed_nbytes(n, bits) bytes; the unused high bits of the last one are 0.
 *
 * Eight codes are exactly `bits` bytes, so every group of eight starts at a byte and no group waits for the one before it.
 *
 *   gw_pack     reads n codes, each below 2^bits; writes exactly gw_packed_nbytes(n, bits) bytes of out.
 *   gw_unpack   reads exactly gw_packed_nbytes(n, bits) bytes; writes n codes, each below 2^bits whatever the bytes are.
 *
 * Neither buffer needs an alignment; they must not overlap. Nothing is allocated.
 */
#ifndef GW_BITPACK_H
#define GW_BITPACK_H
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "gradwire's formats are written for little-endian machines"
#endif

static inline int64_t gw_packed_nbytes(int64_t n, int bits)
{
    return n / 8 * bits + (n % 8 * bits + 7) / 8;
}

/* Four codes in the low 4 * bits bits. */
static inline uint64_t gw_pack4(const uint16_t *codes, int bits)
{
    return (uint64_t)codes[0] | (uint64_t)codes[1] << bits | (uint64_t)codes[2] << 2 * bits | (uint64_t)codes[3] << 3 * bits;
}

static inline void gw_unpack4(uint64_t word, int bits, uint16_t *codes)
{
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    codes[0] = (uint16_t)(word & mask);
    codes[1] = (uint16_t)(word >> bits & mask);
    codes[2] = (uint16_t)(word >> 2 * bits & mask);
    codes[3] = (uint16_t)(word >> 3 * bits & mask);
}

/* Eight codes of at most 15 bits to 16 bytes of out; those from `bits` on are 0, or beyond 8 untouched if bits <= 8. */
static inline void gw_pack8(const uint16_t *codes, int bits, uint8_t *out)
{
    uint64_t low = gw_pack4(codes, bits), high = gw_pack4(codes + 4, bits), word = low | high << 4 * bits;
    memcpy(out, &word, 8);
    if (bits > 8) {
        word = high >> (64 - 4 * bits);
        memcpy(out + 8, &word, 8);
    }
}

/* Eight codes of at most 15 bits from 16 bytes of in. */
static inline void gw_unpack8(const uint8_t *in, int bits, uint16_t *codes)
{
    uint64_t low, high;
    memcpy(&low, in, 8);
    memcpy(&high, in + bits / 2, 8);            /* bit 4 * bits: a byte, or the upper half of one if bits is odd */
    gw_unpack4(low, bits, codes);
    gw_unpack4(high >> (bits & 1) * 4, bits, codes + 4);
}

static void gw_pack(const uint16_t *codes, int64_t n, int bits, uint8_t *out)
{
    int64_t i = 0, total = gw_packed_nbytes(n, bits);
    if (bits == 16) {
        memcpy(out, codes, (size_t)total);
        return;
    }
    if (bits == 8) {
        for (; i < n; i++) out[i] = (uint8_t)codes[i];
        return;
    }
    /* Whole groups write 16 bytes and the next group repairs what was too much, as long as 16 bytes are left. */
    for (; i + 8 <= n && total - i / 8 * bits >= 16; i += 8) gw_pack8(codes + i, bits, out + i / 8 * bits);
    for (; i < n; i += 8) {
        uint16_t group[8] = {0};
        uint8_t bytes[16] = {0};
        int64_t left = n - i < 8 ? n - i : 8;
        memcpy(group, codes + i, (size_t)left * 2);
        gw_pack8(group, bits, bytes);
        memcpy(out + i / 8 * bits, bytes, (size_t)gw_packed_nbytes(left, bits));
    }
}

static void gw_unpack(const uint8_t *in, int64_t n, int bits, uint16_t *codes)
{
    int64_t i = 0, total = gw_packed_nbytes(n, bits);
    if (bits == 16) {
        memcpy(codes, in, (size_t)total);
        return;
    }
    if (bits == 8) {
        for (; i < n; i++) codes[i] = in[i];
        return;
    }
    for (; i + 8 <= n && total - i / 8 * bits >= 16; i += 8) gw_unpack8(in + i / 8 * bits, bits, codes + i);
    for (; i < n; i += 8) {
        uint16_t group[8];
        uint8_t bytes[16] = {0};
        int64_t left = n - i < 8 ? n - i : 8;
        memcpy(bytes, in + i / 8 * bits, (size_t)gw_packed_nbytes(left, bits));
        gw_unpack8(bytes, bits, group);
        memcpy(codes + i, group, (size_t)left * 2);
    }
}
#endif
