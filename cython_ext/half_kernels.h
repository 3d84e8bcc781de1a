/* The loops of half.h, for one level. */

/* Codes of n values; returns how many were clamped. n < 2^31, so that the compiler may count in 32 bits. */
GW_INLINE uint32_t GW_AT(gw_fp16_codes)(const float *values, int64_t n, uint8_t *restrict out)
{
    uint32_t overflow = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits, magnitude, small, code, tiny, large;
        float sum;
        uint16_t wire;
        memcpy(&bits, values + i, 4);
        magnitude = bits & 0x7FFFFFFFu;
        tiny = -(uint32_t)(magnitude < 0x38800000u);
        large = -(uint32_t)((int32_t)magnitude > 0x477FEFFF);
        /* Below 2^-14 the result is subnormal, a multiple of 2^-24: 0.5 has just that for its last place, so the addition rounds. */
        memcpy(&sum, &magnitude, 4);
        sum += 0.5f;
        memcpy(&small, &sum, 4);
        small -= 0x3F000000u;
        /* Else drop 13 bits, half to even, and move the exponent's bias from 127 to 15. */
        code = (magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1u)) >> 13;
        code = (small & tiny) | (code & ~tiny);
        code = (0x7BFFu & large) | (code & ~large);
        overflow -= large;
        wire = (uint16_t)(code | (bits >> 16 & 0x8000u));
        memcpy(out + 2 * i, &wire, 2);
    }
    return overflow;
}

GW_INLINE uint32_t GW_AT(gw_bf16_codes)(const float *values, int64_t n, uint8_t *restrict out)
{
    uint32_t overflow = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits, magnitude, code, large;
        uint16_t wire;
        memcpy(&bits, values + i, 4);
        magnitude = bits & 0x7FFFFFFFu;
        large = -(uint32_t)((int32_t)magnitude > 0x7F7F7FFF);
        code = (magnitude + 0x7FFFu + (magnitude >> 16 & 1u)) >> 16;
        code = (0x7F7Fu & large) | (code & ~large);
        overflow -= large;
        wire = (uint16_t)(code | (bits >> 16 & 0x8000u));
        memcpy(out + 2 * i, &wire, 2);
    }
    return overflow;
}

