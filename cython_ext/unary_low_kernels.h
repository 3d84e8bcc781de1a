/* The loops of unary.h over low bits and prefix sums, for one level. */
GW_INLINE void GW_AT(gw_low_pack_any)(const uint32_t *x, int n, int w, uint8_t *out)
{
    uint64_t mask = ((uint64_t)1 << w) - 1, pending = 0;
    int fill = 0;
    if (w <= 14)
        for (int64_t i = 0; i < n; i += 4) {
            uint64_t four = (x[i] & mask) | (x[i + 1] & mask) << w | (x[i + 2] & mask) << 2 * w | (x[i + 3] & mask) << 3 * w;
            pending |= four << fill;
            fill += 4 * w;
            gw_store64(out, pending);
            out += fill >> 3;
            pending >>= fill & ~7; /* at most 56 */
            fill &= 7;
        }
    else
        for (int64_t i = 0; i < n; i++) {
            pending |= (x[i] & mask) << fill;
            fill += w;
            gw_store64(out, pending);
            out += fill >> 3;
            pending >>= fill & ~7;
            fill &= 7;
        }
}

#if GW_LEVEL == GW_AVX512
GW_INLINE void GW_AT(gw_low_pack)(const uint32_t *x, int n, int w, uint8_t *out)
{
    if (w == 0) return;
    if (w == 1) {
        for (int64_t i = 0; i < n; i += 16, out += 2) {
            uint16_t bits = _mm512_test_epi32_mask(_mm512_loadu_si512(x + i), _mm512_set1_epi32(1));
            memcpy(out, &bits, 2);
        }
        return;
    }
    if (w > 28) {
        GW_AT(gw_low_pack_any)(x, n, w, out);
        return;
    }
    __m512i mask = _mm512_set1_epi32((1 << w) - 1), low32 = _mm512_set1_epi64(0xFFFFFFFF);
    const gw_low_table *t = gw_low_tables + w;
    __m512i shift = _mm512_loadu_si512(t->shift), from_even = _mm512_loadu_si512(t->from[0]), from_odd = _mm512_loadu_si512(t->from[1]);
    __mmask64 even = t->has[0], odd = t->has[1];
    __m128i up = _mm_cvtsi32_si128(w);
    for (int64_t i = 0; i < n; i += 16, out += 2 * w) {
        __m512i v = _mm512_and_si512(_mm512_loadu_si512(x + i), mask);
        __m512i pair = _mm512_or_si512(_mm512_and_si512(v, low32), _mm512_sll_epi64(_mm512_srli_epi64(v, 32), up));
        pair = _mm512_sllv_epi64(pair, shift);
        _mm512_storeu_si512(out, _mm512_or_si512(_mm512_maskz_permutexvar_epi8(even, from_even, pair),
                                                 _mm512_maskz_permutexvar_epi8(odd, from_odd, pair)));
    }
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE void GW_AT(gw_low_pack)(const uint32_t *x, int n, int w, uint8_t *out)
{
    if (w == 0) return;
    if (w > 15) {
        GW_AT(gw_low_pack_any)(x, n, w, out);
        return;
    }
    __m256i mask = _mm256_set1_epi32((1 << w) - 1), low32 = _mm256_set1_epi64x(0xFFFFFFFF);
    __m128i down = _mm_cvtsi32_si128(32 - w), up = _mm_cvtsi32_si128(2 * w);
    int second = 4 * w / 8, shift = 4 * w % 8;
    for (int64_t i = 0; i < n; i += 8, out += w) {
        __m256i v = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(x + i)), mask);
        v = _mm256_and_si256(_mm256_or_si256(v, _mm256_srl_epi64(v, down)), low32); /* 2 numbers in each 64-bit lane */
        v = _mm256_or_si256(v, _mm256_sll_epi64(_mm256_bsrli_epi128(v, 8), up));    /* 4 numbers in lanes 0 and 2 */
        uint64_t first4 = (uint64_t)_mm256_extract_epi64(v, 0), last4 = (uint64_t)_mm256_extract_epi64(v, 2);
        gw_store64(out, first4);
        gw_store64(out + second, last4 << shift | first4 >> 8 * second);
    }
}
#else
GW_INLINE void GW_AT(gw_low_pack)(const uint32_t *x, int n, int w, uint8_t *out)
{
    if (w) GW_AT(gw_low_pack_any)(x, n, w, out);
}
#endif

/* What follows the stream is there already. */
static void GW_AT(gw_low_pack_last)(const uint32_t *x, int n, int w, uint8_t *out)
{
    uint8_t bytes[GW_LOW_NBYTES];
    GW_AT(gw_low_pack)(x, n, w, bytes);
    memcpy(out, bytes, (size_t)(n * w + 7) / 8);
}

GW_INLINE uint8_t *GW_AT(gw_low_pack_within)(const uint32_t *x, int n, int w, uint8_t *out, const uint8_t *end)
{
    int64_t nbytes = ((int64_t)n * w + 7) / 8;
    if (end - out >= nbytes + GW_UNARY_SLACK) GW_AT(gw_low_pack)(x, n, w, out);
    else GW_AT(gw_low_pack_last)(x, n, w, out);
    return out + nbytes;
}

