/* The loops of quantile.h, for one level. */

static gw_surveyed GW_AT(gw_survey)(const float *v, int64_t n)
{
    gw_surveyed s = {UINT32_MAX, 0, 0, 0};
    for (int64_t at = 0; at < n; at += 1 << 16) {               /* the counts of a chunk fit 32 bits */
        int64_t m = n - at < 1 << 16 ? n - at : 1 << 16;
        uint32_t least = s.least, most = s.most, below = 0, zeros = 0;
        for (int64_t i = 0; i < m; i++) {
            uint32_t u = gw_order(v[at + i]);
            least = u < least ? u : least;
            most = u > most ? u : most;
            below += 1 ^ u >> 31;
            zeros += u == 0x80000000u;
        }
        s.least = least;
        s.most = most;
        s.below += below;
        s.zeros += zeros;
    }
    return s;
}

#if GW_LEVEL == GW_AVX512
/* The integers (order.h) of 16 values. */
GW_INLINE __m512i GW_AT(gw_order16)(__m512i bits)
{
    __m512i sign = _mm512_set1_epi32((int)0x80000000u);
    bits = _mm512_maskz_mov_epi32(_mm512_cmpneq_epi32_mask(bits, sign), bits);
    return _mm512_xor_si512(bits, _mm512_or_si512(_mm512_srai_epi32(bits, 31), sign));
}

/* Bit i says that v[i] lies outside low … high, i < 16. */
GW_INLINE uint32_t GW_AT(gw_outside16)(const float *v, uint32_t low, uint32_t high)
{
    __m512i above = _mm512_sub_epi32(GW_AT(gw_order16)(_mm512_loadu_si512(v)), _mm512_set1_epi32((int)low));
    return _mm512_cmpgt_epu32_mask(above, _mm512_set1_epi32((int)(high - low)));
}

/* Writes those of 16 values whose bits are set, and zeros behind them: 16 in all. */
GW_INLINE void GW_AT(gw_compress16)(const float *v, uint32_t keep, float *out)
{
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32((__mmask16)keep, _mm512_loadu_si512(v)));
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE uint32_t GW_AT(gw_outside8)(const float *v, uint32_t low, uint32_t high)
{
    __m256i bits = _mm256_loadu_si256((const __m256i *)v), sign = _mm256_set1_epi32((int)0x80000000u);
    bits = _mm256_andnot_si256(_mm256_cmpeq_epi32(bits, sign), bits);
    bits = _mm256_xor_si256(bits, _mm256_or_si256(_mm256_srai_epi32(bits, 31), sign));
    __m256i above = _mm256_sub_epi32(bits, _mm256_set1_epi32((int)low)), span = _mm256_set1_epi32((int)(high - low));
    return ~_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(above, span), span))) & 255u;
}

GW_INLINE uint32_t GW_AT(gw_outside16)(const float *v, uint32_t low, uint32_t high)
{
    return GW_AT(gw_outside8)(v, low, high) | GW_AT(gw_outside8)(v + 8, low, high) << 8;
}

GW_INLINE void GW_AT(gw_compress8)(const float *v, uint32_t keep, float *out)
{
    uint64_t lanes = _pext_u64(0x0706050403020100u, _pdep_u64(keep, 0x0101010101010101u) * 255);
    __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)lanes));
    _mm256_storeu_ps(out, _mm256_permutevar8x32_ps(_mm256_loadu_ps(v), order));
}

GW_INLINE void GW_AT(gw_compress16)(const float *v, uint32_t keep, float *out)
{
    GW_AT(gw_compress8)(v, keep & 255, out);
    GW_AT(gw_compress8)(v + 8, keep >> 8, out + __builtin_popcount(keep & 255));
}
#endif

static int64_t GW_AT(gw_keep)(const float *v, int64_t n, uint32_t low, uint32_t high, int outside, float *out)
{
    int64_t m = 0, i = 0;
#if GW_LEVEL >= GW_AVX2
    for (; i + 16 <= n; i += 16) {
        uint32_t keep = GW_AT(gw_outside16)(v + i, low, high) ^ (outside ? 0 : 0xFFFF);
        GW_AT(gw_compress16)(v + i, keep, out + m);
        m += __builtin_popcount(keep);
    }
#endif
    for (; i < n; i++) {
        out[m] = v[i];
        m += (gw_order(v[i]) - low > high - low) == outside;
    }
    return m;
}

