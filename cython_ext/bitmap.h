/* bitmap: one bit for each number below dim, set for those that are keys.
 *
 * Format, for n ≥ 1 keys (n = 0: no bytes at all): ⌈dim/8⌉ bytes; bit k % 8 of byte k / 8 is set if k is a key; the unused bits of the
 * last byte are 0.
 *
 *   gw_bitmap_encode(keys, n, out)               sets the bits in `out`, which holds 0s; whole words of 8 bytes: its size is a multiple of 8
 *   gw_bitmap_count(bitmap, nbytes)              how many bits are set
 *   gw_bitmap_decode(bitmap, nbytes, n, out)     writes out[0 … n), ascending. Asks for exactly n set bits and nbytes ≤ 2^29.
 *
 * Encoding reads each key once and 64 consecutive ones in one step; decoding skips words of 0s.
 */
#ifndef GW_BITMAP_H
#define GW_BITMAP_H
#include "keys_bits.h"
#include "simd.h"

static void gw_bitmap_encode(const uint32_t *keys, int64_t n, uint8_t *out)
{
    uint64_t word = 0;
    int64_t i = 0, at = 0;
    while (i < n) {
        if (n - i >= 64 && keys[i + 63] - keys[i] == 63) { /* strictly increasing, so consecutive */
            int64_t first = keys[i] >> 6;
            unsigned shift = keys[i] & 63;
            word = (first == at ? word : 0) | ~(uint64_t)0 << shift;
            gw_store64(out + 8 * first, word);
            at = keys[i + 63] >> 6;
            if (shift) gw_store64(out + 8 * at, word = ~(uint64_t)0 >> (64 - shift));
            i += 64;
            continue;
        }
        for (int64_t stop = n - i < 32 ? n : i + 32; i < stop; i++) { /* stores only: no load waits for a store */
            uint64_t bit = (uint64_t)1 << (keys[i] & 63);
            int64_t next = keys[i] >> 6;
            word = (next == at ? word : 0) | bit;
            at = next;
            gw_store64(out + 8 * at, word);
        }
    }
}

/* Positions of the bits of a byte, the lowest first: for the level whose instructions have no compression. */
#if GW_X86
static uint8_t gw_bitmap_positions[256][8];
static GW_UNUSED void gw_bitmap_prepare(void)
{
    for (int byte = 0; byte < 256; byte++)
        for (int bit = 0, count = 0; bit < 8; bit++)
            if (byte >> bit & 1) gw_bitmap_positions[byte][count++] = (uint8_t)bit;
}
#else
static void gw_bitmap_prepare(void) {}
#endif

#define GW_KERNELS "bitmap_kernels.h"
#include "levels.h"

GW_DISPATCH(int64_t, gw_bitmap_count, (const uint8_t *bitmap, int64_t nbytes), (bitmap, nbytes))
GW_DISPATCH(void, gw_bitmap_decode, (const uint8_t *bitmap, int64_t nbytes, int64_t n, uint32_t *out), (bitmap, nbytes, n, out))
#endif
