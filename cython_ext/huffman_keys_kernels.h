/* The loops of huffman_keys.h, for one level. */

/* The width of a gap from the exponent of the double that it is exactly; 0 for 0. This vectorises at every level. */
GW_INLINE uint32_t GW_AT(gw_gap_width)(uint32_t gap)
{
    double exact = (double)gap;
    uint64_t bits;
    memcpy(&bits, &exact, 8);
    return gap ? (uint32_t)(bits >> 52) - 1022 : 0;
}

static int64_t GW_AT(gw_gap_widths)(const uint32_t *keys, int64_t n, uint16_t *widths)
{
    int64_t rest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t gap = i ? keys[i] - keys[i - 1] - 1 : keys[0], width = GW_AT(gw_gap_width)(gap);
        widths[i] = (uint16_t)width;
        rest += width - (width > 0);
    }
    return rest;
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

static int GW_AT(gw_gap_unpack)(const uint16_t *widths, int64_t n, const uint8_t *in, int64_t nbytes, uint64_t dim, uint32_t *keys)
{
    int64_t bit = 0;
    uint64_t key = UINT64_MAX, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t width = widths[i], top = width - (width > 0);
        int64_t at = bit >> 3, left = nbytes - at;
        uint64_t word = 0, gap;
        if (left >= 8) word = gw_load64(in + at);
        else
            for (int64_t j = 0; j < left; j++) word |= (uint64_t)in[at + j] << 8 * j;
        gap = (word >> (bit & 7) & (((uint64_t)1 << top) - 1)) | (uint64_t)(width > 0) << top;
        key += gap + 1;
        keys[i] = (uint32_t)key;
        largest = key > largest ? key : largest;
        bit += top;
    }
    if ((bit + 7) / 8 != nbytes) return GW_KEYS_LENGTH;
    if (bit & 7 && in[bit >> 3] >> (bit & 7)) return GW_KEYS_PADDING;
    return n && largest >= dim ? GW_KEYS_ORDER : GW_KEYS_OK;
}