#if GW_LEVEL == GW_AVX512
/* A search tree of 2^depth - 1 <= 255 splits in registers: level l has 2^l nodes, t[2^l … 2^(l+1)) of the breadth-first order. */
typedef struct { __m512i top[4], level5[2], level6[4], level7[8]; __m512i root; } GW_AT(gw_tree);

GW_INLINE GW_AT(gw_tree) GW_AT(gw_tree_make)(const uint32_t *splits)
{
    uint32_t t[256];
    GW_AT(gw_tree) tree;
    for (uint32_t l = 0; l < 8; l++)
        for (uint32_t i = 0; i < 1u << l; i++) t[(1u << l) + i] = splits[((2 * i + 1) << (7 - l)) - 1];
    tree.root = _mm512_set1_epi32((int)t[1]);
    for (uint32_t l = 1; l < 5; l++) tree.top[l - 1] = _mm512_maskz_loadu_epi32((__mmask16)((1u << (1u << l)) - 1), t + (1u << l));
    for (int i = 0; i < 2; i++) tree.level5[i] = _mm512_loadu_si512(t + 32 + 16 * i);
    for (int i = 0; i < 4; i++) tree.level6[i] = _mm512_loadu_si512(t + 64 + 16 * i);
    for (int i = 0; i < 8; i++) tree.level7[i] = _mm512_loadu_si512(t + 128 + 16 * i);
    return tree;
}

GW_INLINE __m512i GW_AT(gw_tree_step)(__m512i k, __m512i u, __m512i node)
{
    __mmask16 right = _mm512_cmpge_epu32_mask(u, node);
    k = _mm512_add_epi32(k, k);
    return _mm512_mask_add_epi32(k, right, k, _mm512_set1_epi32(1));
}

/* Nodes of the levels 6 and 7: registers are chosen by the bits of k above the five that a pair of them takes. */
GW_INLINE __m512i GW_AT(gw_tree_node6)(const GW_AT(gw_tree) *t, __m512i k)
{
    __m512i low = _mm512_permutex2var_epi32(t->level6[0], k, t->level6[1]);
    __m512i high = _mm512_permutex2var_epi32(t->level6[2], k, t->level6[3]);
    return _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(k, _mm512_set1_epi32(32)), high);
}

GW_INLINE __m512i GW_AT(gw_tree_node7)(const GW_AT(gw_tree) *t, __m512i k)
{
    __mmask16 odd = _mm512_test_epi32_mask(k, _mm512_set1_epi32(32)), upper = _mm512_test_epi32_mask(k, _mm512_set1_epi32(64));
    __m512i low = _mm512_permutex2var_epi32(t->level7[0], k, t->level7[1]), high = _mm512_permutex2var_epi32(t->level7[4], k, t->level7[5]);
    low = _mm512_mask_mov_epi32(low, odd, _mm512_permutex2var_epi32(t->level7[2], k, t->level7[3]));
    high = _mm512_mask_mov_epi32(high, odd, _mm512_permutex2var_epi32(t->level7[6], k, t->level7[7]));
    return _mm512_mask_mov_epi32(low, upper, high);
}

/* The codes of 64 values: how many of the splits are <= each. Four searches go side by side: each step of one waits for the one before. */
GW_INLINE void GW_AT(gw_tree_search)(const GW_AT(gw_tree) *t, const float *v, __m512i *k)
{
    __m512i u[4];
    for (int j = 0; j < 4; j++) {
        u[j] = GW_AT(gw_order16)(_mm512_loadu_si512(v + 16 * j));
        k[j] = _mm512_maskz_set1_epi32(_mm512_cmpge_epu32_mask(u[j], t->root), 1);
    }
    for (int l = 0; l < 4; l++)
        for (int j = 0; j < 4; j++) k[j] = GW_AT(gw_tree_step)(k[j], u[j], _mm512_permutexvar_epi32(k[j], t->top[l]));
    for (int j = 0; j < 4; j++) k[j] = GW_AT(gw_tree_step)(k[j], u[j], _mm512_permutex2var_epi32(t->level5[0], k[j], t->level5[1]));
    for (int j = 0; j < 4; j++) k[j] = GW_AT(gw_tree_step)(k[j], u[j], GW_AT(gw_tree_node6)(t, k[j]));
    for (int j = 0; j < 4; j++) k[j] = GW_AT(gw_tree_step)(k[j], u[j], GW_AT(gw_tree_node7)(t, k[j]));
}

