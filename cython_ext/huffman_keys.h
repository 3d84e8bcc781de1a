/* Keys as the widths of their gaps, which another coder takes, and the bits below the leading ones.
 *
 * gap 0 is key 0, gap j is key j - key (j-1) - 1. A gap's width is 0 for 0, else floor(log2 gap) + 1, at most 32. Its rest, the width - 1
 * bits below the leading one, follows the one before it in a stream of bits that begins with the least significant of the first byte;
 * unused bits of the last byte are 0.
 *
 *   gw_gap_widths   reads n >= 1 keys, strictly increasing; writes n widths; returns the bits of the rests
 *   gw_gap_pack     reads n keys; writes the rests, and may write zeros to the 8 bytes behind them, which the caller must have
 *   gw_gap_unpack   reads n widths <= 32 and exactly nbytes bytes; writes n keys. A gw_keys_error: too few or too many bytes, an unused
 *                   bit that is set, keys not below dim (<= 2^32). Whatever the bytes are, it stays inside the buffers.
 *
 * No buffer of bytes needs an alignment, nothing is allocated.
 */
#ifndef GW_HUFFMAN_KEYS_H
#define GW_HUFFMAN_KEYS_H
#include "keys_bits.h"
#include "keys_error.h"
#include "simd.h"

#define GW_KERNELS "huffman_keys_kernels.h"
#include "levels.h"

GW_DISPATCH(int64_t, gw_gap_widths, (const uint32_t *keys, int64_t n, uint16_t *widths), (keys, n, widths))
GW_DISPATCH(void, gw_gap_pack, (const uint32_t *keys, int64_t n, uint8_t *out), (keys, n, out))
GW_DISPATCH(int, gw_gap_unpack, (const uint16_t *widths, int64_t n, const uint8_t *in, int64_t nbytes, uint64_t dim, uint32_t *keys),
            (widths, n, in, nbytes, dim, keys))
#endif
