/* bitflag's encoder, for one level. */
#include "bitflag_join_kernels.h"

/* Writes the gaps of `count` ≤ 8 keys one by one; returns their flags. */
GW_INLINE uint64_t GW_AT(gw_bitflag_put_each)(const uint32_t *keys, int count, uint32_t before, int f, const gw_bitflag_table *t, gw_bitflag_writer *w)
{
    uint64_t flags = 0;
    for (int j = 0; j < count; j++) {
        uint32_t gap = keys[j] - before - 1;
        int width = gw_bit_width(gap);
        before = keys[j];
        flags |= (uint64_t)t->code[width] << j * f;
        gw_bitflag_put(w, gap, t->size[width]);
    }
    return flags;
}

/* Encodes blocks of keys and returns how many keys. Four gaps make a word, unless it would be longer than GW_BITFLAG_WORD bits. Below
 * AVX-512 it leaves the last 64 keys, because it stores whole words of flags, into what the next blocks will write. */
#if GW_LEVEL == GW_AVX512
GW_INLINE int64_t GW_AT(gw_bitflag_encode_blocks)(const uint32_t *keys, int64_t n, int f, const gw_bitflag_table *t, uint8_t *flags, gw_bitflag_writer *writer)
{
    const __m512i code = _mm512_loadu_si512(t->code), size = _mm512_loadu_si512(t->size), one = _mm512_set1_epi32(1);
    const __m512i transposed = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    uint8_t column[64];
    for (int j = 0; f && j < 64; j++) column[j] = (uint8_t)(8 * (j / f) + j % f);
    __m512i before = _mm512_set1_epi32(-1);
    gw_bitflag_writer w = *writer;
    int64_t i = 0;
    for (; i + 64 <= n; i += 64, flags += 8 * f) {
        __m512i gaps[4], zeros[4];
        for (int q = 0; q < 4; q++) {
            __m512i now = _mm512_loadu_si512(keys + i + 16 * q);
            gaps[q] = _mm512_sub_epi32(_mm512_sub_epi32(now, _mm512_alignr_epi32(now, before, 15)), one);
            zeros[q] = _mm512_lzcnt_epi32(gaps[q]);
            before = now;
        }
        __m512i bytes = _mm512_packus_epi16(_mm512_packus_epi32(zeros[0], zeros[1]), _mm512_packus_epi32(zeros[2], zeros[3]));
        __m512i widths = _mm512_sub_epi8(_mm512_set1_epi8(32), _mm512_permutexvar_epi32(transposed, bytes));
        __m512i sizes = _mm512_permutexvar_epi8(widths, size), pair_sizes = _mm512_maddubs_epi16(sizes, _mm512_set1_epi8(1));
        __m512i word_sizes = _mm512_madd_epi16(pair_sizes, _mm512_set1_epi16(1));
        if (f) GW_AT(gw_bitflag_put_flags)(_mm512_permutexvar_epi8(widths, code), f, _mm512_loadu_si512(column), flags);
        if (!_mm512_cmpgt_epu32_mask(word_sizes, _mm512_set1_epi32(GW_BITFLAG_WORD)))
            GW_AT(gw_bitflag_put_words)(&w, gaps, sizes, pair_sizes, word_sizes);
        else
            for (int j = 0; j < 64; j += 8) GW_AT(gw_bitflag_put_each)(keys + i + j, 8, i + j ? keys[i + j - 1] : 0xFFFFFFFFu, f, t, &w);
    }
    *writer = w;
    return i;
}
#elif GW_LEVEL == GW_AVX2
/* Entry b of a table of 32 for each b in `widths` below 32. */
GW_INLINE __m256i GW_AT(gw_bitflag_look_up)(__m256i low, __m256i high, __m256i widths)
{
    /* A byte with its top bit set gives 0: all but the lowest of a lane, and the lowest where the entry is in the other half. */
    return _mm256_or_si256(_mm256_shuffle_epi8(low, _mm256_add_epi32(widths, _mm256_set1_epi32((int)0x80808070))),
                           _mm256_shuffle_epi8(high, _mm256_add_epi32(widths, _mm256_set1_epi32((int)0x808080F0))));
}

