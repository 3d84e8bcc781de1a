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
 *   gw_bitflag_encode(keys, n, f, set, out) writes the encoding and up to GW_BITFLAG_SLACK bytes after it; returns its size in bytes.
 *                                           The largest width in `set` must hold the largest gap.
 *   gw_bitflag_decode(payload, nbytes, n, dim, f, set, out)
 *       reads payload[0 … nbytes), flags and payload without the header, any bytes at all; writes out[0 … n). Returns GW_KEYS_OK if they
 *       are an encoding of n strictly increasing keys below dim ≤ 2^32 and nothing else, else another code of gw_keys_error.
 *       Asks for a set as the header describes, nbytes ≥ ⌈n·f/8⌉ and 1 ≤ n ≤ 2^32.
 */
#ifndef GW_BITFLAG_H
#define GW_BITFLAG_H
#include "bitflag_widths.h"
#include "keys_bits.h"
#include "keys_error.h"

enum { GW_BITFLAG_HEADER = 5, GW_BITFLAG_SLACK = 8 };

/* code[b], size[b]: position and size of the smallest width of the set that is not below b. */
static void gw_bitflag_tables(uint64_t set, uint8_t *code, uint8_t *size)
{
    int next = __builtin_popcountll(set), width = 0;
    for (int b = GW_BITFLAG_WIDTHS - 1; b >= 0; b--) {
        if (set >> b & 1) {
            width = b;
            next--;
        }
        code[b] = (uint8_t)next;
        size[b] = (uint8_t)width;
    }
}

typedef struct {
    uint8_t code[GW_BITFLAG_WIDTHS], size[GW_BITFLAG_WIDTHS];
    int f;
    uint64_t pending; /* bits that p has not taken in yet; `fill` of them, fewer than 8 between two gaps */
    unsigned fill;
    uint32_t last;
    uint8_t *p;
} gw_bitflag_writer;

/* Writes the gaps of `count` ≤ 8 keys; returns their flags. */
static inline uint64_t gw_bitflag_put(gw_bitflag_writer *w, const uint32_t *keys, int count)
{
    uint64_t flags = 0, pending = w->pending;
    unsigned fill = w->fill;
    uint32_t last = w->last;
    uint8_t *p = w->p;
    for (int j = 0; j < count; j++) {
        uint32_t gap = keys[j] - last - 1;
        int width = gw_bit_width(gap);
        last = keys[j];
        flags |= (uint64_t)w->code[width] << j * w->f;
        pending |= (uint64_t)gap << fill;
        fill += w->size[width];
        gw_store64(p, pending);
        p += fill >> 3;
        pending >>= fill & ~7u; /* at most 32 */
        fill &= 7;
    }
    w->pending = pending;
    w->fill = fill;
    w->last = last;
    w->p = p;
    return flags;
}

static int64_t gw_bitflag_encode(const uint32_t *keys, int64_t n, int f, uint64_t set, uint8_t *out)
{
    uint8_t *flags = out + GW_BITFLAG_HEADER, *flags_end = flags + (n * f + 7) / 8;
    gw_bitflag_writer w = {.f = f, .last = 0xFFFFFFFFu, .p = flags_end};
    gw_bitflag_tables(set, w.code, w.size);
    for (int i = 0; i < GW_BITFLAG_HEADER; i++) out[i] = (uint8_t)((set | (uint64_t)f << GW_BITFLAG_WIDTHS) >> 8 * i);
    for (int64_t i = 0; i < n; i += 8) { /* the flags of eight keys are f whole bytes */
        uint64_t word = n - i >= 8 ? gw_bitflag_put(&w, keys + i, 8) : gw_bitflag_put(&w, keys + i, (int)(n - i));
        for (int j = 0; j < f && flags < flags_end; j++, word >>= 8) *flags++ = (uint8_t)word;
    }
    return w.p + (w.fill != 0) - out;
}

typedef struct {
    uint32_t mask[32]; /* of each flag: the low `width` bits */
    uint8_t width[32]; /* flags that name no width have 0 */
    int f, last;       /* last: the largest flag that names a width */
    const uint8_t *base;
    int64_t at; /* in bits from base */
    uint64_t key;
} gw_bitflag_reader;

/* Reads `count` ≤ 8 gaps whose flags are the low bits of `word`; looks at up to 8 bytes behind the first bit of a gap.
 * Returns whether every flag names a width. */
static inline int gw_bitflag_get(gw_bitflag_reader *r, uint64_t word, int count, uint32_t *out)
{
    const uint8_t *base = r->base;
    uint64_t flag_mask = ((uint64_t)1 << r->f) - 1, key = r->key;
    int64_t at = r->at;
    int good = 1;
    for (int j = 0; j < count; j++) {
        int flag = (int)(word & flag_mask);
        word >>= r->f;
        good &= flag <= r->last;
        key += 1 + (uint64_t)((uint32_t)(gw_load64(base + (at >> 3)) >> (at & 7)) & r->mask[flag]);
        at += r->width[flag];
        out[j] = (uint32_t)key;
    }
    r->at = at;
    r->key = key;
    return good;
}

static int gw_bitflag_decode(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, int f, uint64_t set, uint32_t *out)
{
    enum { BLOCK = 8 * 4 + 8 }; /* bytes that eight gaps may look at */
    const uint8_t *flags = payload, *flags_end = payload + (n * f + 7) / 8;
    int64_t end = 8 * (nbytes - (flags_end - payload)); /* in bits from base */
    uint8_t tail[2 * BLOCK] = {0};                      /* the last bytes once more, so that no load leaves the buffer */
    /* key: -1, so that the first gap is the key. It is 64 bits wide and never wraps: n gaps of at most 2^32. */
    gw_bitflag_reader r = {.f = f, .last = -1, .base = flags_end, .key = ~(uint64_t)0};
    for (int b = 0; b < GW_BITFLAG_WIDTHS; b++)
        if (set >> b & 1) {
            r.width[++r.last] = (uint8_t)b;
            r.mask[r.last] = (uint32_t)(((uint64_t)1 << b) - 1);
        }
    if (n * f % 8 && flags_end[-1] >> (n * f % 8)) return GW_KEYS_PADDING;
    for (int64_t i = 0; i < n; i += 8, flags += f) {
        if (r.base != tail && end - r.at < 8 * BLOCK) {
            end -= r.at & ~(int64_t)7;
            memcpy(tail, r.base + (r.at >> 3), (size_t)(end >> 3));
            r.base = tail;
            r.at &= 7;
        }
        uint64_t word = 0;
        if (flags_end - flags >= 8) word = gw_load64(flags);
        else memcpy(&word, flags, (size_t)(flags_end - flags)), word = GW_LE64(word);
        int good = n - i >= 8 ? gw_bitflag_get(&r, word, 8, out + i) : gw_bitflag_get(&r, word, (int)(n - i), out + i);
        if (!good) return GW_KEYS_FLAG;
        if (r.at > end) return GW_KEYS_LENGTH;
    }
    if (end - r.at >= 8) return GW_KEYS_LENGTH;
    if (r.at < end && r.base[r.at >> 3] >> (r.at & 7)) return GW_KEYS_PADDING;
    return r.key < dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
#endif
