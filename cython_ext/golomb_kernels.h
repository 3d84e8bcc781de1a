/* The loops of golomb.h, for one level. */
#include "unary_kernels.h"

/* Quotients and remainders of n gaps. The product is the quotient: with g < 2^32 the error of (g + 1/2) * (1/m) is below the 1/(2m) that
 * keeps (g + 1/2)/m away from whole numbers. Conversions go through int32, which every level has. */
GW_INLINE void GW_AT(gw_golomb_divide)(const uint32_t *keys, int64_t n, uint32_t before, uint32_t m, uint32_t *restrict quotients,
                                       uint32_t *restrict remainders)
{
    double inverse = 1.0 / m;
    remainders[0] = keys[0] - before - 1;
    for (int64_t j = 1; j < n; j++) remainders[j] = keys[j] - keys[j - 1] - 1;
    if (m == 1) {
        memcpy(quotients, remainders, 4 * (size_t)n);
        memset(remainders, 0, 4 * (size_t)n);
        return;
    }
    for (int64_t j = 0; j < n; j++) {
        double gap = (double)(int32_t)(remainders[j] ^ 0x80000000u) + 2147483648.5;
        quotients[j] = (uint32_t)(int32_t)(gap * inverse);
        remainders[j] -= quotients[j] * m;
    }
}

static void GW_AT(gw_golomb_count)(const uint32_t *keys, int64_t n, gw_golomb_code *code)
{
    uint32_t quotients[GW_UNARY_BLOCK], remainders[GW_UNARY_BLOCK], before = 0xFFFFFFFFu;
    code->extra = 0;
    code->unary = n;
    for (int64_t i = 0; i < n; i += GW_UNARY_BLOCK) {
        int64_t count = n - i < GW_UNARY_BLOCK ? n - i : GW_UNARY_BLOCK;
        uint32_t sum = 0, extra = 0;
        GW_AT(gw_golomb_divide)(keys + i, count, before, code->m, quotients, remainders);
        for (int64_t j = 0; j < count; j++) {
            sum += quotients[j];
            extra += remainders[j] >= code->c;
        }
        before = keys[i + count - 1];
        code->extra += extra;
        code->unary += sum;
    }
}

/* Sixteen remainders become what the low bits hold. Returns the extra bits, *count of them. */
GW_INLINE uint64_t GW_AT(gw_golomb_truncate)(uint32_t *x, uint32_t c, int *count)
{
    uint64_t bits = 0;
#if GW_LEVEL == GW_AVX512
    __m512i v = _mm512_loadu_si512(x), wide = _mm512_add_epi32(v, _mm512_set1_epi32((int)c));
    __mmask16 big = _mm512_cmpge_epu32_mask(v, _mm512_set1_epi32((int)c)), odd = _mm512_test_epi32_mask(wide, _mm512_set1_epi32(1));
    _mm512_storeu_si512(x, _mm512_mask_srli_epi32(v, big, wide, 1));
    bits = _pext_u32(odd, big);
    *count = __builtin_popcount(big);
#elif GW_LEVEL == GW_AVX2
    *count = 0;
    for (int64_t i = 0; i < 16; i += 8) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(x + i)), wide = _mm256_add_epi32(v, _mm256_set1_epi32((int)c));
        __m256i larger = _mm256_cmpgt_epi32(v, _mm256_set1_epi32((int)c - 1)); /* all are below 2^31 */
        unsigned big = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(larger));
        unsigned odd = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(wide, 31)));
        _mm256_storeu_si256((__m256i *)(x + i), _mm256_blendv_epi8(v, _mm256_srli_epi32(wide, 1), larger));
        bits |= (uint64_t)_pext_u32(odd, big) << *count;
        *count += __builtin_popcount(big);
    }
#else
    int at = 0;
    for (int64_t j = 0; j < 16; j++) {
        uint32_t big = x[j] >= c, wide = x[j] + c;
        bits |= (uint64_t)(wide & big) << at;
        at += (int)big;
        x[j] ^= (x[j] ^ wide >> 1) & -big;
    }
    *count = at;
#endif
    return bits;
}

/* The reverse; takes the extra bits from the low end of `bits`. */
GW_INLINE void GW_AT(gw_golomb_complete)(uint32_t *x, uint32_t c, uint64_t bits, int *count)
{
#if GW_LEVEL == GW_AVX512
    __m512i v = _mm512_loadu_si512(x), limit = _mm512_set1_epi32((int)c);
    __mmask16 big = _mm512_cmpge_epu32_mask(v, limit), odd = (__mmask16)_pdep_u32((uint32_t)bits, big);
    v = _mm512_mask_sub_epi32(v, big, _mm512_add_epi32(v, v), limit);
    _mm512_storeu_si512(x, _mm512_mask_add_epi32(v, odd, v, _mm512_set1_epi32(1)));
    *count = __builtin_popcount(big);
#elif GW_LEVEL == GW_AVX2
    const __m256i lane = _mm256_set_epi32(128, 64, 32, 16, 8, 4, 2, 1);
    *count = 0;
    for (int64_t i = 0; i < 16; i += 8) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(x + i)), limit = _mm256_set1_epi32((int)c);
        __m256i larger = _mm256_cmpgt_epi32(v, _mm256_sub_epi32(limit, _mm256_set1_epi32(1)));
        unsigned big = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(larger)), odd = _pdep_u32((uint32_t)bits, big);
        __m256i ones = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)odd), lane), lane); /* -1 where there is a 1 */
        v = _mm256_add_epi32(v, _mm256_and_si256(_mm256_sub_epi32(v, limit), larger));
        _mm256_storeu_si256((__m256i *)(x + i), _mm256_sub_epi32(v, ones));
        bits >>= __builtin_popcount(big);
        *count += __builtin_popcount(big);
    }
