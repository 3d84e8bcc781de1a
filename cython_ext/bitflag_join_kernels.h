/* bitflag's encoder at AVX-512: 64 gaps to words, and their flags. */
#if GW_LEVEL == GW_AVX512
/* Stores the f-bit flags of 64 gaps, 8f bytes; `columns` picks bytes 0 … f - 1 of each eight. */
GW_INLINE void GW_AT(gw_bitflag_put_flags)(__m512i codes, int f, __m512i columns, uint8_t *flags)
{
    uint64_t words[8];
    __m512i two = _mm512_maddubs_epi16(codes, _mm512_set1_epi16((short)(0x100 << f | 1))), four = _mm512_madd_epi16(two, _mm512_set1_epi32(0x10000 << 2 * f | 1));
    __m512i eight = _mm512_or_si512(_mm512_maskz_mov_epi32(0x5555, four), _mm512_sll_epi64(_mm512_srli_epi64(four, 32), _mm_cvtsi32_si128(4 * f)));
    _mm512_storeu_si512(words, _mm512_permutexvar_epi8(columns, eight));
    GW_IN_MEMORY(words);
    for (int j = 0; j < f; j++) gw_store64(flags + 8 * j, words[j]);
}

/* Joins 64 gaps to sixteen words, shifted to where they start in a byte: word[8 * h + lane] holds gaps 32h + 4 · lane … + 3. */
GW_INLINE void GW_AT(gw_bitflag_join)(const __m512i *gaps, __m512i sizes, __m512i pair_sizes, __m512i fills, uint64_t *word)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), odd = _mm512_add_epi64(even, _mm512_set1_epi64(1));
    const __mmask64 lowest = 0x0101010101010101u;
    __m512i pairs[4];
    for (int q = 0; q < 4; q++) {
        __m512i first = _mm512_maskz_permutexvar_epi8(lowest, _mm512_add_epi64(even, _mm512_set1_epi64(16 * q)), sizes);
        pairs[q] = _mm512_or_si512(_mm512_maskz_mov_epi32(0x5555, gaps[q]), _mm512_sllv_epi64(_mm512_srli_epi64(gaps[q], 32), first));
    }
    for (int h = 0; h < 2; h++) {
        __m512i low = _mm512_permutex2var_epi64(pairs[2 * h], even, pairs[2 * h + 1]), high = _mm512_permutex2var_epi64(pairs[2 * h], odd, pairs[2 * h + 1]);
        __m512i low_sizes = _mm512_maskz_permutexvar_epi8(lowest, _mm512_add_epi64(_mm512_slli_epi64(even, 1), _mm512_set1_epi64(32 * h)), pair_sizes);
        __m512i words = _mm512_or_si512(low, _mm512_sllv_epi64(high, low_sizes));
        __m512i fill = _mm512_cvtepu32_epi64(h ? _mm512_extracti64x4_epi64(fills, 1) : _mm512_castsi512_si256(fills));
        _mm512_storeu_si512(word + 8 * h, _mm512_sllv_epi64(words, fill));
    }
}

/* What gw_bitflag_put does with the words of 64 gaps, with all places known beforehand. */
GW_INLINE void GW_AT(gw_bitflag_put_words)(gw_bitflag_writer *w, const __m512i *gaps, __m512i sizes, __m512i pair_sizes, __m512i word_sizes)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i ends = _mm512_add_epi32(word_sizes, _mm512_alignr_epi32(word_sizes, zero, 15)), starts, bytes; /* in bits from w->p */
    ends = _mm512_add_epi32(ends, _mm512_alignr_epi32(ends, zero, 14));
    ends = _mm512_add_epi32(ends, _mm512_alignr_epi32(ends, zero, 12));
    ends = _mm512_add_epi32(ends, _mm512_alignr_epi32(ends, zero, 8));
    ends = _mm512_add_epi32(ends, _mm512_set1_epi32((int)w->fill));
    starts = _mm512_sub_epi32(ends, word_sizes);
    bytes = _mm512_srli_epi32(starts, 3);
    uint64_t word[16];
    uint32_t at[16], done[16], end = (uint32_t)_mm_extract_epi32(_mm512_extracti32x4_epi32(ends, 3), 3);
    _mm512_storeu_si512(at, bytes);
    _mm512_storeu_si512(done, _mm512_slli_epi32(_mm512_sub_epi32(_mm512_srli_epi32(ends, 3), bytes), 3));
    GW_AT(gw_bitflag_join)(gaps, sizes, pair_sizes, _mm512_and_si512(starts, _mm512_set1_epi32(7)), word);
    GW_IN_MEMORY(word);
    GW_IN_MEMORY(at);
    GW_IN_MEMORY(done);
    for (int j = 0; j < 16; j++) {
        w->pending |= word[j];
        gw_store64(w->p + at[j], w->pending);
        w->pending >>= done[j];
    }
    w->p += end >> 3;
    w->fill = end & 7;
}
#endif
