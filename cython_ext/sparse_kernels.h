/* The loops of sparse.h that pay per level. */
static int GW_AT(gw_unsorted)(const uint32_t *keys, int64_t n, uint64_t dim)
{
    uint32_t bad = 0;
    for (int64_t i = 1; i < n; i++) bad |= keys[i] <= keys[i - 1];
    return bad || (n && keys[n - 1] >= dim);
}

static int GW_AT(gw_nonfinite)(const float *values, int64_t n)
{
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        bad |= (bits & 0x7FFFFFFFu) + 0x00800000u;
    }
    return bad >> 31;
}

static int GW_AT(gw_has_zero)(const float *values, int64_t n)
{
    uint32_t zero = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        zero |= bits << 1 == 0;
    }
    return zero != 0;
}

static void GW_AT(gw_axpy)(float *restrict out, const float *restrict values, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++) out[i] += scale * values[i];
}

#if GW_LEVEL == GW_AVX2
/* For a permutation of eight 32-bit lanes: the numbers of the set bits of the mask, lowest first. */
GW_INLINE __m256i GW_AT(gw_lanes_of)(uint32_t mask)
{
    uint64_t bytes = _pdep_u64(mask, 0x0101010101010101u) * 255;
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)_pext_u64(0x0706050403020100u, bytes)));
}
#endif

/* One of mask, values decides: by_mask is a constant. */
GW_INLINE int64_t GW_AT(gw_select)(int by_mask, const uint8_t *mask, const uint32_t *keys, const float *values, int64_t n,
                                   uint32_t *out_keys, float *out_values)
{
    int64_t i = 0, m = 0;
#if GW_LEVEL == GW_AVX512
    const __m512i iota = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (; i + 16 <= n; i += 16) {
        __m512i k = keys ? _mm512_loadu_si512(keys + i) : _mm512_add_epi32(iota, _mm512_set1_epi32((int)i));
        __m512 v = _mm512_loadu_ps(values + i);
        __m128i bytes = by_mask ? _mm_loadu_si128((const __m128i *)(mask + i)) : _mm_setzero_si128();
        __mmask16 kept = by_mask ? _mm_test_epi8_mask(bytes, bytes) : _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        _mm512_storeu_si512(out_keys + m, _mm512_maskz_compress_epi32(kept, k));
        _mm512_storeu_ps(out_values + m, _mm512_maskz_compress_ps(kept, v));
        m += __builtin_popcount(kept);
    }
#elif GW_LEVEL == GW_AVX2
    const __m256i iota = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    for (; i + 8 <= n; i += 8) {
        __m256i k = keys ? _mm256_loadu_si256((const __m256i *)(keys + i)) : _mm256_add_epi32(iota, _mm256_set1_epi32((int)i)), lanes;
        __m256 v = _mm256_loadu_ps(values + i);
        uint32_t kept;
        if (by_mask) {
            __m128i bytes = _mm_loadl_epi64((const __m128i *)(mask + i));
            kept = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())) & 255;
        } else kept = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ));
        lanes = GW_AT(gw_lanes_of)(kept);
        _mm256_storeu_si256((__m256i *)(out_keys + m), _mm256_permutevar8x32_epi32(k, lanes));
        _mm256_storeu_ps(out_values + m, _mm256_permutevar8x32_ps(v, lanes));
        m += __builtin_popcount(kept);
    }
#endif
    for (; i < n; i++) {
        out_keys[m] = keys ? keys[i] : (uint32_t)i;
        out_values[m] = values[i];
        m += by_mask ? mask[i] != 0 : values[i] != 0.0f;
    }
    return m;
}

static int64_t GW_AT(gw_nonzero)(const uint32_t *keys, const float *values, int64_t n, uint32_t *out_keys, float *out_values)
{
    return keys ? GW_AT(gw_select)(0, NULL, keys, values, n, out_keys, out_values)
                : GW_AT(gw_select)(0, NULL, NULL, values, n, out_keys, out_values);
}

static int64_t GW_AT(gw_compress)(const uint8_t *mask, const uint32_t *keys, const float *values, int64_t n, uint32_t *out_keys,
                                  float *out_values)
{
    return GW_AT(gw_select)(1, mask, keys, values, n, out_keys, out_values);
}

/* Sizes of the groups, then next[g]: where group g starts. */
GW_INLINE void GW_AT(gw_split_starts)(const int64_t *sizes, int groups, int64_t *next)
{
    int64_t start = 0;
    for (int g = 0; g < groups; g++) {
        next[g] = start;
        start += sizes[g];
    }
}

