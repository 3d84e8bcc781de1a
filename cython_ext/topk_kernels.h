/* The loops of topk.h, for one level: written once, over registers of GW_W words (one at the scalar level). A mask has a bit per word. */
#if GW_LEVEL == GW_AVX512
#define GW_W 16
#define GW_V __m512i
#define GW_LOAD(p) _mm512_loadu_si512(p)
#define GW_SET(x) _mm512_set1_epi32((int32_t)(x))
#define GW_IOTA(x) _mm512_add_epi32(GW_SET(x), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#define GW_AND(a, b) _mm512_and_si512(a, b)
#define GW_SUB(a, b) _mm512_sub_epi32(a, b)
#define GW_GT(a, b) ((uint32_t)_mm512_cmpgt_epi32_mask(a, b))
#define GW_EQ(a, b) ((uint32_t)_mm512_cmpeq_epi32_mask(a, b))
#define GW_COUNT(mask) __builtin_popcount(mask)
#define GW_FIRST(mask, many) _pdep_u32(((uint32_t)1 << (many)) - 1, mask)
#define GW_PACK(mask) uint32_t packed = (mask)
/* vpcompress to memory is slow on Zen 4, so to a register, which is stored whole. */
#define GW_PUT(p, v) _mm512_storeu_si512(p, _mm512_maskz_compress_epi32((__mmask16)packed, v))
#elif GW_LEVEL == GW_AVX2
#define GW_W 8
#define GW_V __m256i
#define GW_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define GW_SET(x) _mm256_set1_epi32((int32_t)(x))
#define GW_IOTA(x) _mm256_add_epi32(GW_SET(x), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define GW_AND(a, b) _mm256_and_si256(a, b)
#define GW_SUB(a, b) _mm256_sub_epi32(a, b)
#define GW_GT(a, b) ((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b))))
#define GW_EQ(a, b) ((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b))))
#define GW_COUNT(mask) __builtin_popcount(mask)
#define GW_FIRST(mask, many) _pdep_u32(((uint32_t)1 << (many)) - 1, mask)
/* A byte per set bit, numbers of the set bits first: the permutation that brings them to the front. */
#define GW_PACK(mask) __m256i packed = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)_pext_u64( \
    0x0706050403020100u, _pdep_u64(mask, 0x0101010101010101u) * 0xFFu)))
#define GW_PUT(p, v) _mm256_storeu_si256((__m256i *)(p), _mm256_permutevar8x32_epi32(v, packed))
#else
#define GW_W 1
#define GW_V uint32_t
GW_INLINE uint32_t GW_AT(gw_topk_load)(const void *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}
#define GW_LOAD(p) GW_AT(gw_topk_load)(p)
#define GW_SET(x) ((uint32_t)(x))
#define GW_IOTA(x) ((uint32_t)(x))
#define GW_AND(a, b) ((a) & (b))
#define GW_SUB(a, b) ((a) - (b))
#define GW_GT(a, b) ((uint32_t)((int32_t)(a) > (int32_t)(b)))
#define GW_EQ(a, b) ((uint32_t)((a) == (b)))
#define GW_COUNT(mask) ((int)(mask))
#define GW_FIRST(mask, many) ((mask) & (uint32_t)((many) > 0))
#define GW_PACK(mask) (void)(mask)
#define GW_PUT(p, v) memcpy(p, &(uint32_t){v}, 4)
#endif

static int64_t GW_AT(gw_topk_count)(const float *values, int64_t n, uint32_t floor)
{
    int64_t items = 0;
    for (int64_t start = 0; start < n; start += 1 << 20) { /* 32-bit counters inside a chunk: twice the vector width */
        int64_t stop = n - start < 1 << 20 ? n : start + (1 << 20);
        int32_t chunk = 0;
        for (int64_t i = start; i < stop; i++) chunk += (int32_t)gw_magnitude(values + i) >= (int32_t)floor;
        items += chunk;
    }
    return items;
}

/* Whether one of GW_TOPK_BLOCK magnitudes reaches `floor`. */
GW_INLINE int GW_AT(gw_topk_any)(const float *values, uint32_t floor)
{
    int32_t any = 0;
    for (int j = 0; j < GW_TOPK_BLOCK; j++) any |= -((int32_t)gw_magnitude(values + j) >= (int32_t)floor);
    return any != 0;
}

/* The loop of gw_topk_above over whole registers of values[i … stop), appended at m; returns the new m. */
GW_INLINE int64_t GW_AT(gw_topk_put)(const float *values, const uint32_t *keys, int64_t i, int64_t stop, uint32_t floor, int64_t m,
                                     uint32_t *out_keys, float *out_values)
{
    const GW_V below = GW_SET(floor - 1), magnitude = GW_SET(0x7FFFFFFF);
    for (; i < stop; i += GW_W) {
        GW_V v = GW_LOAD(values + i);
        uint32_t mask = GW_GT(GW_AND(v, magnitude), below);
        GW_PACK(mask);
        GW_PUT(out_values + m, v);
        GW_PUT(out_keys + m, keys ? GW_LOAD(keys + i) : GW_IOTA(i));
        m += GW_COUNT(mask);
    }
    return m;
}

