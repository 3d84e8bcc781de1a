/* The loops of trits.h, for one level: all are loops over bytes that the compiler vectorises. */
GW_INLINE void GW_AT(gw_trits_pack_block)(const uint8_t *restrict c, int m, uint8_t *restrict out)
{
    for (int j = 0; j < m; j++) out[j] = (uint8_t)(c[j] + 3 * c[j + m] + 9 * c[j + 2 * m] + 27 * c[j + 3 * m] + 81 * c[j + 4 * m]);
}

/* x / 3 = x * 171 / 512 for every byte x. */
GW_INLINE uint8_t GW_AT(gw_trits_unpack_block)(const uint8_t *restrict in, int m, uint8_t *restrict c)
{
    uint8_t largest = 0;
    for (int j = 0; j < m; j++) {
        uint16_t x = in[j], third = (uint16_t)(x * 171 >> 9), ninth = (uint16_t)(third * 171 >> 9);
        uint16_t q = (uint16_t)(ninth * 171 >> 9), r = (uint16_t)(q * 171 >> 9);
        largest = in[j] > largest ? in[j] : largest;
        c[j] = (uint8_t)(x - 3 * third);
        c[j + m] = (uint8_t)(third - 3 * ninth);
        c[j + 2 * m] = (uint8_t)(ninth - 3 * q);
        c[j + 3 * m] = (uint8_t)(q - 3 * r);
        c[j + 4 * m] = (uint8_t)r;
    }
    return largest;
}

static void GW_AT(gw_trits_pack)(const uint8_t *codes, int64_t n, uint8_t *out)
{
    uint8_t last[GW_TRITS_BLOCK] = {0};
    for (; n >= GW_TRITS_BLOCK; n -= GW_TRITS_BLOCK, codes += GW_TRITS_BLOCK, out += GW_TRITS_BYTES)
        GW_AT(gw_trits_pack_block)(codes, GW_TRITS_BYTES, out);
    memcpy(last, codes, (size_t)n);
    GW_AT(gw_trits_pack_block)(last, (int)(n + 4) / 5, out);
}

static int GW_AT(gw_trits_unpack)(const uint8_t *in, int64_t n, uint8_t *codes)
{
    uint8_t last[GW_TRITS_BLOCK], largest = 0, found;
    for (; n >= GW_TRITS_BLOCK; n -= GW_TRITS_BLOCK, codes += GW_TRITS_BLOCK, in += GW_TRITS_BYTES) {
        found = GW_AT(gw_trits_unpack_block)(in, GW_TRITS_BYTES, codes);
        largest = found > largest ? found : largest;
    }
    found = GW_AT(gw_trits_unpack_block)(in, (int)(n + 4) / 5, last);
    memcpy(codes, last, (size_t)n);
    return (found > largest ? found : largest) > 242;
}
