/* The loops of dithering.h, for one level. */
#include "lanes_kernels.h"

static int GW_AT(gw_dither_norms)(const float *values, int64_t n, int64_t group, int p, float *norms)
{
    for (int64_t first = 0; first < n; first += group, norms++) {
        int64_t size = n - first < group ? n - first : group;
        if (p == 0) {
            uint32_t largest = GW_AT(gw_largest)(values + first, size);
            if (largest >= 0x7F800000u) return 1;
            memcpy(norms, &largest, 4);
        } else {
            double sum = GW_AT(gw_sum)(values + first, size, p == 1 ? GW_SUM_ABSOLUTE : GW_SUM_SQUARES, 0);
            if (!(sum <= DBL_MAX)) return 1;
            sum = p == 1 ? sum : sqrt(sum);
            *norms = sum < FLT_MAX ? (float)sum : FLT_MAX;
        }
    }
    return 0;
}

static int GW_AT(gw_dither_spreads)(const float *values, int64_t n, int64_t group, double *spreads)
{
    for (int64_t first = 0; first < n; first += group, spreads++) {
        int64_t size = n - first < group ? n - first : group;
        double mean = GW_AT(gw_sum)(values + first, size, GW_SUM_PLAIN, 0) / (double)size;
        double sum = GW_AT(gw_sum)(values + first, size, GW_SUM_SQUARES, mean);
        if (!(sum <= DBL_MAX)) return 1;
        *spreads = sqrt(sum / (double)size);
    }
    return 0;
}

/* A block's codes, GW_DITHER_BLOCK of them, of one or two bytes. */
#if GW_LEVEL == GW_AVX512
/* gw_random32 >> 1 as floats; x holds i * 0x9E3779B1 + (uint32_t)seed, key the other half of the seed, twice = key ^ key >> 15. */
GW_INLINE __m512i GW_AT(gw_random_words)(__m512i x, __m512i twice)
{
    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(0x21f0aaad));
    x = _mm512_ternarylogic_epi32(x, _mm512_srli_epi32(x, 15), twice, 0x96);
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(0x735a2d97));
    return _mm512_xor_si512(x, _mm512_srli_epi32(x, 15));
}

GW_INLINE void GW_AT(gw_dither_block)(const float *values, uint32_t first, const gw_dither_plan *plan, int natural, int wide, uint8_t *out)
{
    uint32_t key = (uint32_t)(plan->seed >> 32);
    __m512i at = _mm512_add_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32((int)first));
    __m512i x = _mm512_add_epi32(_mm512_mullo_epi32(at, _mm512_set1_epi32((int)0x9E3779B1u)), _mm512_set1_epi32((int)(uint32_t)plan->seed));
    __m512i one = _mm512_set1_epi32(1), twice = _mm512_set1_epi32((int)(key ^ key >> 15));
    for (int j = 0; j < GW_DITHER_BLOCK; j += 16, x = _mm512_add_epi32(x, _mm512_set1_epi32((int)(0x9E3779B1u * 16)))) {
        __m512 value = _mm512_loadu_ps(values + j), t = _mm512_mul_ps(_mm512_abs_ps(value), _mm512_set1_ps(plan->lift));
        __m512i random = GW_AT(gw_random_words)(x, twice), level;
        __m512 noise = _mm512_cvtepi32_ps(_mm512_srli_epi32(random, 1));
        t = _mm512_min_ps(_mm512_mul_ps(t, _mm512_set1_ps(plan->factor)), _mm512_set1_ps(plan->top));
        if (natural) {
            __mmask16 below = _mm512_cmp_ps_mask(t, _mm512_set1_ps(plan->tiny), _CMP_LT_OQ);
            __mmask16 up = _mm512_mask_cmp_ps_mask(below, _mm512_mul_ps(t, _mm512_set1_ps(plan->stretch)), noise, _CMP_GT_OQ);
            level = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(t), _mm512_srli_epi32(random, 9)), 23);
            level = _mm512_maskz_sub_epi32((__mmask16)~below, level, _mm512_set1_epi32(plan->lowest));
            level = _mm512_mask_mov_epi32(level, up, one);
        } else {
            __m512 share = _mm512_reduce_ps(t, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
            __mmask16 up = _mm512_cmp_ps_mask(_mm512_mul_ps(share, _mm512_set1_ps(0x1p31f)), noise, _CMP_GT_OQ);
            level = _mm512_cvttps_epi32(t);
            level = _mm512_mask_add_epi32(level, up, level, one);
        }
        level = _mm512_add_epi32(level, level);
        level = _mm512_mask_sub_epi32(level, _mm512_movepi32_mask(_mm512_castps_si512(value)), level, one);
        level = _mm512_max_epi32(level, _mm512_setzero_si512());
        if (wide) _mm256_storeu_si256((__m256i *)(out + 2 * j), _mm512_cvtepi32_epi16(level));
        else _mm_storeu_si128((__m128i *)(out + j), _mm512_cvtepi32_epi8(level));
    }
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE __m256i GW_AT(gw_random_words)(__m256i x, __m256i key)
{
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 16));
    x = _mm256_xor_si256(_mm256_mullo_epi32(x, _mm256_set1_epi32(0x21f0aaad)), key);
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
    x = _mm256_mullo_epi32(x, _mm256_set1_epi32(0x735a2d97));
    return _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
}

