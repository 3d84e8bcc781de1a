/* bitflag's decoder, for one level. */
#include "bitflag_locate_kernels.h"

/* Decodes batches of keys that end well before the payload does: first where gaps are, then the keys, so that neither waits for the other.
 * Stops in front of a block that cannot be located and of a batch whose keys do not increase. */
#if GW_LEVEL >= GW_AVX2
GW_INLINE void GW_AT(gw_bitflag_get_blocks)(gw_bitflag_reader *r, uint32_t *out)
{
    enum { BLOCK = GW_AT(GW_BITFLAG_BLOCK), ROOM = 8 * 320 /* more bits than a block looks at */ };
    GW_AT(gw_bitflag_map) map;
    for (;;) {
        const uint8_t *base = r->base + (r->at >> 3);
        int64_t m = 0, bits = r->at & 7, end = r->end - (r->at & ~(int64_t)7), total;
        for (; m < GW_AT(GW_BITFLAG_BATCH) && r->i + m + BLOCK <= r->n && end - bits >= ROOM; m += BLOCK, bits += total) {
            total = GW_AT(gw_bitflag_locate)(r, r->flags + m / 8 * r->f, bits, &map, m);
            if (total < 0) break;
        }
        if (m == 0) return;
        /* the first key has none before it */
        if (GW_AT(gw_bitflag_fetch_keys)(base, &map, m, r->key, r->i == 0, out + r->i)) return;
        r->flags += m / 8 * r->f;
        r->at += bits - (r->at & 7);
        r->i += m;
        r->key = out[r->i - 1];
    }
}
#else
GW_INLINE void GW_AT(gw_bitflag_get_blocks)(gw_bitflag_reader *r, uint32_t *out)
{
    (void)r, (void)out;
}
#endif

/* Reads `count` ≤ 8 gaps whose flags are the low bits of `word`; looks at up to 8 bytes behind the first bit of a gap. */
GW_INLINE int GW_AT(gw_bitflag_get)(gw_bitflag_reader *r, uint64_t word, int count, uint32_t *out)
{
    const uint8_t *base = r->base;
    uint64_t flag_mask = ((uint64_t)1 << r->f) - 1;
    uint32_t key = r->key;
    int64_t at = r->at;
    int nameless = 0, unordered = r->i == 0 ? -1 : 0; /* the first key has none before it: it counts as unordered */
    for (int j = 0; j < count; j++) {
        int flag = (int)(word & flag_mask);
        uint32_t gap = (uint32_t)(gw_load64(base + (at >> 3)) >> (at & 7)) & r->names.mask[flag];
        word >>= r->f;
        nameless |= flag > r->names.last;
        key += gap + 1;
        unordered += gap >= key; /* the sum passed 2^32 */
        at += r->names.width[flag];
        out[j] = key;
    }
    r->at = at;
    r->key = key;
    return nameless ? GW_KEYS_FLAG : at > r->end ? GW_KEYS_LENGTH : unordered ? GW_KEYS_ORDER : GW_KEYS_OK;
}

static int GW_AT(gw_bitflag_decode)(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, int f, uint64_t set, uint32_t *out)
{
    enum { LOOK = 8 * 4 + 8 }; /* bytes that eight gaps may look at */
    const uint8_t *flags_end = payload + (n * f + 7) / 8;
    uint8_t tail[2 * LOOK] = {0}; /* the last bytes once more, so that no load leaves the buffer */
    gw_bitflag_reader r = {.flags = payload, .base = flags_end, .end = 8 * (nbytes - (flags_end - payload)), .n = n, .f = f, .key = 0xFFFFFFFFu};
    gw_bitflag_name(set, &r.names);
    if (n * f % 8 && flags_end[-1] >> (n * f % 8)) return GW_KEYS_PADDING;
    while (r.i < n) {
        if (r.i % 64 == 0) GW_AT(gw_bitflag_get_blocks)(&r, out);
        if (r.base != tail && r.end - r.at < 8 * LOOK) {
            r.end -= r.at & ~(int64_t)7;
            memcpy(tail, r.base + (r.at >> 3), (size_t)(r.end >> 3));
            r.base = tail;
            r.at &= 7;
        }
        uint64_t word = 0;
        if (flags_end - r.flags >= 8) word = gw_load64(r.flags);
        else memcpy(&word, r.flags, (size_t)(flags_end - r.flags)), word = GW_LE64(word);
        int error = GW_AT(gw_bitflag_get)(&r, word, n - r.i < 8 ? (int)(n - r.i) : 8, out + r.i);
        if (error) return error;
        r.i += 8;
        r.flags += f;
    }
    if (r.end - r.at >= 8) return GW_KEYS_LENGTH;
    if (r.at < r.end && r.base[r.at >> 3] >> (r.at & 7)) return GW_KEYS_PADDING;
    return r.key < dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
