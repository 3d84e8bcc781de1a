/* The loops of uniform.h, for one level. */
#include "random_block.h"

/* Codes of one block, as bytes or as uint16. */
#if GW_LEVEL == GW_AVX512
GW_INLINE void GW_AT(gw_uniform_block)(const gw_uniform *q, const float *values, uint32_t first, int stochastic, int bytes,
                                       uint8_t *restrict codes)
{
    uint32_t random[GW_RANDOM_BLOCK];
    __m128i fraction = _mm_cvtsi32_si128(31 - q->bits), drop = _mm_cvtsi32_si128(q->bits + 1);
    __m512i noise = _mm512_set1_epi32(1 << (30 - q->bits));
    __m512d low = _mm512_set1_pd(q->low), factor = _mm512_set1_pd(q->factor);
    if (stochastic) GW_AT(gw_random_block)(q->seed, first, random);
    for (int j = 0; j < GW_RANDOM_BLOCK; j += 16) {
        __m512d a = _mm512_mul_pd(_mm512_sub_pd(_mm512_cvtps_pd(_mm256_loadu_ps(values + j)), low), factor);
        __m512d b = _mm512_mul_pd(_mm512_sub_pd(_mm512_cvtps_pd(_mm256_loadu_ps(values + j + 8)), low), factor);
        __m512i t = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvttpd_epi32(a)), _mm512_cvttpd_epi32(b), 1);
        if (stochastic) noise = _mm512_or_si512(_mm512_srl_epi32(_mm512_loadu_si512(random + j), drop), _mm512_set1_epi32(1));
        t = _mm512_srl_epi32(_mm512_add_epi32(t, noise), fraction);
        if (bytes) _mm_storeu_si128((__m128i *)(codes + j), _mm512_cvtepi32_epi8(t));
        else _mm256_storeu_si256((__m256i *)(codes + 2 * j), _mm512_cvtepi32_epi16(t));
    }
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE __m256i GW_AT(gw_uniform_positions)(const float *values, __m256d low, __m256d factor)
{
    __m256d a = _mm256_mul_pd(_mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(values)), low), factor);
    __m256d b = _mm256_mul_pd(_mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(values + 4)), low), factor);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm256_cvttpd_epi32(a)), _mm256_cvttpd_epi32(b), 1);
}

GW_INLINE void GW_AT(gw_uniform_block)(const gw_uniform *q, const float *values, uint32_t first, int stochastic, int bytes,
                                       uint8_t *restrict codes)
{
    uint32_t random[GW_RANDOM_BLOCK];
    __m128i fraction = _mm_cvtsi32_si128(31 - q->bits), drop = _mm_cvtsi32_si128(q->bits + 1);
    __m256i one = _mm256_set1_epi32(1), half = _mm256_set1_epi32(1 << (30 - q->bits));
    __m256d low = _mm256_set1_pd(q->low), factor = _mm256_set1_pd(q->factor);
    if (stochastic) GW_AT(gw_random_block)(q->seed, first, random);
    for (int j = 0; j < GW_RANDOM_BLOCK; j += 16) {
        __m256i t[2];
        for (int k = 0; k < 2; k++) {
            __m256i r = _mm256_loadu_si256((const __m256i *)(random + j + 8 * k));
            __m256i noise = stochastic ? _mm256_or_si256(_mm256_srl_epi32(r, drop), one) : half;
            __m256i position = GW_AT(gw_uniform_positions)(values + j + 8 * k, low, factor);
            t[k] = _mm256_srl_epi32(_mm256_add_epi32(position, noise), fraction);
        }
        t[0] = _mm256_permute4x64_epi64(_mm256_packus_epi32(t[0], t[1]), 0xD8);
        if (bytes)
            _mm_storeu_si128((__m128i *)(codes + j), _mm_packus_epi16(_mm256_castsi256_si128(t[0]), _mm256_extracti128_si256(t[0], 1)));
        else _mm256_storeu_si256((__m256i *)(codes + 2 * j), t[0]);
    }
}
#else
GW_INLINE void GW_AT(gw_uniform_block)(const gw_uniform *q, const float *values, uint32_t first, int stochastic, int bytes,
                                       uint8_t *restrict codes)
{
    uint32_t random[GW_RANDOM_BLOCK];
    int fraction = 31 - q->bits, drop = q->bits + 1;
    double low = q->low, factor = q->factor;
    if (stochastic) GW_AT(gw_random_block)(q->seed, first, random);
    for (int j = 0; j < GW_RANDOM_BLOCK; j++) {
        int32_t t = (int32_t)((values[j] - low) * factor), noise = stochastic ? (int32_t)(random[j] >> drop) | 1 : 1 << (fraction - 1);
        uint16_t code = (uint16_t)((t + noise) >> fraction);
        if (bytes) codes[j] = (uint8_t)code;
        else memcpy(codes + 2 * j, &code, 2);
    }
}
#endif