/* Eight codes in 32 bits each. */
GW_INLINE __m256i GW_AT(gw_dither8)(const float *values, __m256i x, __m256i key, const gw_dither_plan *plan, int natural)
{
    __m256 value = _mm256_loadu_ps(values), t = _mm256_mul_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), value), _mm256_set1_ps(plan->lift));
    __m256i random = GW_AT(gw_random_words)(x, key), level;
    __m256 noise = _mm256_cvtepi32_ps(_mm256_srli_epi32(random, 1));
    t = _mm256_min_ps(_mm256_mul_ps(t, _mm256_set1_ps(plan->factor)), _mm256_set1_ps(plan->top));
    if (natural) {
        __m256 below = _mm256_cmp_ps(t, _mm256_set1_ps(plan->tiny), _CMP_LT_OQ);
        __m256 up = _mm256_cmp_ps(_mm256_mul_ps(t, _mm256_set1_ps(plan->stretch)), noise, _CMP_GT_OQ);
        level = _mm256_srli_epi32(_mm256_add_epi32(_mm256_castps_si256(t), _mm256_srli_epi32(random, 9)), 23);
        level = _mm256_sub_epi32(level, _mm256_set1_epi32(plan->lowest));
        level = _mm256_blendv_epi8(level, _mm256_srli_epi32(_mm256_castps_si256(up), 31), _mm256_castps_si256(below));
    } else {
        level = _mm256_cvttps_epi32(t);
        __m256 share = _mm256_sub_ps(t, _mm256_cvtepi32_ps(level));
        __m256 up = _mm256_cmp_ps(_mm256_mul_ps(share, _mm256_set1_ps(0x1p31f)), noise, _CMP_GT_OQ);
        level = _mm256_sub_epi32(level, _mm256_castps_si256(up));
    }
    level = _mm256_add_epi32(_mm256_add_epi32(level, level), _mm256_srai_epi32(_mm256_castps_si256(value), 31));
    return _mm256_max_epi32(level, _mm256_setzero_si256());
}

GW_INLINE void GW_AT(gw_dither_block)(const float *values, uint32_t first, const gw_dither_plan *plan, int natural, int wide, uint8_t *out)
{
    __m256i at = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32((int)first));
    __m256i x = _mm256_add_epi32(_mm256_mullo_epi32(at, _mm256_set1_epi32((int)0x9E3779B1u)), _mm256_set1_epi32((int)(uint32_t)plan->seed));
    __m256i next = _mm256_set1_epi32((int)(0x9E3779B1u * 8)), key = _mm256_set1_epi32((int)(uint32_t)(plan->seed >> 32)), codes[4];
    for (int j = 0; j < GW_DITHER_BLOCK; j += 32) {
        for (int v = 0; v < 4; v++, x = _mm256_add_epi32(x, next)) codes[v] = GW_AT(gw_dither8)(values + j + 8 * v, x, key, plan, natural);
        __m256i low = _mm256_packus_epi32(codes[0], codes[1]), high = _mm256_packus_epi32(codes[2], codes[3]);
        if (wide) {
            _mm256_storeu_si256((__m256i *)(out + 2 * j), _mm256_permute4x64_epi64(low, 0xD8));
            _mm256_storeu_si256((__m256i *)(out + 2 * j + 32), _mm256_permute4x64_epi64(high, 0xD8));
        } else {
            __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
            _mm256_storeu_si256((__m256i *)(out + j), bytes);
        }
    }
}
#else
GW_INLINE int32_t GW_AT(gw_dither1)(float value, uint32_t random, const gw_dither_plan *plan, int natural)
{
    uint32_t bits;
    float t, noise = (float)(int32_t)(random >> 1);
    int32_t level, sign;
    memcpy(&bits, &value, 4);
    sign = (int32_t)(bits >> 31);
    bits &= 0x7FFFFFFFu;
    memcpy(&t, &bits, 4);
    t = t * plan->lift * plan->factor;
    t = t < plan->top ? t : plan->top;
    if (natural) {
        memcpy(&bits, &t, 4);
        level = (int32_t)((bits + (random >> 9)) >> 23) - plan->lowest;
        level = t < plan->tiny ? t * plan->stretch > noise : level;
    } else {
        level = (int32_t)t;
        level += (t - (float)level) * 0x1p31f > noise;
    }
    level = 2 * level - sign;
    return level > 0 ? level : 0;
}

