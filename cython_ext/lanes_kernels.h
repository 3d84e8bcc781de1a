/* The loops of lanes.h, for one level: vectors of lanes stay in registers. */
#if GW_LEVEL == GW_AVX512
GW_INLINE __m512d GW_AT(gw_terms)(__m512d x, int kind, double center)
{
    switch (kind) {
    case GW_SUM_ABSOLUTE: return _mm512_abs_pd(x);
    case GW_SUM_SQUARES:
        x = _mm512_sub_pd(x, _mm512_set1_pd(center));
        return _mm512_mul_pd(x, x);
    case GW_SUM_POSITIVE: return _mm512_max_pd(_mm512_setzero_pd(), x);     /* of a NaN, the second operand */
    case GW_SUM_NEGATIVE: return _mm512_max_pd(_mm512_setzero_pd(), _mm512_xor_pd(x, _mm512_set1_pd(-0.0)));
    default: return x;
    }
}

GW_INLINE int64_t GW_AT(gw_sum_vectors)(const float *values, int64_t n, int kind, double center, double *lanes)
{
    __m512d sum[4];
    int64_t i = 0;
    for (int v = 0; v < 4; v++) sum[v] = _mm512_setzero_pd();
    for (; i + GW_LANES <= n; i += GW_LANES)
        for (int v = 0; v < 4; v++)
            sum[v] = _mm512_add_pd(sum[v], GW_AT(gw_terms)(_mm512_cvtps_pd(_mm256_loadu_ps(values + i + 8 * v)), kind, center));
    for (int v = 0; v < 4; v++) _mm512_storeu_pd(lanes + 8 * v, sum[v]);
    return i;
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE __m256d GW_AT(gw_terms)(__m256d x, int kind, double center)
{
    switch (kind) {
    case GW_SUM_ABSOLUTE: return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x);
    case GW_SUM_SQUARES:
        x = _mm256_sub_pd(x, _mm256_set1_pd(center));
        return _mm256_mul_pd(x, x);
    case GW_SUM_POSITIVE: return _mm256_max_pd(_mm256_setzero_pd(), x);
    case GW_SUM_NEGATIVE: return _mm256_max_pd(_mm256_setzero_pd(), _mm256_xor_pd(x, _mm256_set1_pd(-0.0)));
    default: return x;
    }
}

GW_INLINE int64_t GW_AT(gw_sum_vectors)(const float *values, int64_t n, int kind, double center, double *lanes)
{
    __m256d sum[8];
    int64_t i = 0;
    for (int v = 0; v < 8; v++) sum[v] = _mm256_setzero_pd();
    for (; i + GW_LANES <= n; i += GW_LANES)
        for (int v = 0; v < 8; v++)
            sum[v] = _mm256_add_pd(sum[v], GW_AT(gw_terms)(_mm256_cvtps_pd(_mm_loadu_ps(values + i + 4 * v)), kind, center));
    for (int v = 0; v < 8; v++) _mm256_storeu_pd(lanes + 4 * v, sum[v]);
    return i;
}
#else
GW_INLINE int64_t GW_AT(gw_sum_vectors)(const float *values, int64_t n, int kind, double center, double *lanes)
{
    int64_t i = 0;
    for (; i + GW_LANES <= n; i += GW_LANES)
        for (int j = 0; j < GW_LANES; j++) lanes[j] += gw_term(values[i + j], kind, center);
    return i;
}
#endif

GW_INLINE double GW_AT(gw_sum_as)(const float *values, int64_t n, int kind, double center)
{
    double lanes[GW_LANES] = {0};
    int64_t i = GW_AT(gw_sum_vectors)(values, n, kind, center, lanes);
    for (int j = 0; i + j < n; j++) lanes[j] += gw_term(values[i + j], kind, center);
    return gw_add_lanes(lanes);
}

static GW_UNUSED double GW_AT(gw_sum)(const float *values, int64_t n, int kind, double center)
{
    switch (kind) {
    case GW_SUM_ABSOLUTE: return GW_AT(gw_sum_as)(values, n, GW_SUM_ABSOLUTE, 0);
    case GW_SUM_SQUARES: return GW_AT(gw_sum_as)(values, n, GW_SUM_SQUARES, center);
    case GW_SUM_POSITIVE: return GW_AT(gw_sum_as)(values, n, GW_SUM_POSITIVE, 0);
    case GW_SUM_NEGATIVE: return GW_AT(gw_sum_as)(values, n, GW_SUM_NEGATIVE, 0);
    default: return GW_AT(gw_sum_as)(values, n, GW_SUM_PLAIN, 0);
    }
}

static GW_UNUSED uint32_t GW_AT(gw_largest)(const float *values, int64_t n)
{
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        bits &= 0x7FFFFFFFu;
        largest = bits > largest ? bits : largest;
    }
    return largest;
}
