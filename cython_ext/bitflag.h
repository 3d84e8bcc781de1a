/* bitflag: gaps of strictly increasing keys in one of 2^f bit widths, named by an f-bit flag each, f = 0 … 5.
 *
 * Gap 0 is the first key; gap j is key j minus key j-1 minus 1, so a run of consecutive keys has gaps of 0.
 *
 * Format, for n ≥ 1 keys (n = 0: no bytes at all):
 *   header   5 bytes, little-endian: bits 0 … 32 = the set of widths (bit b: width b is used), bits 33 … 35 = f, the others 0.
 *            1 to 2^f widths; with f = 0 the width is at least 1, so that a key always costs a bit.
 *   flags    ⌈n·f/8⌉ bytes; flag j in bits j·f … j·f + f-1 of the stream: the position of gap j's width among the widths, ascending
 *   payload  ⌈Σ widths / 8⌉ bytes; the gaps, each in its width
 * Streams are filled from the low bit of byte 0 upwards; unused bits are 0. An encoder takes the smallest width that holds a gap.
 *
 *   gw_bitflag_histogram(keys, n, dim, counts)  counts[b] = number of gaps of bit width b, b = 0 … 32, for n ≥ 1 keys. Returns whether
 *                                           the keys increase strictly and are below dim ≤ 2^32; `counts` are void if not.
 *   gw_bitflag_encode(keys, n, f, set, out) writes the encoding and up to GW_BITFLAG_SLACK bytes after it; returns its size in bytes.
 *                                           Asks for keys that gw_bitflag_histogram has taken, and a set that holds the largest gap.
 *   gw_bitflag_decode(payload, nbytes, n, dim, f, set, out)
 *       reads payload[0 … nbytes), flags and payload without the header, any bytes at all; writes out[0 … n). Returns GW_KEYS_OK if they
 *       are an encoding of n strictly increasing keys below dim ≤ 2^32 and nothing else, else another code of gw_keys_error.
 *       Asks for a set as the header describes, nbytes ≥ ⌈n·f/8⌉ and 1 ≤ n ≤ 2^32.
 *
 * How: the encoder joins four gaps to one word, which SIMD does for many at once, and only carries words from one to the next, without
 * a branch. The decoder finds from the flags alone where all gaps of a block start, fetches and shifts them in SIMD, and adds them up.
 * Blocks that it refuses, tails, and gaps of more than 25 bits are left to the loop for one gap after the other: there the errors are named.
 */
#ifndef GW_BITFLAG_H
#define GW_BITFLAG_H
#include "bitflag_widths.h"
#include "keys_error.h"
#include "simd.h"

enum { GW_BITFLAG_HEADER = 5, GW_BITFLAG_SLACK = 8, GW_BITFLAG_WORD = 56 };

/* Of bit width b: the position and the size of the smallest width in the set that is not below b. 64 entries: whole vectors. */
typedef struct {
    uint8_t code[64], size[64];
} gw_bitflag_table;

static void gw_bitflag_fill(uint64_t set, gw_bitflag_table *t)
{
    int next = __builtin_popcountll(set), width = 0;
    memset(t, 0, sizeof *t);
    for (int b = GW_BITFLAG_WIDTHS - 1; b >= 0; b--) {
        if (set >> b & 1) {
            width = b;
            next--;
        }
        t->code[b] = (uint8_t)next;
        t->size[b] = (uint8_t)width;
    }
}

/* `fill` < 8 bits that p has not taken in yet. */
typedef struct {
    uint64_t pending;
    unsigned fill;
    uint8_t *p;
} gw_bitflag_writer;

/* Appends the `size` ≤ GW_BITFLAG_WORD low bits of word, whose other bits are 0; stores 8 bytes. */
GW_INLINE void gw_bitflag_put(gw_bitflag_writer *w, uint64_t word, unsigned size)
{
    w->pending |= word << w->fill;
    w->fill += size;
    gw_store64(w->p, w->pending);
    w->p += w->fill >> 3;
    w->pending >>= w->fill & ~7u;
    w->fill &= 7;
}

/* The bit widths that flags name and the masks of that many low bits; flags after `last` name nothing and have 0. */
typedef struct {
    uint8_t width[64];
    uint32_t mask[32];
    int last;
} gw_bitflag_names;

static void gw_bitflag_name(uint64_t set, gw_bitflag_names *names)
{
    memset(names, 0, sizeof *names);
    names->last = -1;
    for (int b = 0; b < GW_BITFLAG_WIDTHS; b++)
        if (set >> b & 1) {
            names->width[++names->last] = (uint8_t)b;
            names->mask[names->last] = (uint32_t)(((uint64_t)1 << b) - 1);
        }
}

/* What a decoder reads, and where it stands: i keys are done, `key` is the last one, their payload is the first `at` bits from base. */
typedef struct {
    const uint8_t *flags, *base;
    int64_t end, at; /* in bits from base */
    int64_t n, i;
    int f;
    uint32_t key;
    gw_bitflag_names names;
} gw_bitflag_reader;

#define GW_KERNELS "bitflag_kernels.h"
#include "levels.h"

GW_DISPATCH(int, gw_bitflag_histogram, (const uint32_t *keys, int64_t n, uint64_t dim, int64_t *counts), (keys, n, dim, counts))
GW_DISPATCH(int64_t, gw_bitflag_encode, (const uint32_t *keys, int64_t n, int f, uint64_t set, uint8_t *out), (keys, n, f, set, out))
GW_DISPATCH(int, gw_bitflag_decode, (const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, int f, uint64_t set, uint32_t *out),
            (payload, nbytes, n, dim, f, set, out))
#endif