GW_INLINE void GW_AT(gw_dither_block)(const float *values, uint32_t first, const gw_dither_plan *plan, int natural, int wide, uint8_t *out)
{
    uint32_t random[GW_DITHER_BLOCK];
    for (uint32_t j = 0; j < GW_DITHER_BLOCK; j++) random[j] = gw_random32(plan->seed, first + j);
    for (int j = 0; j < GW_DITHER_BLOCK; j++) {
        uint16_t code = (uint16_t)GW_AT(gw_dither1)(values[j], random[j], plan, natural);
        if (wide) memcpy(out + 2 * j, &code, 2);
        else out[j] = (uint8_t)code;
    }
}
#endif

GW_INLINE void GW_AT(gw_dither_as)(const float *values, int64_t n, int64_t group, const float *norms, int levels, uint64_t seed,
                                   int natural, int wide, uint8_t *out)
{
    int bytes = 1 + wide;
    for (int64_t i = 0, end = 0; i < n; i = end, norms++) {
        gw_dither_plan plan = gw_dither_group(*norms, levels, natural, seed);
        for (end = n - i < group ? n : i + group; i + GW_DITHER_BLOCK <= end; i += GW_DITHER_BLOCK)
            GW_AT(gw_dither_block)(values + i, (uint32_t)i, &plan, natural, wide, out + i * bytes);
        if (i < end) {
            float last[GW_DITHER_BLOCK] = {0};
            uint8_t codes[2 * GW_DITHER_BLOCK];
            memcpy(last, values + i, (size_t)(end - i) * 4);
            GW_AT(gw_dither_block)(last, (uint32_t)i, &plan, natural, wide, codes);
            memcpy(out + i * bytes, codes, (size_t)((end - i) * bytes));
        }
    }
}

static void GW_AT(gw_dither)(const float *values, int64_t n, int64_t group, const float *norms, int levels, uint64_t seed, int wide,
                             uint8_t *out)
{
    if (wide) GW_AT(gw_dither_as)(values, n, group, norms, levels, seed, 0, 1, out);
    else GW_AT(gw_dither_as)(values, n, group, norms, levels, seed, 0, 0, out);
}

static void GW_AT(gw_natural_dither)(const float *values, int64_t n, int64_t group, const float *norms, int levels, uint64_t seed,
                                     uint8_t *out)
{
    GW_AT(gw_dither_as)(values, n, group, norms, levels, seed, 1, 1, out);
}

GW_INLINE uint32_t GW_AT(gw_undither_as)(const uint8_t *codes, int64_t n, float norm, int levels, int wide, float *restrict out)
{
    uint16_t largest = 0;
    uint32_t bits;
    float lift = gw_dither_lift(norm), unlift = 1 / lift, hi, lo;
    double unit = (double)(norm * lift) / levels;
    hi = (float)unit;
    memcpy(&bits, &hi, 4);
    bits &= 0xFFFF8000u;
    memcpy(&hi, &bits, 4);
    lo = (float)(unit - hi);
    for (int64_t i = 0; i < n; i++) {
        uint16_t code;
        if (wide) memcpy(&code, codes + 2 * i, 2);
        else code = codes[i];
        largest = code > largest ? code : largest;
        float level = (float)(code >> 1 ^ -(code & 1));
        out[i] = (level * hi + level * lo) * unlift;
    }
    return largest;
}

static int GW_AT(gw_undither)(const uint8_t *codes, int64_t n, int64_t group, const float *norms, int levels, int wide, float *out)
{
    uint32_t largest = 0;
    for (int64_t first = 0; first < n; first += group, norms++) {
        int64_t size = n - first < group ? n - first : group;
        uint32_t found = wide ? GW_AT(gw_undither_as)(codes + 2 * first, size, *norms, levels, 1, out + first)
                              : GW_AT(gw_undither_as)(codes + first, size, *norms, levels, 0, out + first);
        largest = found > largest ? found : largest;
    }
    return largest > 2 * (uint32_t)levels;
}

static int GW_AT(gw_natural_undither)(const uint16_t *codes, int64_t n, int64_t group, const float *norms, int levels, float *restrict out)
{
    uint32_t lowest = 127 - (uint32_t)levels;
    uint16_t largest = 0;
    for (int64_t first = 0; first < n; first += group, norms++) {
        float norm = *norms;
        int64_t end = n - first < group ? n : first + group;
        for (int64_t i = first; i < end; i++) {
            uint32_t code = codes[i], level = (code + 1) >> 1, bits = level ? (lowest + level) << 23 | code << 31 : 0;
            float power;
            largest = codes[i] > largest ? codes[i] : largest;
            memcpy(&power, &bits, 4);
            out[i] = norm * power;
        }
    }
    return largest > 2 * (uint32_t)levels;
}