/* wide_codes, wide: constants */
GW_INLINE void GW_AT(gw_split_as)(const uint32_t *keys, const void *codes, int wide_codes, int64_t n, const uint32_t *places,
                                  int64_t buckets, int groups, int wide, uint32_t *counts, uint32_t *out_keys, void *out_indexes,
                                  int64_t *sizes)
{
    int64_t next[256];
    /* the codes are counted, not the groups: the fewer the counters, the longer each waits for its last store */
    for (int64_t i = 0; i < n; i++) counts[wide_codes ? ((const uint16_t *)codes)[i] : ((const uint8_t *)codes)[i]]++;
    for (int64_t b = 0; b < buckets; b++) sizes[places[b] >> 16] += counts[b];
    GW_AT(gw_split_starts)(sizes, groups, next);
    for (int64_t i = 0; i < n; i++) {
        uint32_t place = places[wide_codes ? ((const uint16_t *)codes)[i] : ((const uint8_t *)codes)[i]];
        int64_t to = next[place >> 16]++;
        out_keys[to] = keys[i];
        if (wide) ((uint16_t *)out_indexes)[to] = (uint16_t)place;
        else ((uint8_t *)out_indexes)[to] = (uint8_t)place;
    }
}

#if GW_LEVEL == GW_AVX512
/* table[codes[l]] of 256 bytes */
GW_INLINE __m512i GW_AT(gw_split_lookup)(const __m512i *table, __m512i codes)
{
    __m512i low = _mm512_permutex2var_epi8(table[0], codes, table[1]), high = _mm512_permutex2var_epi8(table[2], codes, table[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
}

/* The same for codes of one byte and few groups: 64 pairs at a time, each group's packed to the front and stored. */
static void GW_AT(gw_split_few)(const uint32_t *keys, const uint8_t *codes, int64_t n, const uint32_t *places, int64_t buckets, int groups,
                                uint32_t *out_keys, uint8_t *out_indexes, int64_t *sizes)
{
    uint8_t group_of[256] = {0}, index_of[256] = {0};
    __m512i group_table[4], index_table[4];
    int64_t next[256], i;
    for (int64_t b = 0; b < buckets; b++) {
        group_of[b] = (uint8_t)(places[b] >> 16);
        index_of[b] = (uint8_t)places[b];
    }
    memcpy(group_table, group_of, 256);
    memcpy(index_table, index_of, 256);
    for (i = 0; i + 64 <= n; i += 64) {
        __m512i group = GW_AT(gw_split_lookup)(group_table, _mm512_loadu_si512(codes + i));
        for (int g = 0; g < groups; g++)
            sizes[g] += __builtin_popcountll(_mm512_cmpeq_epi8_mask(group, _mm512_set1_epi8((char)g)));
    }
    for (; i < n; i++) sizes[group_of[codes[i]]]++;
    GW_AT(gw_split_starts)(sizes, groups, next);
    for (i = 0; i + 64 <= n; i += 64) {
        __m512i of = _mm512_loadu_si512(codes + i), group = GW_AT(gw_split_lookup)(group_table, of);
        __m512i index = GW_AT(gw_split_lookup)(index_table, of);
        for (int g = 0; g < groups; g++) {
            uint64_t here = _mm512_cmpeq_epi8_mask(group, _mm512_set1_epi8((char)g));
            int64_t to = next[g], m = __builtin_popcountll(here);
            _mm512_mask_storeu_epi8(out_indexes + to, _bzhi_u64(~(uint64_t)0, (uint32_t)m), _mm512_maskz_compress_epi8(here, index));
            for (int part = 0; part < 64; part += 16) {
                __mmask16 kept = (__mmask16)(here >> part);
                m = __builtin_popcount(kept);
                _mm512_mask_storeu_epi32(out_keys + to, (__mmask16)_bzhi_u32(0xFFFF, (uint32_t)m),
                                         _mm512_maskz_compress_epi32(kept, _mm512_loadu_si512(keys + i + part)));
                to += m;
            }
            next[g] = to;
        }
    }
    for (; i < n; i++) {
        int64_t to = next[group_of[codes[i]]]++;
        out_keys[to] = keys[i];
        out_indexes[to] = index_of[codes[i]];
    }
}
#endif

static void GW_AT(gw_split)(const uint32_t *keys, const void *codes, int wide_codes, int64_t n, const uint32_t *places, int64_t buckets,
                            int groups, int wide, uint32_t *counts, uint32_t *out_keys, void *out_indexes, int64_t *sizes)
{
    memset(sizes, 0, (size_t)groups * sizeof *sizes);
#if GW_LEVEL == GW_AVX512
    if (!wide_codes && groups <= GW_SPLIT_FEW) {
        GW_AT(gw_split_few)(keys, (const uint8_t *)codes, n, places, buckets, groups, out_keys, (uint8_t *)out_indexes, sizes);
        return;
    }
#endif
    if (!wide_codes) GW_AT(gw_split_as)(keys, codes, 0, n, places, buckets, groups, 0, counts, out_keys, out_indexes, sizes);
    else if (!wide) GW_AT(gw_split_as)(keys, codes, 1, n, places, buckets, groups, 0, counts, out_keys, out_indexes, sizes);
    else GW_AT(gw_split_as)(keys, codes, 1, n, places, buckets, groups, 1, counts, out_keys, out_indexes, sizes);
}
