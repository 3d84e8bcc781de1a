/* The loops of bitpack.h, for one level. All widths but 8 and 16 go through the vectors first, then through groups of eight.
 *
 * Packing, eight codes in each 128-bit lane: neighbours are joined to 2 * bits bits in 32, then to 4 * bits in 64; the upper 64 are moved
 * up by half a byte if they start there, and a byte shuffle joins the two halves. Unpacking shuffles to each code the bytes that hold it
 * and shifts. */

#if GW_LEVEL >= GW_AVX2
/* Byte k of a packed group of eight: from the low half if it has bits there, plus from the high half if it has. Index 128 gives 0. */
GW_INLINE void GW_AT(gw_pack_shuffles)(int bits, uint8_t *low, uint8_t *high)
{
    for (int k = 0; k < 16; k++) {
        low[k] = (uint8_t)(8 * k < 4 * bits ? k : 128);
        high[k] = (uint8_t)(8 * k + 8 > 4 * bits && k < bits ? 8 + k - bits / 2 : 128);
    }
}
#endif

#if GW_LEVEL == GW_AVX512
GW_INLINE int64_t GW_AT(gw_pack_vectors)(const uint16_t *codes, int64_t n, int bits, uint8_t *out, int64_t room)
{
    uint8_t low[16], high[16], lows[64], highs[64];
    int64_t i = 0, whole = gw_safe_codes(n, bits, room, 32, 64);
    GW_AT(gw_pack_shuffles)(bits, low, high);
    memset(lows, 0, sizeof lows);
    memset(highs, 0, sizeof highs);
    uint64_t has_low = 0, has_high = 0;
    for (int k = 0; k < 4 * bits; k++) {
        int lane = k / bits, at = k % bits;
        lows[k] = (uint8_t)(16 * lane + low[at]);
        highs[k] = (uint8_t)(16 * lane + high[at]);
        has_low |= (uint64_t)(low[at] < 128) << k;
        has_high |= (uint64_t)(high[at] < 128) << k;
    }
    __m512i from_low = _mm512_loadu_si512(lows), from_high = _mm512_loadu_si512(highs);
    __m512i half = _mm512_set_epi64(bits % 2 * 4, 0, bits % 2 * 4, 0, bits % 2 * 4, 0, bits % 2 * 4, 0);
    __m128i once = _mm_cvtsi32_si128(16 - bits), twice = _mm_cvtsi32_si128(32 - 2 * bits);
    for (; i < whole; i += 32, out += 4 * bits) {
        __m512i x = _mm512_loadu_si512(codes + i);
        x = _mm512_mask_sll_epi16(x, 0x55555555u, x, once);         /* even ones to the top of their 16 bits, then all down: joined */
        x = _mm512_srl_epi32(x, once);
        x = _mm512_mask_sll_epi32(x, 0x5555, x, twice);
        x = _mm512_srl_epi64(x, twice);
        x = _mm512_sllv_epi64(x, half);
        x = _mm512_or_si512(_mm512_maskz_permutexvar_epi8(has_low, from_low, x), _mm512_maskz_permutexvar_epi8(has_high, from_high, x));
        _mm512_storeu_si512(out, x);
    }
    return i;
}

GW_INLINE int64_t GW_AT(gw_unpack_vectors)(const uint8_t *in, int64_t n, int bits, uint16_t *codes, int64_t room)
{
    uint8_t bytes[64], shifts[64];
    int64_t i = 0, whole = gw_safe_codes(n, bits, room, 32, 64);
    for (int k = 0; k < 64; k++) {
        int first = k / 8 * 4 * bits, bit = k / 2 % 4 * bits + first % 8 + k % 2 * 8;      /* of the 64 that hold four codes */
        bytes[k] = (uint8_t)(first / 8 + k % 8);
        shifts[k] = (uint8_t)(bit % 64);                            /* it wraps only for bits that the mask drops */
    }
    __m512i from = _mm512_loadu_si512(bytes), shift = _mm512_loadu_si512(shifts), mask = _mm512_set1_epi16((short)((1 << bits) - 1));
    for (; i < whole; i += 32, in += 4 * bits) {
        __m512i x = _mm512_permutexvar_epi8(from, _mm512_loadu_si512(in));
        _mm512_storeu_si512(codes + i, _mm512_and_si512(_mm512_multishift_epi64_epi8(shift, x), mask));
    }
    return i;
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE int64_t GW_AT(gw_pack_vectors)(const uint16_t *codes, int64_t n, int bits, uint8_t *out, int64_t room)
{
    uint8_t low[16], high[16];
    int64_t i = 0, whole = gw_safe_codes(n, bits, room, 16, bits + 16);
    GW_AT(gw_pack_shuffles)(bits, low, high);
    __m256i from_low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low));
    __m256i from_high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high));
    __m256i odd = _mm256_set1_epi32((int)0xFFFF0000u), half = _mm256_set_epi64x(bits % 2 * 4, 0, bits % 2 * 4, 0);
    __m256i twice = _mm256_set1_epi64x(32 - 2 * bits);
    __m128i once = _mm_cvtsi32_si128(16 - bits), down = _mm_cvtsi32_si128(32 - 2 * bits);
    for (; i < whole; i += 16, out += 2 * bits) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(codes + i));
        x = _mm256_srl_epi32(_mm256_blendv_epi8(_mm256_sll_epi16(x, once), x, odd), once);      /* as above */
        x = _mm256_srl_epi64(_mm256_sllv_epi32(x, twice), down);
        x = _mm256_sllv_epi64(x, half);
        x = _mm256_or_si256(_mm256_shuffle_epi8(x, from_low), _mm256_shuffle_epi8(x, from_high));
        _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(x));
        _mm_storeu_si128((__m128i *)(out + bits), _mm256_extracti128_si256(x, 1));
    }
    return i;
}