static void GW_AT(gw_assign_tree)(const float *v, int64_t n, const uint32_t *splits, void *codes, int wide)
{
    const GW_AT(gw_tree) tree = GW_AT(gw_tree_make)(splits);
    __m512i k[4];
    int64_t i = 0;
    for (; i + 64 <= n; i += 64) {
        GW_AT(gw_tree_search)(&tree, v + i, k);
        for (int j = 0; j < 4; j++) {
            if (wide) _mm256_storeu_si256((__m256i *)((uint16_t *)codes + i + 16 * j), _mm512_cvtepi32_epi16(k[j]));
            else _mm_storeu_si128((__m128i *)((uint8_t *)codes + i + 16 * j), _mm512_cvtepi32_epi8(k[j]));
        }
    }
    if (i < n) {
        float last[64] = {0};
        uint16_t last_codes[64];
        memcpy(last, v + i, (size_t)(n - i) * 4);
        GW_AT(gw_tree_search)(&tree, last, k);
        for (int j = 0; j < 4; j++) _mm256_storeu_si256((__m256i *)(last_codes + 16 * j), _mm512_cvtepi32_epi16(k[j]));
        for (int64_t j = 0; i + j < n; j++) gw_put_code(codes, wide, i + j, last_codes[j]);
    }
}
#endif

GW_INLINE void GW_AT(gw_assign_as)(const float *v, int64_t n, const uint32_t *splits, uint32_t m, const uint16_t *table, int crowded,
                                   void *codes, int wide)
{
    uint32_t view[GW_QUANTILE_BLOCK];
    for (int64_t at = 0; at < n; at += GW_QUANTILE_BLOCK) {
        int64_t size = n - at < GW_QUANTILE_BLOCK ? n - at : GW_QUANTILE_BLOCK;
        for (int64_t j = 0; j < size; j++) view[j] = gw_order(v[at + j]);
        for (int64_t j = 0; j < size; j++) {
            uint32_t u = view[j], code;
            GW_ONE_BY_ONE;
            if (!table) code = gw_upper_bound(splits, m, u);
            else {
                code = table[u >> 16];
                if (!crowded) code += splits[code] <= u;
                else code += gw_upper_bound(splits + code, table[(u >> 16) + 1] - code, u);
            }
            gw_put_code(codes, wide, at + j, code);
        }
    }
}

static void GW_AT(gw_assign)(const float *v, int64_t n, const uint32_t *splits, uint32_t m, uint16_t *table, void *codes, int wide)
{
#if GW_LEVEL == GW_AVX512
    if (m <= 255) {
        GW_AT(gw_assign_tree)(v, n, splits, codes, wide);
        return;
    }
#endif
    int crowded = table ? gw_assign_table(splits, m, table) : 0;
    if (!table) wide ? GW_AT(gw_assign_as)(v, n, splits, m, NULL, 0, codes, 1) : GW_AT(gw_assign_as)(v, n, splits, m, NULL, 0, codes, 0);
    else if (crowded) wide ? GW_AT(gw_assign_as)(v, n, splits, m, table, 1, codes, 1) : GW_AT(gw_assign_as)(v, n, splits, m, table, 1, codes, 0);
    else wide ? GW_AT(gw_assign_as)(v, n, splits, m, table, 0, codes, 1) : GW_AT(gw_assign_as)(v, n, splits, m, table, 0, codes, 0);
}

static void GW_AT(gw_mark)(const float *v, int64_t n, uint32_t low, uint32_t high, uint32_t code, void *codes, int wide, float *exact)
{
    int64_t m = 0, i = 0;
#if GW_LEVEL >= GW_AVX2
    for (; i + 16 <= n; i += 16) {
        for (uint32_t left = GW_AT(gw_outside16)(v + i, low, high); left; left &= left - 1) {
            int64_t at = i + gw_lowest_bit(left);
            exact[m++] = v[at];
            gw_put_code(codes, wide, at, code);
        }
    }
#endif
    for (; i < n; i++) {
        if (gw_order(v[i]) - low <= high - low) continue;
        exact[m++] = v[i];
        gw_put_code(codes, wide, i, code);
    }
}