GW_INLINE int64_t GW_AT(gw_bitflag_encode_blocks)(const uint32_t *keys, int64_t n, int f, const gw_bitflag_table *t, uint8_t *flags, gw_bitflag_writer *writer)
{
#define GW_HALF(table, at) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)((table) + (at))))
    const __m256i code_low = GW_HALF(t->code, 0), code_high = GW_HALF(t->code, 16), size_low = GW_HALF(t->size, 0), size_high = GW_HALF(t->size, 16);
#undef GW_HALF
    const __m256i turn = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6), one = _mm256_set1_epi32(1), low = _mm256_set1_epi64x(0xFFFFFFFF);
    const uint32_t flag_bits = 0x01010101u * ((1u << f) - 1);
    __m256i before = _mm256_set1_epi32(-1);
    gw_bitflag_writer w = *writer;
    int64_t i = 0;
    for (; i + 72 <= n; i += 8) {
        __m256i now = _mm256_loadu_si256((const __m256i *)(keys + i)), turned = _mm256_permutevar8x32_epi32(now, turn);
        __m256i gaps = _mm256_sub_epi32(_mm256_sub_epi32(now, _mm256_blend_epi32(turned, before, 1)), one);
        /* Bit width: the exponent of the gap + ½. Without the bit below the first it is not rounded up to the next power of two. */
        __m256 number = _mm256_cvtepi32_ps(_mm256_andnot_si256(_mm256_srli_epi32(gaps, 1), gaps));
        __m256i exponents = _mm256_srli_epi32(_mm256_castps_si256(_mm256_add_ps(number, _mm256_set1_ps(0.5f))), 23);
        __m256i widths = _mm256_sub_epi32(exponents, _mm256_set1_epi32(126));
        __m256i sizes = GW_AT(gw_bitflag_look_up)(size_low, size_high, widths), codes = GW_AT(gw_bitflag_look_up)(code_low, code_high, widths);
        __m256i first = _mm256_and_si256(sizes, low), pair_sizes = _mm256_add_epi64(first, _mm256_srli_epi64(sizes, 32));
        __m256i pairs = _mm256_or_si256(_mm256_and_si256(gaps, low), _mm256_sllv_epi64(_mm256_srli_epi64(gaps, 32), first));
        __m256i words = _mm256_or_si256(pairs, _mm256_sllv_epi64(_mm256_bsrli_epi128(pairs, 8), pair_sizes));
        __m256i word_sizes = _mm256_add_epi64(pair_sizes, _mm256_bsrli_epi128(pair_sizes, 8));
        uint64_t size0 = (uint64_t)_mm256_extract_epi64(word_sizes, 0), size1 = (uint64_t)_mm256_extract_epi64(word_sizes, 2), word;
        before = turned;
        if (_mm256_movemask_ps(_mm256_castsi256_ps(gaps)) || size0 > GW_BITFLAG_WORD || size1 > GW_BITFLAG_WORD) { /* or a gap ≥ 2^31 */
            word = GW_AT(gw_bitflag_put_each)(keys + i, 8, i ? keys[i - 1] : 0xFFFFFFFFu, f, t, &w);
        } else {
            __m256i packed = _mm256_packus_epi16(_mm256_packus_epi32(codes, codes), codes);
            word = _pext_u32((uint32_t)_mm256_extract_epi32(packed, 0), flag_bits);
            word |= (uint64_t)_pext_u32((uint32_t)_mm256_extract_epi32(packed, 4), flag_bits) << 4 * f;
            gw_bitflag_put(&w, (uint64_t)_mm256_extract_epi64(words, 0), (unsigned)size0);
            gw_bitflag_put(&w, (uint64_t)_mm256_extract_epi64(words, 2), (unsigned)size1);
        }
        if (f) gw_store64(flags, word);
        flags += f;
    }
    *writer = w;
    return i;
}
#else
GW_INLINE int64_t GW_AT(gw_bitflag_encode_blocks)(const uint32_t *keys, int64_t n, int f, const gw_bitflag_table *t, uint8_t *flags, gw_bitflag_writer *writer)
{
    uint32_t before = 0xFFFFFFFFu;
    gw_bitflag_writer w = *writer;
    int64_t i = 0;
    for (; i + 72 <= n; i += 8) {
        uint64_t word = 0;
        for (int j = 0; j < 8; j += 4) {
            uint64_t gap[4];
            unsigned size[4];
            for (int k = 0; k < 4; k++) {
                gap[k] = keys[i + j + k] - before - 1;
                before = keys[i + j + k];
                int width = gw_bit_width((uint32_t)gap[k]);
                size[k] = t->size[width];
                word |= (uint64_t)t->code[width] << (j + k) * f;
            }
            unsigned first = size[0] + size[1], second = size[2] + size[3];
            if (first + second <= GW_BITFLAG_WORD)
                gw_bitflag_put(&w, gap[0] | gap[1] << size[0] | (gap[2] | gap[3] << size[2]) << first, first + second);
            else
                for (int k = 0; k < 4; k++) gw_bitflag_put(&w, gap[k], size[k]);
        }
        if (f) gw_store64(flags, word);
        flags += f;
    }
    *writer = w;
    return i;
}
#endif

static int64_t GW_AT(gw_bitflag_encode)(const uint32_t *keys, int64_t n, int f, uint64_t set, uint8_t *out)
{
    uint8_t *flags = out + GW_BITFLAG_HEADER, *flags_end = flags + (n * f + 7) / 8;
    gw_bitflag_writer w = {.p = flags_end};
    gw_bitflag_table table;
    gw_bitflag_fill(set, &table);
    for (int i = 0; i < GW_BITFLAG_HEADER; i++) out[i] = (uint8_t)((set | (uint64_t)f << GW_BITFLAG_WIDTHS) >> 8 * i);
    int64_t i = GW_AT(gw_bitflag_encode_blocks)(keys, n, f, &table, flags, &w);
    flags += i / 8 * f;
    for (; i < n; i += 8) { /* the flags of eight keys are f whole bytes */
        uint64_t word = GW_AT(gw_bitflag_put_each)(keys + i, n - i < 8 ? (int)(n - i) : 8, i ? keys[i - 1] : 0xFFFFFFFFu, f, &table, &w);
        for (int j = 0; j < f && flags < flags_end; j++, word >>= 8) *flags++ = (uint8_t)word;
    }
    return w.p + (w.fill != 0) - out;
}
