/* bitflag's histogram of the gaps' bit widths, for one level: widths as bytes, then one comparison per byte and width that occurs. */

/* The bit widths of the gaps in front of `count` keys. Returns the gaps, or-ed; sets *refused if a key does not exceed the one before. */
GW_INLINE uint32_t GW_AT(gw_bitflag_measure)(const uint32_t *keys, int64_t count, uint8_t *restrict width, uint32_t *refused)
{
    uint32_t all = 0, unordered = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t gap = keys[i] - keys[i - 1] - 1, bits;
        all |= gap;
        unordered |= gap >= keys[i];
#if GW_LEVEL == GW_AVX512
        width[i] = (uint8_t)(32 - (gap ? __builtin_clz(gap) : 32));
#else
        /* The exponent of the gap + ½. Without the bit below the first it is not rounded up to the next power of two; 2^31 is negative. */
        float number = (float)(int32_t)(gap & ~(gap >> 1)) + 0.5f;
        memcpy(&bits, &number, 4);
        bits >>= 23;
        width[i] = (uint8_t)((bits < 158 ? bits : 158) - 126);
#endif
    }
    *refused |= unordered;
    return all;
}

static int GW_AT(gw_bitflag_histogram)(const uint32_t *keys, int64_t n, uint64_t dim, int64_t *counts)
{
    enum { CHUNK = 8192, LANES = 64 }; /* a lane counts to CHUNK / LANES, in a byte */
    uint8_t width[CHUNK];
    uint32_t refused = 0;
    memset(counts, 0, GW_BITFLAG_WIDTHS * sizeof *counts);
    counts[gw_bit_width(keys[0])] = 1;
    for (int64_t start = 1; start < n; start += CHUNK) {
        int64_t m = n - start < CHUNK ? n - start : CHUNK, rest = m;
        int largest = gw_bit_width(GW_AT(gw_bitflag_measure)(keys + start, m, width, &refused));
        for (int64_t i = m; i % LANES; i++) width[i] = 255;
        for (int b = 0; b < largest; b++) {
            uint8_t lane[LANES] = {0};
            uint32_t count = 0;
            for (int64_t i = 0; i < m; i += LANES)
                for (int j = 0; j < LANES; j++) lane[j] += width[i + j] == b;
            for (int j = 0; j < LANES; j++) count += lane[j];
            counts[b] += count;
            rest -= count;
        }
        counts[largest] += rest;
    }
    return !refused && keys[n - 1] < dim;
}
