/* The loops of unary.h, for one level. */
#include "unary_low_kernels.h"

/* Bit j of the result: whether marks[j] is set. Clears them. */
GW_INLINE uint64_t GW_AT(gw_unary_gather)(uint8_t *marks)
{
    uint64_t word = 0;
#if GW_LEVEL == GW_AVX512
    word = _mm512_test_epi8_mask(_mm512_loadu_si512(marks), _mm512_set1_epi8(1));
#elif GW_LEVEL == GW_AVX2
    __m256i low = _mm256_slli_epi64(_mm256_loadu_si256((const __m256i *)marks), 7);
    __m256i high = _mm256_slli_epi64(_mm256_loadu_si256((const __m256i *)(marks + 32)), 7);
    word = (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
#else
    for (int64_t j = 0; j < 8; j++) word |= (gw_load64(marks + 8 * j) * 0x0102040810204080u >> 56) << 8 * j;
#endif
    memset(marks, 0, 64);
    return word;
}

static void GW_AT(gw_unary_write)(gw_unary_writer *w, const uint32_t *sums, int n)
{
    uint64_t last = (uint64_t)w->fill + sums[n - 1] + (uint64_t)(n - 1);
    uint8_t *p = w->p;
    uint64_t pending = w->pending;
    if (last < GW_UNARY_SPAN) { /* ones are marked in bytes, 64 of which become a word: no key waits for the one before */
        uint8_t *marks = w->marks;
        uint8_t *first = marks + w->fill;
        int64_t j = 0;
        for (; j + 8 <= n; j += 8, first += 8)
            for (int64_t i = 0; i < 8; i++) first[i + (size_t)sums[j + i]] = 1;
        for (; j < n; j++) *(first++ + sums[j]) = 1;
        for (; last >= 64; last -= 64, marks += 64, p += 8) {
            gw_store64(p, pending | GW_AT(gw_unary_gather)(marks));
            pending = 0;
        }
        pending |= GW_AT(gw_unary_gather)(marks);
    } else {
        uint64_t base = 0, at = 0;
        for (int64_t j = 0; j < n; j++) {
            at = (uint64_t)w->fill + sums[j] + (uint64_t)j;
            for (; at - base >= 64; base += 64, p += 8, pending = 0) gw_store64(p, pending);
            pending |= (uint64_t)1 << (at - base);
        }
        last = at - base;
    }
    if (last == 63) {
        gw_store64(p, pending);
        p += 8;
        pending = 0;
    }
    w->p = p;
    w->pending = pending;
    w->fill = (int)(last + 1) & 63;
}

/* sums[i] = base - i + position of the i-th one of the word; returns how many there are. May write 64 numbers. */
GW_INLINE int GW_AT(gw_unary_ones)(uint64_t word, uint32_t base, uint32_t *sums)
{
#if GW_LEVEL == GW_AVX512
    const __m512i lane = _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37,
                                         36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10,
                                         9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i zeros = _mm512_sub_epi8(_mm512_maskz_compress_epi8(word, lane), lane), add = _mm512_set1_epi32((int)base);
    int ones = __builtin_popcountll(word);
    _mm512_storeu_si512(sums, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(zeros)), add));
    _mm512_storeu_si512(sums + 16, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(zeros, 1)), add));
    _mm512_storeu_si512(sums + 32, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(zeros, 2)), add));
    if (ones > 48) _mm512_storeu_si512(sums + 48, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(zeros, 3)), add));
    return ones;
#else
    uint32_t *to = sums;
    if (word == 0) return 0;
    for (int64_t i = 0; i < 8; i++, word >>= 8, base += 8) {
        const uint8_t *zeros = gw_unary_zeros[word & 255];
        uint32_t ones = gw_unary_count[word & 255];
        for (int64_t j = 0; j < 8; j++) to[j] = base + zeros[j];
        to += ones;
        base -= ones;
    }
    return (int)(to - sums);
#endif
}

static int64_t GW_AT(gw_unary_read)(gw_unary_reader *reader, int n, uint32_t *sums)
{
    gw_unary_reader r = *reader;
    int64_t start = r.start;
    uint32_t base;
    int got = 0;
    for (;;) {
        base = (uint32_t)(r.at - start - got);
        int ones = GW_AT(gw_unary_ones)(r.word, base, sums + got);
        if (got + ones >= n) break;
        got += ones;
        if (gw_unary_next(&r)) return -1;
    }
    uint32_t last = sums[n - 1] - base + (uint32_t)(n - 1 - got); /* position of the last one in the word */
    r.start = r.at + last + 1;
    r.word &= ~(uint64_t)1 << last;
    *reader = r;
    return r.start - start - n;
}

/* Key by key, in 64 bits: the end of the keys that follow `next`, or something above 2^32 if one of them is not below it. */
static GW_UNUSED uint64_t GW_AT(gw_unary_keys_slow)(uint64_t next, const uint32_t *sums, const uint32_t *lows, int n, uint32_t m, uint32_t *out)
{
    uint32_t sum = 0, low = 0;
    for (int64_t j = 0; j < n && next <= (uint64_t)1 << 32; j++) {
        next += (uint64_t)(sums[j] - sum) * m + (lows[j] - low) + 1;
        out[j] = (uint32_t)(next - 1);
        sum = sums[j];
        low = lows[j];
    }
    return next;
}

GW_INLINE int GW_AT(gw_unary_keys)(uint64_t *next, const uint32_t *sums, const uint32_t *lows, int64_t zeros, int n, uint32_t m, int k, uint32_t *out)
{
    const uint64_t top = (uint64_t)1 << 32;
    if ((uint64_t)zeros >= top) return -1;
    if (*next + ((uint64_t)zeros + (unsigned)n) * m > top) { /* near the top, or damaged */
        *next = GW_AT(gw_unary_keys_slow)(*next, sums, lows, n, m, out);
        return *next > top ? -1 : 0;
    }
    uint32_t first = (uint32_t)*next;
    if (k >= 0)
        for (int64_t j = 0; j < n; j++) out[j] = first + (sums[j] << k) + lows[j] + (uint32_t)j;
    else
        for (int64_t j = 0; j < n; j++) out[j] = first + sums[j] * m + lows[j] + (uint32_t)j;
    *next = (uint64_t)out[n - 1] + 1;
    return 0;
}
