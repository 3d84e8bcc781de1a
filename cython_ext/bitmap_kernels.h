/* The loops of bitmap.h, for one level. */
static int64_t GW_AT(gw_bitmap_count)(const uint8_t *bitmap, int64_t nbytes)
{
    int64_t count = 0, i = 0;
    for (; i + 8 <= nbytes; i += 8) count += __builtin_popcountll(gw_load64(bitmap + i));
    for (; i < nbytes; i++) count += __builtin_popcountll(bitmap[i]);
    return count;
}

/* Writes the positions of the bits of `word`, plus base; returns how many. With room for 64 elements it may write them all. */
GW_INLINE int GW_AT(gw_bitmap_word)(uint64_t word, uint32_t base, int has_room, uint32_t *out)
{
    int count = __builtin_popcountll(word);
    if (has_room && word == ~(uint64_t)0) {
        for (uint32_t j = 0; j < 64; j++) out[j] = base + j;
        return 64;
    }
#if GW_LEVEL == GW_AVX512
    if (has_room) {
        __m512i position = _mm512_add_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32((int)base));
        for (int part = 0; part < 4; part++, word >>= 16) {
            _mm512_storeu_si512(out, _mm512_maskz_compress_epi32((__mmask16)word, position));
            out += __builtin_popcountll(word & 0xFFFF);
            position = _mm512_add_epi32(position, _mm512_set1_epi32(16));
        }
        return count;
    }
#elif GW_LEVEL == GW_AVX2
    if (has_room) {
        for (int part = 0; part < 8; part++, word >>= 8, base += 8) {
            __m256i position = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)gw_bitmap_positions[word & 255]));
            _mm256_storeu_si256((__m256i *)out, _mm256_add_epi32(position, _mm256_set1_epi32((int)base)));
            out += __builtin_popcountll(word & 255);
        }
        return count;
    }
#endif
    for (; word; word &= word - 1) *out++ = base + (uint32_t)__builtin_ctzll(word);
    return count;
}

static void GW_AT(gw_bitmap_decode)(const uint8_t *bitmap, int64_t nbytes, int64_t n, uint32_t *out)
{
    int64_t done = 0;
    for (int64_t i = 0; i < nbytes; i += 8) {
        uint64_t word = 0;
        if (nbytes - i >= 8) word = gw_load64(bitmap + i);
        else memcpy(&word, bitmap + i, (size_t)(nbytes - i)), word = GW_LE64(word);
        if (word) done += GW_AT(gw_bitmap_word)(word, (uint32_t)(8 * i), n - done >= 64, out + done);
    }
}
