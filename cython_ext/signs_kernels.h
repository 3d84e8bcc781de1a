/* The loops of signs.h, for one level. */
#include "lanes_kernels.h"

static int GW_AT(gw_signs_means)(const float *values, int64_t n, int64_t group, float *pairs)
{
    for (int64_t first = 0; first < n; first += group, pairs += 2) {
        int64_t size = n - first < group ? n - first : group, negative = 0;
        double above = GW_AT(gw_sum)(values + first, size, GW_SUM_POSITIVE, 0);
        double below = GW_AT(gw_sum)(values + first, size, GW_SUM_NEGATIVE, 0);
        if (!(above <= DBL_MAX && below <= DBL_MAX)) return 1;
        for (int64_t i = first; i < first + size; i++) {
            uint32_t bits;
            memcpy(&bits, values + i, 4);
            negative += bits >> 31;
        }
        pairs[0] = negative < size ? (float)(above / (double)(size - negative)) : 0;
        pairs[1] = negative ? (float)(-below / (double)negative) : 0;
    }
    return 0;
}

static int GW_AT(gw_signs_scales)(const float *values, int64_t n, int64_t group, float *pairs)
{
    for (int64_t first = 0; first < n; first += group, pairs += 2) {
        int64_t size = n - first < group ? n - first : group;
        double sum = GW_AT(gw_sum)(values + first, size, GW_SUM_ABSOLUTE, 0);
        if (!(sum <= DBL_MAX)) return 1;
        pairs[0] = (float)(sum / (double)size);
        pairs[1] = -pairs[0];
    }
    return 0;
}

/* Bit j of the result is the sign bit of values[j], j < 8. */
GW_INLINE uint8_t GW_AT(gw_signs8)(const float *values)
{
#if GW_LEVEL >= GW_AVX2
    return (uint8_t)_mm256_movemask_ps(_mm256_loadu_ps(values));
#else
    uint32_t bits[8], byte = 0;
    memcpy(bits, values, 32);
    for (int j = 0; j < 8; j++) byte |= bits[j] >> 31 << j;
    return (uint8_t)byte;
#endif
}

static void GW_AT(gw_signs_pack)(const float *values, int64_t n, uint8_t *bitmap)
{
    int64_t i = 0;
    float last[8] = {0};
    for (; i + 8 <= n; i += 8) bitmap[i / 8] = GW_AT(gw_signs8)(values + i);
    if (i == n) return;
    memcpy(last, values + i, (size_t)(n - i) * 4);
    bitmap[i / 8] = GW_AT(gw_signs8)(last);
}

/* 32 values of the low 32 bits. */
GW_INLINE void GW_AT(gw_signs_put)(uint32_t bits, float positive, float negative, float *restrict out)
{
#if GW_LEVEL == GW_AVX512
    __m512 plus = _mm512_set1_ps(positive), minus = _mm512_set1_ps(negative);
    _mm512_storeu_ps(out, _mm512_mask_blend_ps((__mmask16)bits, plus, minus));
    _mm512_storeu_ps(out + 16, _mm512_mask_blend_ps((__mmask16)(bits >> 16), plus, minus));
#else
    uint32_t plus, change;
    memcpy(&plus, &positive, 4);
    memcpy(&change, &negative, 4);
    change ^= plus;
    for (int j = 0; j < 32; j++) {
        uint32_t either = plus ^ (change & (0u - (bits >> j & 1)));     /* no branch */
        memcpy(out + j, &either, 4);
    }
#endif
}

static void GW_AT(gw_signs_unpack)(const uint8_t *bitmap, int64_t n, int64_t group, const float *pairs, float *out)
{
    int64_t nbytes = (n + 7) / 8;
    for (int64_t i = 0, end = 0; i < n; i = end, pairs += 2) {
        for (end = n - i < group ? n : i + group; i + 32 <= end; i += 32)
            GW_AT(gw_signs_put)((uint32_t)gw_signs_at(bitmap, nbytes, i), pairs[0], pairs[1], out + i);
        if (i < end) {
            float last[32];
            GW_AT(gw_signs_put)((uint32_t)gw_signs_at(bitmap, nbytes, i), pairs[0], pairs[1], last);
            memcpy(out + i, last, (size_t)(end - i) * 4);
        }
    }
}