#if GW_LEVEL == GW_AVX512
/* out[i] = values[codes[i]] for byte codes: each byte of the values is looked up by itself, 64 codes at once. */
static uint32_t GW_AT(gw_lookup_bytes)(const uint8_t *codes, int64_t n, const float *values, float *out)
{
    uint8_t bytes[4][256];
    __m512i table[4][4], most = _mm512_setzero_si512();
    /* Interleaving works in lanes of 16 bytes: dword 4 l + q of the codes must be dword 4 q + l for the results to come in order. */
    const __m512i transpose = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (int i = 0; i < 256; i++)
        for (int b = 0; b < 4; b++) bytes[b][i] = ((const uint8_t *)(values + i))[b];
    for (int b = 0; b < 4; b++)
        for (int i = 0; i < 4; i++) table[b][i] = _mm512_loadu_si512(bytes[b] + 64 * i);
    for (int64_t i = 0; i < n; i += 64) {
        __mmask64 there = n - i >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (n - i)) - 1;
        __m512i code = _mm512_maskz_loadu_epi8(there, codes + i), plane[4];
        most = _mm512_max_epu8(most, code);
        code = _mm512_permutexvar_epi32(transpose, code);
        __mmask64 upper = _mm512_movepi8_mask(code);
        for (int b = 0; b < 4; b++)
            plane[b] = _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(table[b][0], code, table[b][1]), upper,
                                            _mm512_permutex2var_epi8(table[b][2], code, table[b][3]));
        __m512i low01 = _mm512_unpacklo_epi8(plane[0], plane[1]), high01 = _mm512_unpackhi_epi8(plane[0], plane[1]);
        __m512i low23 = _mm512_unpacklo_epi8(plane[2], plane[3]), high23 = _mm512_unpackhi_epi8(plane[2], plane[3]);
        __m512i found[4] = {_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
                            _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
        for (int j = 0; j < 4; j++) {
            if (n - i >= 16 * j + 16) _mm512_storeu_si512(out + i + 16 * j, found[j]);
            else if (n - i > 16 * j) _mm512_mask_storeu_epi32(out + i + 16 * j, (__mmask16)((1u << (n - i - 16 * j)) - 1), found[j]);
        }
    }
    uint8_t codes_most[64], largest = 0;
    _mm512_storeu_si512(codes_most, most);
    for (int i = 0; i < 64; i++) largest = codes_most[i] > largest ? codes_most[i] : largest;
    return largest;
}
#else
static uint32_t GW_AT(gw_lookup_bytes)(const uint8_t *codes, int64_t n, const float *values, float *out)
{
    uint8_t largest = 0;
    int64_t i = 0;
    for (int64_t j = 0; j < n; j++) largest = codes[j] > largest ? codes[j] : largest;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, codes + i, 8);
        for (int j = 0; j < 8; j++) out[i + j] = values[word >> 8 * j & 255];
    }
    for (; i < n; i++) out[i] = values[codes[i]];
    return largest;
}
#endif

static int GW_AT(gw_lookup)(const void *codes, int wide, int64_t n, const float *values, uint32_t size, float *out)
{
    const uint16_t *code = codes;
    uint16_t largest = 0;
    if (n == 0) return 0;
    if (!wide) return GW_AT(gw_lookup_bytes)(codes, n, values, out) < size ? 0 : -1;
    for (int64_t i = 0; i < n; i++) largest = code[i] > largest ? code[i] : largest;
    if (largest >= size) return -1;
    for (int64_t i = 0; i < n; i++) {
        GW_ONE_BY_ONE;
        out[i] = values[code[i]];
    }
    return 0;
}

/* Bit j says that code j of a block of 32 is `code`. */
GW_INLINE uint32_t GW_AT(gw_equal32)(const void *codes, int wide, int64_t at, uint32_t code)
{
    uint32_t equal = 0;
#if GW_LEVEL >= GW_AVX2
    const uint8_t *bytes = codes;
    if (!wide) return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(bytes + at)), _mm256_set1_epi8((char)code)));
#endif
    uint8_t match[32];
    for (int j = 0; j < 32; j++) match[j] = gw_get_code(codes, wide, at + j) == code;
    for (int j = 0; j < 32; j += 8) {
        uint64_t word;
        memcpy(&word, match + j, 8);
        equal |= (uint32_t)(word * 0x0102040810204080u >> 56) << j;
    }
    return equal;
}

static int64_t GW_AT(gw_fill)(const void *codes, int wide, int64_t n, uint32_t code, const float *exact, int64_t n_exact, float *out)
{
    int64_t found = 0, at = 0;
    for (; at + 32 <= n; at += 32) {
        for (uint32_t left = GW_AT(gw_equal32)(codes, wide, at, code); left; left &= left - 1) {
            int j = gw_lowest_bit(left);
            if (found == n_exact) return n_exact + 1;
            out[at + j] = exact[found++];
        }
    }
    for (; at < n; at++) {
        if (gw_get_code(codes, wide, at) != code) continue;
        if (found == n_exact) return n_exact + 1;
        out[at] = exact[found++];
    }
    return found;
}