/* n codes as bytes or as uint16. */
GW_INLINE void GW_AT(gw_uniform_codes)(const gw_uniform *q, const float *values, int64_t n, uint32_t first, int stochastic, int bytes,
                                       uint8_t *codes)
{
    int64_t i = 0, size = bytes ? 1 : 2;
    for (; i + GW_RANDOM_BLOCK <= n; i += GW_RANDOM_BLOCK)
        GW_AT(gw_uniform_block)(q, values + i, first + (uint32_t)i, stochastic, bytes, codes + i * size);
    if (i < n) {
        float last[GW_RANDOM_BLOCK];
        uint8_t last_codes[2 * GW_RANDOM_BLOCK];
        for (int j = 0; j < GW_RANDOM_BLOCK; j++) last[j] = (float)q->low;
        memcpy(last, values + i, (size_t)(n - i) * 4);
        GW_AT(gw_uniform_block)(q, last, first + (uint32_t)i, stochastic, bytes, last_codes);
        memcpy(codes + i * size, last_codes, (size_t)((n - i) * size));
    }
}

GW_INLINE void GW_AT(gw_uniform_encode_as)(const gw_uniform *q, const float *values, int64_t n, int stochastic, int bits, uint8_t *out)
{
    int64_t total = gw_packed_nbytes(n, bits);
    if (bits == 8 || bits == 16) {
        GW_AT(gw_uniform_codes)(q, values, n, 0, stochastic, bits == 8, out);
        return;
    }
    for (int64_t i = 0; i < n; i += GW_PACK_BLOCK) {
        uint16_t codes[GW_PACK_BLOCK];
        int64_t left = n - i < GW_PACK_BLOCK ? n - i : GW_PACK_BLOCK;
        GW_AT(gw_uniform_codes)(q, values + i, left, (uint32_t)i, stochastic, 0, (uint8_t *)codes);
        GW_AT(gw_pack)(codes, left, bits, out + i / 8 * bits, total - i / 8 * bits);
    }
}

/* Constants make each of these a loop of its own. */
static void GW_AT(gw_uniform_encode)(const gw_uniform *q, const float *values, int64_t n, int wide, uint8_t *out)
{
    int bits = wide ? 16 : q->bits;
    if (bits == 8) {
        if (q->stochastic) GW_AT(gw_uniform_encode_as)(q, values, n, 1, 8, out);
        else GW_AT(gw_uniform_encode_as)(q, values, n, 0, 8, out);
    } else if (bits == 16) {
        if (q->stochastic) GW_AT(gw_uniform_encode_as)(q, values, n, 1, 16, out);
        else GW_AT(gw_uniform_encode_as)(q, values, n, 0, 16, out);
    } else if (q->stochastic) GW_AT(gw_uniform_encode_as)(q, values, n, 1, bits, out);
    else GW_AT(gw_uniform_encode_as)(q, values, n, 0, bits, out);
}

GW_INLINE float GW_AT(gw_uniform_value)(const gw_uniform *q, int32_t code)
{
    return (float)(((q->levels - code) * q->low + code * q->high) * q->inverse);
}

static void GW_AT(gw_uniform_decode)(const gw_uniform *q, const uint8_t *in, int64_t n, int wide, float *restrict out)
{
    gw_uniform local = *q;
    int bits = wide ? 16 : q->bits;
    int64_t total = gw_packed_nbytes(n, bits);
    if (bits == 8) {
        for (int64_t i = 0; i < n; i++) out[i] = GW_AT(gw_uniform_value)(&local, in[i]);
    } else if (bits == 16) {
        for (int64_t i = 0; i < n; i++) {
            uint16_t code;
            memcpy(&code, in + 2 * i, 2);
            out[i] = GW_AT(gw_uniform_value)(&local, code);
        }
    } else {
        for (int64_t i = 0; i < n; i += GW_PACK_BLOCK) {
            uint16_t codes[GW_PACK_BLOCK];
            int64_t left = n - i < GW_PACK_BLOCK ? n - i : GW_PACK_BLOCK;
            GW_AT(gw_unpack)(in + i / 8 * bits, left, bits, codes, total - i / 8 * bits);
            for (int64_t j = 0; j < left; j++) out[i + j] = GW_AT(gw_uniform_value)(&local, codes[j]);
        }
    }
}