GW_INLINE int64_t GW_AT(gw_unpack_vectors)(const uint8_t *in, int64_t n, int bits, uint16_t *codes, int64_t room)
{
    uint8_t bytes[32];
    uint32_t shifts[8];
    int64_t i = 0, whole = gw_safe_codes(n, bits, room, 16, bits + 16);
    for (int j = 0; j < 8; j++) {
        int byte = j * bits / 8;
        shifts[j] = (uint32_t)(j * bits % 8);
        for (int k = 0; k < 4; k++) bytes[4 * j + k] = (uint8_t)(byte + k < 16 ? byte + k : 128);
    }
    __m256i from = _mm256_loadu_si256((const __m256i *)bytes), shift = _mm256_loadu_si256((const __m256i *)shifts);
    __m256i mask = _mm256_set1_epi32((1 << bits) - 1);
    for (; i < whole; i += 16, in += 2 * bits) {
        __m256i x = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)in));
        __m256i y = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(in + bits)));
        x = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(x, from), shift), mask);
        y = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(y, from), shift), mask);
        x = _mm256_permute4x64_epi64(_mm256_packus_epi32(x, y), 0xD8);
        _mm256_storeu_si256((__m256i *)(codes + i), x);
    }
    return i;
}
#else
GW_INLINE int64_t GW_AT(gw_pack_vectors)(const uint16_t *codes, int64_t n, int bits, uint8_t *out, int64_t room)
{
    int64_t i = 0, whole = gw_safe_codes(n, bits, room, 8, 16);
    for (; i < whole; i += 8) gw_pack8(codes + i, bits, out + i / 8 * bits);
    return i;
}

GW_INLINE int64_t GW_AT(gw_unpack_vectors)(const uint8_t *in, int64_t n, int bits, uint16_t *codes, int64_t room)
{
    int64_t i = 0, whole = gw_safe_codes(n, bits, room, 8, 16);
    for (; i < whole; i += 8) gw_unpack8(in + i / 8 * bits, bits, codes + i);
    return i;
}
#endif

GW_UNUSED static void GW_AT(gw_pack)(const uint16_t *codes, int64_t n, int bits, uint8_t *out, int64_t room)
{
    int64_t i = 0;
    if (bits == 16) {
        memcpy(out, codes, (size_t)n * 2);
        return;
    }
    if (bits == 8) {
        for (; i < n; i++) out[i] = (uint8_t)codes[i];
        return;
    }
    i = GW_AT(gw_pack_vectors)(codes, n, bits, out, room);
    for (; i < n; i += 8) {
        uint16_t group[8] = {0};
        uint8_t bytes[16] = {0};
        int64_t left = n - i < 8 ? n - i : 8;
        memcpy(group, codes + i, (size_t)left * 2);
        gw_pack8(group, bits, bytes);
        memcpy(out + i / 8 * bits, bytes, (size_t)gw_packed_nbytes(left, bits));
    }
}

GW_UNUSED static void GW_AT(gw_unpack)(const uint8_t *in, int64_t n, int bits, uint16_t *codes, int64_t room)
{
    int64_t i = 0;
    if (bits == 16) {
        memcpy(codes, in, (size_t)n * 2);
        return;
    }
    if (bits == 8) {
        for (; i < n; i++) codes[i] = in[i];
        return;
    }
    i = GW_AT(gw_unpack_vectors)(in, n, bits, codes, room);
    for (; i < n; i += 8) {
        uint16_t group[8];
        uint8_t bytes[16] = {0};
        int64_t left = n - i < 8 ? n - i : 8;
        memcpy(bytes, in + i / 8 * bits, (size_t)gw_packed_nbytes(left, bits));
        gw_unpack8(bytes, bits, group);
        memcpy(codes + i, group, (size_t)left * 2);
    }
}
