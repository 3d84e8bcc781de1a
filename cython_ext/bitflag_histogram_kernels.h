/* bitflag's histogram of the gaps' bit widths, for one level: widths as bytes, then one comparison per byte and width that occurs. */
#if GW_LEVEL == GW_AVX512
enum { GW_AT(GW_BITFLAG_LANES) = 64 };
#elif GW_LEVEL == GW_AVX2
enum { GW_AT(GW_BITFLAG_LANES) = 32 };
#else
enum { GW_AT(GW_BITFLAG_LANES) = 16 };
#endif
typedef uint8_t GW_AT(gw_bitflag_lanes) __attribute__((vector_size(GW_AT(GW_BITFLAG_LANES))));

/* The bit widths of the gaps in front of `count` keys. Returns the gaps, or-ed; sets *refused if a key does not exceed the one before. */
GW_INLINE uint32_t GW_AT(gw_bitflag_measure)(const uint32_t *keys, int64_t count, uint8_t *restrict width, uint32_t *refused)
{
    uint32_t all = 0, unordered = 0;
    int64_t i = 0;
#if GW_LEVEL == GW_AVX512
    const __m512i one = _mm512_set1_epi32(1);
    __m512i any = _mm512_setzero_si512();
    for (; i + 16 <= count; i += 16) {
        __m512i now = _mm512_loadu_si512(keys + i), gaps = _mm512_sub_epi32(_mm512_sub_epi32(now, _mm512_loadu_si512(keys + i - 1)), one);
        __m512i widths = _mm512_sub_epi32(_mm512_set1_epi32(32), _mm512_lzcnt_epi32(gaps));
        any = _mm512_or_si512(any, gaps);
        unordered |= _mm512_cmpge_epu32_mask(gaps, now);
        _mm_storeu_si128((__m128i *)(width + i), _mm512_cvtepi32_epi8(widths));
    }
    all = (uint32_t)_mm512_reduce_or_epi32(any);
#endif
    for (; i < count; i++) {
        uint32_t gap = keys[i] - keys[i - 1] - 1, bits;
        /* The exponent of the gap + ½. Without the bit below the first it is not rounded up to the next power of two; 2^31 is negative. */
        float number = (float)(int32_t)(gap & ~(gap >> 1)) + 0.5f;
        memcpy(&bits, &number, 4);
        bits >>= 23;
        width[i] = (uint8_t)((bits < 158 ? bits : 158) - 126);
        all |= gap;
        unordered |= gap >= keys[i];
    }
    *refused |= unordered;
    return all;
}

/* Adds to counts[b] … counts[b + 3] how many of m ≤ 255 · GW_BITFLAG_LANES bytes are b … b + 3. */
GW_INLINE void GW_AT(gw_bitflag_count4)(const uint8_t *width, int64_t m, int b, int64_t *counts)
{
    GW_AT(gw_bitflag_lanes) lane[4] = {{0}}, w;
    for (int64_t i = 0; i < m; i += GW_AT(GW_BITFLAG_LANES)) {
        memcpy(&w, width + i, sizeof w);
        for (int k = 0; k < 4; k++) lane[k] -= (GW_AT(gw_bitflag_lanes))(w == (uint8_t)(b + k));
    }
    for (int k = 0; k < 4; k++)
        for (int j = 0; j < GW_AT(GW_BITFLAG_LANES); j++) counts[b + k] += lane[k][j];
}

static int GW_AT(gw_bitflag_histogram)(const uint32_t *keys, int64_t n, uint64_t dim, int64_t *counts)
{
    enum { CHUNK = 255 * GW_AT(GW_BITFLAG_LANES) / 4, PADDED = CHUNK + GW_AT(GW_BITFLAG_LANES) };
    int64_t found[GW_BITFLAG_WIDTHS + 3] = {0};
    uint8_t width[PADDED];
    uint32_t refused = 0;
    found[gw_bit_width(keys[0])] = 1;
    for (int64_t start = 1; start < n; start += CHUNK) {
        int64_t m = n - start < CHUNK ? n - start : CHUNK;
        int largest = gw_bit_width(GW_AT(gw_bitflag_measure)(keys + start, m, width, &refused));
        memset(width + m, 255, GW_AT(GW_BITFLAG_LANES));
        for (int b = 0; b <= largest; b += 4) GW_AT(gw_bitflag_count4)(width, m, b, found);
    }
    memcpy(counts, found, GW_BITFLAG_WIDTHS * sizeof *counts);
    return !refused && keys[n - 1] < dim;
}
