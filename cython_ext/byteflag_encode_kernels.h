/* byteflag's encoder, for one level. `kept` words have a bit for each byte of the gaps, set if the payload has the byte. */
static int64_t GW_AT(gw_byteflag_measure)(const uint32_t *keys, int64_t n, uint64_t dim, int three)
{
    int64_t above1, above2, above3;
    uint32_t refused = 0;
    if (n == 0) return 0;
    above1 = keys[0] > 0xFF;
    above2 = keys[0] > 0xFFFF;
    above3 = keys[0] > 0xFFFFFF;
    for (int64_t start = 1; start < n; start += 1 << 20) {      /* 32-bit counters inside a chunk: twice the vector width */
        int64_t stop = n - start < 1 << 20 ? n : start + (1 << 20);
        uint32_t c1 = 0, c2 = 0, c3 = 0;
        for (int64_t i = start; i < stop; i++) {
            uint32_t gap = keys[i] - keys[i - 1];
            refused |= keys[i] <= keys[i - 1];
            c1 += (gap >> 8) != 0;
            c2 += (gap >> 16) != 0;
            c3 += (gap >> 24) != 0;
        }
        above1 += c1;
        above2 += c2;
        above3 += c3;
    }
    if (refused || keys[n - 1] >= dim) return -1;
    return (n + 3) / 4 + n + above1 + above2 + (three ? above3 : above2);
}

#if GW_LEVEL >= GW_AVX2
/* Flags of 16 or 8 gaps: b1 ^ b2 ^ b3 and b2, with b1 ≥ b2 ≥ b3 the bits of a gap's upper bytes. */
GW_INLINE uint32_t GW_AT(gw_byteflag_flags)(uint64_t kept)
{
    uint64_t low = _pext_u64(kept, 0x6666666666666666u), high = _pext_u64(kept, 0xCCCCCCCCCCCCCCCCu);
    return (uint32_t)(low ^ ((high ^ high >> 1) & 0x55555555u));
}
#endif

#if GW_LEVEL == GW_AVX512
/* Encodes whole blocks of 16 keys; returns how many keys, *p moves on. */
GW_INLINE int64_t GW_AT(gw_byteflag_encode_blocks)(const uint32_t *keys, int64_t n, int three, uint8_t *flags, uint8_t **p)
{
    const uint64_t full = three ? 0 : 0x4444444444444444u;     /* the third bytes that bring a fourth along */
    __m512i before = _mm512_setzero_si512();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i now = _mm512_loadu_si512(keys + i), gaps = _mm512_sub_epi32(now, _mm512_alignr_epi32(now, before, 15));
        __m512i smeared = _mm512_or_si512(gaps, _mm512_srli_epi32(gaps, 8));
        smeared = _mm512_ternarylogic_epi32(smeared, _mm512_srli_epi32(smeared, 16), _mm512_set1_epi32(1), 0xFE);
        uint64_t kept = _mm512_test_epi8_mask(smeared, smeared);
        kept |= (kept & full) << 1;
        _mm512_storeu_si512(*p, _mm512_maskz_compress_epi8(kept, gaps));
        gw_store32(flags + i / 4, GW_AT(gw_byteflag_flags)(kept));
        *p += _mm_popcnt_u64(kept);
        before = now;
    }
    return i;
}
#elif GW_LEVEL == GW_AVX2
/* Encodes whole blocks of 8 keys; returns how many keys, *p moves on. */
GW_INLINE int64_t GW_AT(gw_byteflag_encode_blocks)(const uint32_t *keys, int64_t n, int three, uint8_t *flags, uint8_t **p)
{
    const uint32_t full = three ? 0 : 0x44444444u;
    const __m256i turn = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6);
    __m256i before = _mm256_setzero_si256();
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i now = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(keys + i)), turn);     /* key 7 first */
        __m256i gaps = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(keys + i)), _mm256_blend_epi32(now, before, 1));
        __m256i smeared = _mm256_or_si256(gaps, _mm256_srli_epi32(gaps, 8));
        smeared = _mm256_or_si256(smeared, _mm256_srli_epi32(smeared, 16));
        uint32_t kept = 0x11111111u | ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(smeared, _mm256_setzero_si256()));
        kept |= (kept & full) << 1;
        uint32_t word = GW_AT(gw_byteflag_flags)(kept);
        const __m128i *first = (const __m128i *)gw_byteflag_close[word & 255], *second = (const __m128i *)gw_byteflag_close[word >> 8];
        __m256i closed = _mm256_shuffle_epi8(gaps, _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(first)), _mm_loadu_si128(second), 1));
        _mm_storeu_si128((__m128i *)*p, _mm256_castsi256_si128(closed));
        *p += gw_byteflag_length[word & 255];
        _mm_storeu_si128((__m128i *)*p, _mm256_extracti128_si256(closed, 1));
        *p += gw_byteflag_length[word >> 8];
        flags[i / 4] = (uint8_t)word;
        flags[i / 4 + 1] = (uint8_t)(word >> 8);
        before = now;
    }
    return i;
}
#else
GW_INLINE int64_t GW_AT(gw_byteflag_encode_blocks)(const uint32_t *keys, int64_t n, int three, uint8_t *flags, uint8_t **p)
{
    (void)keys, (void)n, (void)three, (void)flags, (void)p;
    return 0;
}
#endif

GW_INLINE uint32_t GW_AT(gw_byteflag_put)(uint32_t gap, int three, uint8_t **p)
{
    uint32_t flag = (gap > 0xFF) + (gap > 0xFFFF) + (three ? gap > 0xFFFFFF : gap > 0xFFFF);
    gw_store32(*p, gap);
    *p += flag + 1;
    return flag;
}

static int64_t GW_AT(gw_byteflag_encode)(const uint32_t *keys, int64_t n, int three, uint8_t *out)
{
    uint8_t *p = out + (n + 3) / 4;
    int64_t i = GW_AT(gw_byteflag_encode_blocks)(keys, n, three, out, &p);
    uint32_t before = i ? keys[i - 1] : 0;
    for (; i + 4 <= n; i += 4) {
        uint32_t f0 = GW_AT(gw_byteflag_put)(keys[i] - before, three, &p);
        uint32_t f1 = GW_AT(gw_byteflag_put)(keys[i + 1] - keys[i], three, &p);
        uint32_t f2 = GW_AT(gw_byteflag_put)(keys[i + 2] - keys[i + 1], three, &p);
        uint32_t f3 = GW_AT(gw_byteflag_put)(keys[i + 3] - keys[i + 2], three, &p);
        before = keys[i + 3];
        out[i / 4] = (uint8_t)(f0 | f1 << 2 | f2 << 4 | f3 << 6);
    }
    if (i < n) {
        uint32_t byte = 0;
        for (int64_t j = i; j < n; j++) {
            byte |= GW_AT(gw_byteflag_put)(keys[j] - before, three, &p) << 2 * (j - i);
            before = keys[j];
        }
        out[i / 4] = (uint8_t)byte;
    }
    return p - out;
}
