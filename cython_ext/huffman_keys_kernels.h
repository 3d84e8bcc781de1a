/* The loops of huffman_keys.h, for one level. */

/* The width of a gap from the exponent of a float, in loops that vectorise at every level. Without the bit behind its leading one a gap is
 * not rounded up to the next power of two; one with bit 31 is a negative integer, whose width is known. */
GW_INLINE int32_t GW_AT(gw_gap_width)(uint32_t gap)
{
    float rounded = (float)(int32_t)(gap & ~(gap >> 1));
    uint32_t bits;
    memcpy(&bits, &rounded, 4);
    int32_t width = (int32_t)(bits >> 23 & 255) - 126, least = (int32_t)(gap >> 31 << 5);
    return width > least ? width : least;
}

static int64_t GW_AT(gw_gap_widths)(const uint32_t *keys, int64_t n, uint16_t *restrict widths)
{
    int64_t rest = 0;
    for (int64_t i = 1; i < n; i++) {
        int32_t width = GW_AT(gw_gap_width)(keys[i] - keys[i - 1] - 1);
        widths[i] = (uint16_t)width;
        rest += width - (width > 0);
    }
    widths[0] = (uint16_t)GW_AT(gw_gap_width)(keys[0]);
    return rest + widths[0] - (widths[0] > 0);
}

static void GW_AT(gw_gap_pack)(const uint32_t *keys, int64_t n, uint8_t *out)
{
    uint64_t word = 0;
    uint32_t fill = 0, before = (uint32_t)-1;
    for (int64_t i = 0; i < n; i++) {
        uint32_t gap = keys[i] - before - 1, top = 63 - (uint32_t)__builtin_clzll((uint64_t)gap | 1);
        before = keys[i];
        word |= (uint64_t)(gap & ((1u << top) - 1)) << fill;
        fill += top;
        gw_store64(out, word);
        out += fill >> 3;
        word >>= fill & 56;
        fill &= 7;
    }
    gw_store64(out, word);
}

/* The next key from the low bits of `word`; advances the bit and the key. */
GW_INLINE uint32_t GW_AT(gw_gap_next)(uint64_t word, uint32_t width, int64_t *bit, uint64_t *key)
{
    uint32_t some = width > 0, top = width - some;
    *key += ((word & (((uint64_t)1 << top) - 1)) | (uint64_t)some << top) + 1;
    *bit += top;
    return (uint32_t)*key;
}

static int GW_AT(gw_gap_unpack)(const uint16_t *widths, int64_t n, const uint8_t *in, int64_t nbytes, uint64_t dim, uint32_t *keys)
{
    int64_t bit = 0, i = 0;
    uint64_t key = UINT64_MAX;          /* n gaps of up to 2^32 do not wrap it around again */
    for (; i + 8 <= n && (bit >> 3) + 8 * 31 / 8 + 8 <= nbytes; i += 8)
        for (int j = 0; j < 8; j++)
            keys[i + j] = GW_AT(gw_gap_next)(gw_load64(in + (bit >> 3)) >> (bit & 7), widths[i + j], &bit, &key);
    for (; i < n; i++) {
        uint64_t word = 0;
        for (int64_t j = bit >> 3, k = 0; j < nbytes && k < 8; j++, k++) word |= (uint64_t)in[j] << 8 * k;
        keys[i] = GW_AT(gw_gap_next)(word >> (bit & 7), widths[i], &bit, &key);
    }
    if ((bit + 7) / 8 != nbytes) return GW_KEYS_LENGTH;
    if (bit & 7 && in[bit >> 3] >> (bit & 7)) return GW_KEYS_PADDING;
    return n && key >= dim ? GW_KEYS_ORDER : GW_KEYS_OK;
}