GW_INLINE void GW_AT(gw_low_unpack)(const uint8_t *in, int n, int w, uint32_t *x)
{
    int64_t i = 0;
#if GW_LEVEL == GW_AVX512
    if (w <= 25) {
        __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        __m512i first = _mm512_mullo_epi32(lane, _mm512_set1_epi32(w)), shift = _mm512_and_si512(first, _mm512_set1_epi32(7));
        __m512i from = _mm512_mullo_epi32(_mm512_srli_epi32(first, 3), _mm512_set1_epi32(0x01010101));
        __m512i mask = _mm512_set1_epi32((1 << w) - 1);
        from = _mm512_add_epi32(from, _mm512_set1_epi32(0x03020100));
        for (; i < n; i += 16, in += 2 * w) {
            __m512i v = _mm512_permutexvar_epi8(from, _mm512_loadu_si512(in));
            _mm512_storeu_si512(x + i, _mm512_and_si512(_mm512_srlv_epi32(v, shift), mask));
        }
        return;
    }
#elif GW_LEVEL == GW_AVX2
    if (w <= 25) {
        int half = 4 * w % 8;
        __m256i lane = _mm256_set_epi32(3, 2, 1, 0, 3, 2, 1, 0);
        __m256i first = _mm256_add_epi32(_mm256_mullo_epi32(lane, _mm256_set1_epi32(w)), _mm256_set_epi32(half, half, half, half, 0, 0, 0, 0));
        __m256i shift = _mm256_and_si256(first, _mm256_set1_epi32(7)), mask = _mm256_set1_epi32((1 << w) - 1);
        __m256i from = _mm256_mullo_epi32(_mm256_srli_epi32(first, 3), _mm256_set1_epi32(0x01010101));
        from = _mm256_add_epi32(from, _mm256_set1_epi32(0x03020100));
        for (; i < n; i += 8, in += w) {
            __m128i low = _mm_loadu_si128((const __m128i *)in), high = _mm_loadu_si128((const __m128i *)(in + 4 * w / 8));
            __m256i v = _mm256_shuffle_epi8(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), from);
            _mm256_storeu_si256((__m256i *)(x + i), _mm256_and_si256(_mm256_srlv_epi32(v, shift), mask));
        }
        return;
    }
#endif
    uint64_t mask = ((uint64_t)1 << w) - 1;
    if (w <= 15)
        for (int64_t bit = 0; i < n; i += 4, bit += 4 * w) {
            uint64_t four = gw_load64(in + (bit >> 3)) >> (bit & 7);
            x[i] = (uint32_t)(four & mask);
            x[i + 1] = (uint32_t)(four >> w & mask);
            x[i + 2] = (uint32_t)(four >> 2 * w & mask);
            x[i + 3] = (uint32_t)(four >> 3 * w & mask);
        }
    for (int64_t bit = 0; i < n; i++, bit += w) x[i] = (uint32_t)(gw_load64(in + (bit >> 3)) >> (bit & 7) & mask);
}

GW_INLINE void GW_AT(gw_prefix_sums)(uint32_t *x, int n)
{
#if GW_LEVEL == GW_AVX512
    __m512i carry = _mm512_setzero_si512(), zero = _mm512_setzero_si512(), last = _mm512_set1_epi32(15);
    for (int64_t i = 0; i < n; i += 16) {
        __m512i v = _mm512_loadu_si512(x + i);
        v = _mm512_add_epi32(v, _mm512_alignr_epi32(v, zero, 15));
        v = _mm512_add_epi32(v, _mm512_alignr_epi32(v, zero, 14));
        v = _mm512_add_epi32(v, _mm512_alignr_epi32(v, zero, 12));
        v = _mm512_add_epi32(v, _mm512_alignr_epi32(v, zero, 8));
        _mm512_storeu_si512(x + i, _mm512_add_epi32(v, carry));
        carry = _mm512_add_epi32(carry, _mm512_permutexvar_epi32(last, v));
    }
#elif GW_LEVEL == GW_AVX2
    __m256i carry = _mm256_setzero_si256(), last = _mm256_set1_epi32(7), third = _mm256_set1_epi32(3), zero = _mm256_setzero_si256();
    for (int64_t i = 0; i < n; i += 8) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(x + i));
        v = _mm256_add_epi32(v, _mm256_bslli_epi128(v, 4));
        v = _mm256_add_epi32(v, _mm256_bslli_epi128(v, 8));
        v = _mm256_add_epi32(v, _mm256_blend_epi32(zero, _mm256_permutevar8x32_epi32(v, third), 0xF0));
        _mm256_storeu_si256((__m256i *)(x + i), _mm256_add_epi32(v, carry));
        carry = _mm256_add_epi32(carry, _mm256_permutevar8x32_epi32(v, last));
    }
#else
    uint32_t sum = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        x[i] = sum += x[i];
        x[i + 1] = sum += x[i + 1];
        x[i + 2] = sum += x[i + 2];
        x[i + 3] = sum += x[i + 3];
    }
    for (; i < n; i++) x[i] = sum += x[i];
#endif
}
