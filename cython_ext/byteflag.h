/* byteflag: gaps of strictly increasing keys in 1 to 4 whole bytes, with a 2-bit flag each.
 *
 * Format, for n keys:
 *   flags    ⌈n/4⌉ bytes; gap j has bits 2(j mod 4) and 2(j mod 4) + 1 of byte j/4: its length in bytes minus 1. Unused bits are 0.
 *   payload  the gaps, little-endian, one after the other
 * Gap 0 is the first key, gap j is key j minus key j-1. An encoder takes the shortest length; with `three` = 0 it never takes 3 bytes.
 *
 *   gw_byteflag_measure(keys, n, dim, three)  size in bytes of the encoding, or -1 unless the keys increase strictly and are below
 *                                             dim ≤ 2^32; reads keys[0 … n)
 *   gw_byteflag_encode(keys, n, three, out)   writes the encoding and up to GW_BYTEFLAG_SLACK bytes after it; returns its size. Asks
 *                                             for keys that `measure` has taken.
 *   gw_byteflag_decode(payload, nbytes, n, dim, three, out)
 *       reads payload[0 … nbytes), any bytes at all; writes out[0 … n). Returns GW_KEYS_OK if they are an encoding of n strictly
 *       increasing keys below dim ≤ 2^32 and nothing else (longer lengths than needed are accepted), else another code of gw_keys_error.
 *       Asks for nbytes ≥ ⌈n/4⌉ + n and 1 ≤ n ≤ 2^32.
 *
 * gw_byteflag_import() makes the tables of the AVX2 level and comes before the others. The encoding is that of Lemire, Kurz and Rupp's
 * Stream VByte (2018) on gaps, and so is the AVX2 level: a flag byte looks up the shuffle that closes or opens the room between four gaps.
 */
#ifndef GW_BYTEFLAG_H
#define GW_BYTEFLAG_H
#include "keys_bits.h"
#include "keys_error.h"
#include "simd.h"

enum { GW_BYTEFLAG_SLACK = 64 };

/* For each flag byte: which byte of four 4-byte gaps goes where in their payload, the reverse (0x80: a zero), and its length. */
static uint8_t gw_byteflag_close[256][16], gw_byteflag_open[256][16], gw_byteflag_length[256];

static void gw_byteflag_import(void)
{
    memset(gw_byteflag_open, 0x80, sizeof gw_byteflag_open);
    for (int flags = 0; flags < 256; flags++) {
        int at = 0;
        for (int j = 0; j < 4; j++)
            for (int b = 0; b <= (flags >> 2 * j & 3); b++) {
                gw_byteflag_close[flags][at] = (uint8_t)(4 * j + b);
                gw_byteflag_open[flags][4 * j + b] = (uint8_t)at++;
            }
        gw_byteflag_length[flags] = (uint8_t)at;
    }
}

#define GW_KERNELS "byteflag_kernels.h"
#include "levels.h"

GW_DISPATCH(int64_t, gw_byteflag_measure, (const uint32_t *keys, int64_t n, uint64_t dim, int three), (keys, n, dim, three))
GW_DISPATCH(int64_t, gw_byteflag_encode, (const uint32_t *keys, int64_t n, int three, uint8_t *out), (keys, n, three, out))
GW_DISPATCH(int, gw_byteflag_decode, (const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, int three, uint32_t *out),
            (payload, nbytes, n, dim, three, out))
#endif
