/* The loops of minmax.h, for one level. */
/* Columns of at most GW_MINMAX_BLOCK keys in one row. */
GW_INLINE void GW_AT(gw_minmax_columns)(const uint32_t *keys, int n, gw_minmax_row r, uint32_t columns, uint32_t *restrict out)
{
    int i = 0;
#if GW_LEVEL == GW_AVX512
    __m512i mix = _mm512_set1_epi32(0x21f0aaad), key = _mm512_set1_epi32((int)r.key), factor = _mm512_set1_epi32((int)r.factor);
    __m512i wide = _mm512_set1_epi64(columns);
    for (; i + 16 <= n; i += 16) {
        __m512i x = _mm512_loadu_si512(keys + i), even, odd;
        x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32(x, 16)), mix);
        x = _mm512_xor_si512(_mm512_xor_si512(x, _mm512_srli_epi32(x, 15)), key);
        x = _mm512_mullo_epi32(x, factor);
        even = _mm512_mul_epu32(x, wide);
        odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), wide);
        _mm512_storeu_si512(out + i, _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd));
    }
#elif GW_LEVEL == GW_AVX2
    __m256i mix = _mm256_set1_epi32(0x21f0aaad), key = _mm256_set1_epi32((int)r.key), factor = _mm256_set1_epi32((int)r.factor);
    __m256i wide = _mm256_set1_epi64x(columns);
    for (; i + 8 <= n; i += 8) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(keys + i)), even, odd;
        x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 16)), mix);
        x = _mm256_xor_si256(_mm256_xor_si256(x, _mm256_srli_epi32(x, 15)), key);
        x = _mm256_mullo_epi32(x, factor);
        even = _mm256_mul_epu32(x, wide);
        odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), wide);
        _mm256_storeu_si256((__m256i *)(out + i), _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA));
    }
#endif
    for (; i < n; i++) out[i] = (uint32_t)((uint64_t)gw_minmax_hash(keys[i], r) * columns >> 32);
}

GW_INLINE void GW_AT(gw_minmax_insert_as)(const uint32_t *keys, const void *indexes, int64_t n, uint32_t seed, int rows, uint32_t columns,
                                          int wide, void *cells)
{
    uint32_t column[GW_MINMAX_BLOCK];
    for (int row = 0; row < rows; row++) {
        gw_minmax_row r = gw_minmax_row_of(seed, row);
        int64_t first = row * (int64_t)columns;
        for (int64_t at = 0; at < n; at += GW_MINMAX_BLOCK) {
            int m = n - at < GW_MINMAX_BLOCK ? (int)(n - at) : GW_MINMAX_BLOCK;
            GW_AT(gw_minmax_columns)(keys + at, m, r, columns, column);
            if (wide)
                for (int i = 0; i < m; i++) {
                    uint16_t index = ((const uint16_t *)indexes)[at + i], *cell = (uint16_t *)cells + first + column[i];
                    *cell = index < *cell ? index : *cell;
                }
            else
                for (int i = 0; i < m; i++) {
                    uint8_t index = ((const uint8_t *)indexes)[at + i], *cell = (uint8_t *)cells + first + column[i];
                    *cell = index < *cell ? index : *cell;
                }
        }
    }
}

static void GW_AT(gw_minmax_insert)(const uint32_t *keys, const void *indexes, int64_t n, uint32_t seed, int rows, uint32_t columns,
                                    int wide, void *cells)
{
    if (wide) GW_AT(gw_minmax_insert_as)(keys, indexes, n, seed, rows, columns, 1, cells);
    else GW_AT(gw_minmax_insert_as)(keys, indexes, n, seed, rows, columns, 0, cells);
}

/* One block of keys in two rows, whose cells begin at a and b. first: the largest cells so far are 0; last: look the values up. */
GW_INLINE void GW_AT(gw_minmax_query_two)(const uint32_t *columns_a, const uint32_t *columns_b, int m, int wide, const void *a,
                                          const void *b, int first, int last, uint16_t *largest, const float *values, float *out)
{
    for (int i = 0; i < m; i++) {
        uint32_t x = wide ? ((const uint16_t *)a)[columns_a[i]] : ((const uint8_t *)a)[columns_a[i]];
        uint32_t y = wide ? ((const uint16_t *)b)[columns_b[i]] : ((const uint8_t *)b)[columns_b[i]];
        x ^= (x ^ y) & -(uint32_t)(x < y);      /* a plain maximum becomes a branch that is taken half of the time */
        if (!first) x ^= (x ^ largest[i]) & -(uint32_t)(x < largest[i]);
        if (last) out[i] = values[x];
        else largest[i] = (uint16_t)x;
    }
}

GW_INLINE void GW_AT(gw_minmax_query_as)(const uint32_t *keys, int64_t n, uint32_t seed, int rows, uint32_t columns, int wide,
                                         const void *cells, const float *values, float *out)
{
    uint32_t column[2][GW_MINMAX_BLOCK];
    uint16_t largest[GW_MINMAX_BLOCK];
    for (int64_t at = 0; at < n; at += GW_MINMAX_BLOCK) {
        int m = n - at < GW_MINMAX_BLOCK ? (int)(n - at) : GW_MINMAX_BLOCK;
        for (int row = 0; row < rows; row += 2) {
            int two = row + 1 < rows, first = row == 0, last = row + 2 >= rows;
            const char *a = (const char *)cells + ((int64_t)row * columns << wide), *b = a + ((int64_t)two * columns << wide);
            const uint32_t *column_b = column[two];
            GW_AT(gw_minmax_columns)(keys + at, m, gw_minmax_row_of(seed, row), columns, column[0]);
            if (two) GW_AT(gw_minmax_columns)(keys + at, m, gw_minmax_row_of(seed, row + 1), columns, column[1]);
            if (first && last) GW_AT(gw_minmax_query_two)(column[0], column_b, m, wide, a, b, 1, 1, largest, values, out + at);
            else if (first) GW_AT(gw_minmax_query_two)(column[0], column_b, m, wide, a, b, 1, 0, largest, values, out + at);
            else if (last) GW_AT(gw_minmax_query_two)(column[0], column_b, m, wide, a, b, 0, 1, largest, values, out + at);
            else GW_AT(gw_minmax_query_two)(column[0], column_b, m, wide, a, b, 0, 0, largest, values, out + at);
        }
    }
}

static void GW_AT(gw_minmax_query)(const uint32_t *keys, int64_t n, uint32_t seed, int rows, uint32_t columns, int wide,
                                   const void *cells, const float *values, float *out)
{
    if (wide) GW_AT(gw_minmax_query_as)(keys, n, seed, rows, columns, 1, cells, values, out);
    else GW_AT(gw_minmax_query_as)(keys, n, seed, rows, columns, 0, cells, values, out);
}
