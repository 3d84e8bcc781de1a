/* The loops of natural.h, for one level. */
#include "random_block.h"

/* One block: the rounded exponent fields, 255 where rounding made or found infinity, and the signs (0x80 or 0).
 * Returns 2^31 if an input is NaN or infinite. */
GW_INLINE uint32_t GW_AT(gw_natural_round)(const float *values, uint32_t first, uint64_t seed, int stochastic,
                                    uint8_t *restrict fields, uint8_t *restrict signs)
{
    uint32_t nonfinite = 0, random[GW_NATURAL_BLOCK];
    if (stochastic) GW_AT(gw_random_block)(seed, first, random);
    for (uint32_t j = 0; j < GW_NATURAL_BLOCK; j++) {
        uint32_t bits;
        memcpy(&bits, values + j, 4);
        nonfinite |= (bits & 0x7FFFFFFFu) + 0x00800000u;
        fields[j] = (uint8_t)(((bits & 0x7FFFFFFFu) + (stochastic ? random[j] >> 9 : (uint32_t)1 << 22)) >> 23);
        signs[j] = (uint8_t)(bits >> 24 & 0x80u);
    }
    return nonfinite & 0x80000000u;
}

#if GW_X86 && GW_LEVEL == GW_SCALAR
/* The narrowing packs of SSE2 saturate, so signs stay signs; with the masks that a plain uint8_t cast needs it takes twice as long. */
GW_INLINE uint32_t GW_AT(gw_encode9_block)(const float *values, uint32_t first, uint64_t seed, int stochastic, uint8_t *fields, uint8_t *bitmap)
{
    uint32_t random[GW_NATURAL_BLOCK], half = 0x80000000u;
    __m128i nonfinite = _mm_setzero_si128(), magnitude = _mm_set1_epi32(0x7FFFFFFF);
    if (stochastic) GW_AT(gw_random_block)(seed, first, random);
    for (int j = 0; j < GW_NATURAL_BLOCK; j += 16) {
        __m128i bits[4], rounded[4];
        for (int k = 0; k < 4; k++) {
            bits[k] = _mm_loadu_si128((const __m128i *)(values + j + 4 * k));
            __m128i r = stochastic ? _mm_loadu_si128((const __m128i *)(random + j + 4 * k)) : _mm_set1_epi32((int)half);
            __m128i m = _mm_and_si128(bits[k], magnitude);
            nonfinite = _mm_or_si128(nonfinite, _mm_add_epi32(m, _mm_set1_epi32(0x00800000)));
            rounded[k] = _mm_srli_epi32(_mm_add_epi32(m, _mm_srli_epi32(r, 9)), 23);
        }
        __m128i packed = _mm_packus_epi16(_mm_packs_epi32(rounded[0], rounded[1]), _mm_packs_epi32(rounded[2], rounded[3]));
        _mm_storeu_si128((__m128i *)(fields + j), _mm_min_epu8(packed, _mm_set1_epi8((char)254)));
        __m128i signs = _mm_packs_epi16(_mm_packs_epi32(bits[0], bits[1]), _mm_packs_epi32(bits[2], bits[3]));
        uint16_t mask = (uint16_t)_mm_movemask_epi8(signs);
        memcpy(bitmap + j / 8, &mask, 2);
    }
    return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(nonfinite));
}
#else
GW_INLINE uint32_t GW_AT(gw_encode9_block)(const float *values, uint32_t first, uint64_t seed, int stochastic, uint8_t *fields, uint8_t *bitmap)
{
    uint8_t rounded[GW_NATURAL_BLOCK], signs[GW_NATURAL_BLOCK];
    uint32_t nonfinite = GW_AT(gw_natural_round)(values, first, seed, stochastic, rounded, signs);
    for (int j = 0; j < GW_NATURAL_BLOCK; j++) fields[j] = rounded[j] < 254 ? rounded[j] : 254;
    for (int j = 0; j < GW_NATURAL_BLOCK / 8; j++) bitmap[j] = gw_pack_signs(signs + 8 * j);
    return nonfinite;
}
#endif

GW_INLINE uint32_t GW_AT(gw_encode8_block)(const float *values, uint32_t first, uint64_t seed, int stochastic, uint8_t *codes)
{
    uint8_t rounded[GW_NATURAL_BLOCK], signs[GW_NATURAL_BLOCK];
    uint32_t nonfinite = GW_AT(gw_natural_round)(values, first, seed, stochastic, rounded, signs), below = 0;
    for (int j = 0; j < GW_NATURAL_BLOCK; j++) {
        uint8_t field = rounded[j] > GW_NATURAL_OFFSET ? rounded[j] : GW_NATURAL_OFFSET, code = field - GW_NATURAL_OFFSET;
        codes[j] = signs[j] | (code < 127 ? code : 127);
        below |= rounded[j] <= GW_NATURAL_OFFSET + 1;       /* the carry may have lifted field 17 to 18 */
    }
    for (uint32_t j = 0; below && j < GW_NATURAL_BLOCK; j++) {     /* rare but for zeros */
        uint32_t magnitude, field, mantissa, r;
        memcpy(&magnitude, values + j, 4);
        magnitude &= 0x7FFFFFFFu;
        field = magnitude >> 23;
        if (magnitude == 0 || field > GW_NATURAL_OFFSET) continue;
        mantissa = (magnitude & 0x7FFFFFu) | (field ? 0x800000u : 0);
        r = stochastic ? gw_random32(seed, first + j) : 0x7FFFFFFFu;
        codes[j] = signs[j] | (r < mantissa << 8 >> (GW_NATURAL_OFFSET - (field ? field : 1)));
    }
    return nonfinite;
}