#else
    int at = 0;
    for (int64_t j = 0; j < 16; j++) {
        uint32_t big = x[j] >= c;
        x[j] += (x[j] - c + (uint32_t)(bits >> at & 1)) & -big;
        at += (int)big;
    }
    *count = at;
#endif
}

static int64_t GW_AT(gw_golomb_encode)(const uint32_t *keys, int64_t n, const gw_golomb_code *code, uint8_t *out)
{
    uint32_t quotients[GW_UNARY_BLOCK] = {0}, remainders[GW_UNARY_BLOCK] = {0}, before = 0xFFFFFFFFu;
    uint8_t *low = out + GW_GOLOMB_HEADER, *extra = low + (n * code->w + 7) / 8, *low_end = extra;
    gw_unary_writer w = {.p = extra + (code->extra + 7) / 8};
    uint64_t pending = 0;
    int fill = 0;
    gw_store32(out, code->m);
    gw_store32(out + 4, (uint32_t)code->extra);
    for (int64_t i = 0; i < n; i += GW_UNARY_BLOCK) {
        int count = n - i < GW_UNARY_BLOCK ? (int)(n - i) : GW_UNARY_BLOCK;
        GW_AT(gw_golomb_divide)(keys + i, count, before, code->m, quotients, remainders);
        before = keys[i + count - 1];
        for (int64_t j = count; j % 16; j++) remainders[j] = 0;
        for (int64_t j = 0; j < count; j += 16) { /* the zeros add nothing: c is at least 1 */
            int more;
            pending |= GW_AT(gw_golomb_truncate)(remainders + j, code->c, &more) << fill;
            fill += more;
            if (fill >= 32) {
                gw_store32(extra, (uint32_t)pending);
                extra += 4;
                pending >>= 32;
                fill -= 32;
            }
        }
        low = GW_AT(gw_low_pack_within)(remainders, count, code->w, low, low_end);
        GW_AT(gw_prefix_sums)(quotients, count);
        GW_AT(gw_unary_write)(&w, quotients, count);
    }
    for (; fill > 0; fill -= 8, pending >>= 8) *extra++ = (uint8_t)pending;
    return gw_unary_finish(&w) - out;
}

static int GW_AT(gw_golomb_decode)(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, uint32_t *out)
{
    uint32_t sums[GW_UNARY_ROOM], lows[GW_UNARY_ROOM], m = gw_load32(payload);
    uint8_t copy[GW_LOW_NBYTES] = {0};
    if (m == 0 || m >> 31) return GW_KEYS_FLAG;
    gw_golomb_code code = gw_golomb_of(m);
    code.extra = gw_load32(payload + 4);
    code.unary = n;
    if (code.extra > n) return GW_KEYS_FLAG;
    if (gw_golomb_nbytes(&code, n) > nbytes) return GW_KEYS_LENGTH;
    const uint8_t *low = payload + GW_GOLOMB_HEADER, *extra = low + (n * code.w + 7) / 8, *end = payload + nbytes;
    int64_t nextra = (code.extra + 7) / 8, at = 0;
    if (n * code.w % 8 && extra[-1] >> n * code.w % 8) return GW_KEYS_PADDING;
    if (code.extra % 8 && extra[nextra - 1] >> code.extra % 8) return GW_KEYS_PADDING;
    gw_unary_reader r = gw_unary_open(extra + nextra, end - extra - nextra);
    uint64_t next = 0; /* the key before this block, plus 1 */
    for (int64_t i = 0; i < n; i += GW_UNARY_BLOCK) {
        int count = n - i < GW_UNARY_BLOCK ? (int)(n - i) : GW_UNARY_BLOCK;
        int64_t zeros = GW_AT(gw_unary_read)(&r, count, sums), nlow = (count * code.w + 7) / 8;
        if (zeros < 0) return GW_KEYS_LENGTH;
        GW_AT(gw_low_unpack)(gw_low_block(low, end, nlow, copy), count, code.w, lows);
        low += nlow;
        for (int64_t j = count; j % 16; j++) lows[j] = 0;
        for (int64_t j = 0; code.c >> code.w == 0 && j < count; j += 16) { /* with m = 2^w no remainder is that large */
            int more;
            GW_AT(gw_golomb_complete)(lows + j, code.c, gw_load_tail(extra + (at >> 3), nextra - (at >> 3)) >> (at & 7), &more);
            at += more;
        }
        GW_AT(gw_prefix_sums)(lows, count);
        if (GW_AT(gw_unary_keys)(&next, sums, lows, zeros, count, m, -1, out + i)) return GW_KEYS_ORDER;
    }
    if (at != code.extra || !gw_unary_done(&r)) return GW_KEYS_LENGTH;
    return next <= dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