GW_INLINE int64_t GW_AT(gw_topk_above_as)(const float *values, const uint32_t *keys, int64_t n, uint32_t floor, int64_t capacity, int rare,
                                          uint32_t *out_keys, float *out_values)
{
    int64_t m = 0, i = 0;
    for (; i + GW_TOPK_BLOCK <= n; i += GW_TOPK_BLOCK) {
        if (rare && !GW_AT(gw_topk_any)(values + i, floor)) continue;
        m = GW_AT(gw_topk_put)(values, keys, i, i + GW_TOPK_BLOCK, floor, m, out_keys, out_values);
        if (m > capacity) return -1;
    }
    for (; i < n; i++) {
        out_values[m] = values[i];
        out_keys[m] = keys ? keys[i] : (uint32_t)i;
        m += gw_magnitude(values + i) >= floor;
    }
    return m > capacity ? -1 : m;
}

static int64_t GW_AT(gw_topk_above)(const float *values, const uint32_t *keys, int64_t n, uint32_t floor, int64_t capacity, uint32_t *out_keys,
                                    float *out_values)
{
    if (capacity < n / (2 * GW_TOPK_BLOCK)) /* then most blocks hold nothing, and looking first is worth it */
        return keys ? GW_AT(gw_topk_above_as)(values, keys, n, floor, capacity, 1, out_keys, out_values)
                    : GW_AT(gw_topk_above_as)(values, NULL, n, floor, capacity, 1, out_keys, out_values);
    return keys ? GW_AT(gw_topk_above_as)(values, keys, n, floor, capacity, 0, out_keys, out_values)
                : GW_AT(gw_topk_above_as)(values, NULL, n, floor, capacity, 0, out_keys, out_values);
}

static int64_t GW_AT(gw_topk_band)(const float *values, int64_t n, uint32_t lo, uint32_t hi, uint32_t *out, int64_t *above)
{
    const GW_V first = GW_SET(lo), below = GW_SET(lo - 1), last = GW_SET(hi - 1), magnitude = GW_SET(0x7FFFFFFF);
    int64_t m = 0, i = 0;
    *above = 0;
    for (; i + GW_W <= n; i += GW_W) {
        GW_V v = GW_AND(GW_LOAD(values + i), magnitude);
        uint32_t over = GW_GT(v, last), mask = GW_GT(v, below) & ~over;
        GW_PACK(mask);
        GW_PUT(out + m, GW_SUB(v, first));
        m += GW_COUNT(mask);
        *above += GW_COUNT(over);
    }
    for (; i < n; i++) {
        uint32_t v = gw_magnitude(values + i);
        out[m] = v - lo;
        m += (v >= lo) & (v < hi);
        *above += v >= hi;
    }
    return m;
}

GW_INLINE int64_t GW_AT(gw_topk_keep_as)(const float *values, const uint32_t *keys, int64_t n, uint32_t cut, int64_t ties, uint32_t *out_keys,
                                         float *out_values)
{
    const GW_V cuts = GW_SET(cut), magnitude = GW_SET(0x7FFFFFFF);
    int64_t m = 0, i = 0;
    for (; i + GW_W <= n; i += GW_W) {
        GW_V v = GW_LOAD(values + i), k = keys ? GW_LOAD(keys + i) : GW_IOTA(i), size = GW_AND(v, magnitude);
        uint32_t mask = GW_GT(size, cuts), equal = GW_EQ(size, cuts);
        int many = GW_COUNT(equal);
        if (GW_W > 1 && many > ties) equal = GW_FIRST(equal, ties), many = (int)ties;
        if (GW_W == 1) equal = GW_FIRST(equal, ties), many = (int)equal;
        ties -= many;
        mask |= equal;
        GW_PACK(mask);
        GW_PUT(out_values + m, v);
        GW_PUT(out_keys + m, k);
        m += GW_COUNT(mask);
    }
    for (; i < n; i++) {
        uint32_t size = gw_magnitude(values + i), tie = (size == cut) & (ties > 0);
        out_values[m] = values[i];
        out_keys[m] = keys ? keys[i] : (uint32_t)i;
        ties -= tie;
        m += (size > cut) | tie;
    }
    return m;
}

static int64_t GW_AT(gw_topk_keep)(const float *values, const uint32_t *keys, int64_t n, uint32_t cut, int64_t ties, uint32_t *out_keys,
                                   float *out_values)
{
    return keys ? GW_AT(gw_topk_keep_as)(values, keys, n, cut, ties, out_keys, out_values)
                : GW_AT(gw_topk_keep_as)(values, NULL, n, cut, ties, out_keys, out_values);
}

#undef GW_W
#undef GW_V
#undef GW_LOAD
#undef GW_SET
#undef GW_IOTA
#undef GW_AND
#undef GW_SUB
#undef GW_GT
#undef GW_EQ
#undef GW_COUNT
#undef GW_FIRST
#undef GW_PACK
#undef GW_PUT