GW_INLINE uint32_t GW_AT(gw_encode_as)(const float *values, int64_t n, uint64_t seed, int stochastic, int wide, uint8_t *codes, uint8_t *bitmap)
{
    int64_t i = 0;
    uint32_t nonfinite = 0;
    for (; i + GW_NATURAL_BLOCK <= n; i += GW_NATURAL_BLOCK)
        nonfinite |= wide ? GW_AT(gw_encode9_block)(values + i, (uint32_t)i, seed, stochastic, codes + i, bitmap + i / 8)
                          : GW_AT(gw_encode8_block)(values + i, (uint32_t)i, seed, stochastic, codes + i);
    if (i < n) {
        float last[GW_NATURAL_BLOCK] = {0};
        uint8_t last_codes[GW_NATURAL_BLOCK], last_bitmap[GW_NATURAL_BLOCK / 8];
        memcpy(last, values + i, (size_t)(n - i) * 4);
        nonfinite |= wide ? GW_AT(gw_encode9_block)(last, (uint32_t)i, seed, stochastic, last_codes, last_bitmap)
                          : GW_AT(gw_encode8_block)(last, (uint32_t)i, seed, stochastic, last_codes);
        memcpy(codes + i, last_codes, (size_t)(n - i));
        if (wide) memcpy(bitmap + i / 8, last_bitmap, (size_t)((n - i + 7) / 8));
    }
    return nonfinite;
}

static uint32_t GW_AT(gw_natural_encode9)(const float *values, int64_t n, uint64_t seed, int stochastic, uint8_t *fields, uint8_t *bitmap)
{
    return stochastic ? GW_AT(gw_encode_as)(values, n, seed, 1, 1, fields, bitmap) : GW_AT(gw_encode_as)(values, n, seed, 0, 1, fields, bitmap);
}

static uint32_t GW_AT(gw_natural_encode8)(const float *values, int64_t n, uint64_t seed, int stochastic, uint8_t *codes)
{
    return stochastic ? GW_AT(gw_encode_as)(values, n, seed, 1, 0, codes, NULL) : GW_AT(gw_encode_as)(values, n, seed, 0, 0, codes, NULL);
}

#if GW_LEVEL == GW_AVX512
GW_INLINE uint32_t GW_AT(gw_decode9_block)(const uint8_t *fields, const uint8_t *bitmap, float *restrict out)
{
    __m512i sign = _mm512_set1_epi32((int)0x80000000u);
    for (int j = 0; j < GW_NATURAL_BLOCK; j += 16) {
        uint16_t signs;
        memcpy(&signs, bitmap + j / 8, 2);
        __m512i bits = _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(fields + j))), 23);
        _mm512_storeu_si512(out + j, _mm512_mask_or_epi32(bits, signs, bits, sign));
    }
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(fields), _mm512_set1_epi8(-1)) != 0;
}
#else
GW_INLINE uint32_t GW_AT(gw_decode9_block)(const uint8_t *fields, const uint8_t *bitmap, float *restrict out)
{
    uint32_t largest = 0;
    for (int half = 0; half < GW_NATURAL_BLOCK; half += 32) {
        uint32_t signs;
        memcpy(&signs, bitmap + half / 8, 4);
        for (int j = 0; j < 32; j++) {
            uint32_t field = fields[half + j], bits = field << 23 | (signs & gw_bit[j] ? 0x80000000u : 0);
            largest |= field + 1;
            memcpy(out + half + j, &bits, 4);
        }
    }
    return largest & 256;
}
#endif

static uint32_t GW_AT(gw_natural_decode9)(const uint8_t *fields, const uint8_t *bitmap, int64_t n, float *out)
{
    int64_t i = 0;
    uint32_t refused = 0;
    for (; i + GW_NATURAL_BLOCK <= n; i += GW_NATURAL_BLOCK) refused |= GW_AT(gw_decode9_block)(fields + i, bitmap + i / 8, out + i);
    if (i < n) {
        uint8_t last_fields[GW_NATURAL_BLOCK] = {0}, last_bitmap[GW_NATURAL_BLOCK / 8] = {0};
        float last[GW_NATURAL_BLOCK];
        memcpy(last_fields, fields + i, (size_t)(n - i));
        memcpy(last_bitmap, bitmap + i / 8, (size_t)((n - i + 7) / 8));
        refused |= GW_AT(gw_decode9_block)(last_fields, last_bitmap, last);
        memcpy(out + i, last, (size_t)(n - i) * 4);
    }
    return refused;
}

static void GW_AT(gw_natural_decode8)(const uint8_t *codes, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t code = codes[i] & 127u, sign = (uint32_t)(codes[i] & 128u) << 24;
        uint32_t bits = sign | (code ? (code + GW_NATURAL_OFFSET) << 23 : 0);
        memcpy(out + i, &bits, 4);
    }
}