#if GW_LEVEL == GW_AVX512
GW_INLINE uint32_t GW_AT(gw_fp16_vectors)(const float *values, int64_t n, uint8_t *restrict out)
{
    uint32_t overflow = 0;
    __m512i magnitudes = _mm512_set1_epi32(0x7FFFFFFF), largest = _mm512_set1_epi32(0x477FE000);
    for (int64_t i = 0; i < n; i += 16) {
        __m512i bits = _mm512_loadu_si512(values + i), m = _mm512_and_si512(bits, magnitudes);
        overflow += (uint32_t)__builtin_popcount(_mm512_cmpgt_epi32_mask(m, _mm512_set1_epi32(0x477FEFFF)));
        m = _mm512_ternarylogic_epi32(_mm512_min_epi32(m, largest), bits, magnitudes, 0xE4);       /* with the sign of bits */
        _mm256_storeu_si256((__m256i *)(out + 2 * i), _mm512_cvtps_ph(_mm512_castsi512_ps(m), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    return overflow;
}

GW_INLINE uint32_t GW_AT(gw_fp16_floats)(const uint8_t *restrict in, int64_t n, float *out)
{
    __mmask16 refused = 0;
    __m256i exponent = _mm256_set1_epi16(0x7C00);
    for (int64_t i = 0; i < n; i += 16) {
        __m256i code = _mm256_loadu_si256((const __m256i *)(in + 2 * i));
        refused |= _mm256_cmpeq_epi16_mask(_mm256_and_si256(code, exponent), exponent);
        _mm512_storeu_ps(out + i, _mm512_cvtph_ps(code));
    }
    return refused;
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE uint32_t GW_AT(gw_fp16_vectors)(const float *values, int64_t n, uint8_t *restrict out)
{
    __m256i magnitudes = _mm256_set1_epi32(0x7FFFFFFF), largest = _mm256_set1_epi32(0x477FE000), overflow = _mm256_setzero_si256();
    uint32_t counts[8];
    for (int64_t i = 0; i < n; i += 8) {
        __m256i bits = _mm256_loadu_si256((const __m256i *)(values + i)), m = _mm256_and_si256(bits, magnitudes);
        overflow = _mm256_sub_epi32(overflow, _mm256_cmpgt_epi32(m, _mm256_set1_epi32(0x477FEFFF)));
        m = _mm256_or_si256(_mm256_min_epi32(m, largest), _mm256_andnot_si256(magnitudes, bits));
        _mm_storeu_si128((__m128i *)(out + 2 * i), _mm256_cvtps_ph(_mm256_castsi256_ps(m), _MM_FROUND_TO_NEAREST_INT));
    }
    _mm256_storeu_si256((__m256i *)counts, overflow);
    return counts[0] + counts[1] + counts[2] + counts[3] + counts[4] + counts[5] + counts[6] + counts[7];
}

GW_INLINE uint32_t GW_AT(gw_fp16_floats)(const uint8_t *restrict in, int64_t n, float *out)
{
    __m128i exponent = _mm_set1_epi16(0x7C00), refused = _mm_setzero_si128();
    for (int64_t i = 0; i < n; i += 8) {
        __m128i code = _mm_loadu_si128((const __m128i *)(in + 2 * i));
        refused = _mm_or_si128(refused, _mm_cmpeq_epi16(_mm_and_si128(code, exponent), exponent));
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(code));
    }
    return (uint32_t)_mm_movemask_epi8(refused);
}
#endif

GW_INLINE uint32_t GW_AT(gw_fp16_plain_floats)(const uint8_t *restrict in, int64_t n, float *out)
{
    uint32_t refused = 0;
    for (int64_t i = 0; i < n; i++) {
        uint16_t wire;
        uint32_t magnitude, small, bits, tiny;
        float sum;
        memcpy(&wire, in + 2 * i, 2);
        magnitude = wire & 0x7FFFu;
        refused |= magnitude + 0x0400u;
        tiny = -(uint32_t)(magnitude < 0x0400u);
        /* A subnormal is magnitude * 2^-24, the places that 0.5 has; both steps are exact. */
        small = magnitude + 0x3F000000u;
        memcpy(&sum, &small, 4);
        sum -= 0.5f;
        memcpy(&small, &sum, 4);
        bits = (small & tiny) | (((magnitude << 13) + 0x38000000u) & ~tiny);
        bits |= (uint32_t)(wire & 0x8000u) << 16;
        memcpy(out + i, &bits, 4);
    }
    return refused & 0x8000u;
}

static int64_t GW_AT(gw_fp16_encode)(const float *values, int64_t n, uint8_t *out)
{
    int64_t overflow = 0, i = 0;
    for (; i + GW_HALF_BLOCK <= n; i += GW_HALF_BLOCK)
#if GW_LEVEL >= GW_AVX2
        overflow += GW_AT(gw_fp16_vectors)(values + i, GW_HALF_BLOCK, out + 2 * i);
#else
        overflow += GW_AT(gw_fp16_codes)(values + i, GW_HALF_BLOCK, out + 2 * i);
#endif
    return overflow + GW_AT(gw_fp16_codes)(values + i, n - i, out + 2 * i);
}

static uint32_t GW_AT(gw_fp16_decode)(const uint8_t *in, int64_t n, float *out)
{
    int64_t i = 0;
    uint32_t refused = 0;
#if GW_LEVEL >= GW_AVX2
    i = n / 16 * 16;
    refused = GW_AT(gw_fp16_floats)(in, i, out);
#endif
    return refused | GW_AT(gw_fp16_plain_floats)(in + 2 * i, n - i, out + i);
}

static int64_t GW_AT(gw_bf16_encode)(const float *values, int64_t n, uint8_t *out)
{
    int64_t overflow = 0, i = 0;
    for (; i + GW_HALF_BLOCK <= n; i += GW_HALF_BLOCK) overflow += GW_AT(gw_bf16_codes)(values + i, GW_HALF_BLOCK, out + 2 * i);
    return overflow + GW_AT(gw_bf16_codes)(values + i, n - i, out + 2 * i);
}

static uint32_t GW_AT(gw_bf16_decode)(const uint8_t *in, int64_t n, float *out)
{
    uint32_t refused = 0;
    for (int64_t i = 0; i < n; i++) {
        uint16_t wire;
        uint32_t bits;
        memcpy(&wire, in + 2 * i, 2);
        bits = (uint32_t)wire << 16;
        refused |= (wire & 0x7FFFu) + 0x80u;
        memcpy(out + i, &bits, 4);
    }
    return refused & 0x8000u;
}
