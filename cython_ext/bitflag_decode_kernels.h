/* bitflag's decoder, for one level. */
#include "keys_sum_kernels.h"

/* Decodes blocks of keys that end well before the payload does. Stops in front of a block that has a flag without a name, a gap of more
 * than 25 bits (a shifted 32-bit word may not hold it), or keys that do not increase. */
#if GW_LEVEL == GW_AVX512
GW_INLINE void GW_AT(gw_bitflag_get_blocks)(gw_bitflag_reader *r, uint32_t *out)
{
    const int f = r->f;
    /* Bytes 4j … 4j + 3 of `each` name gap j of sixteen; those of `step` are 0 … 3, plus 32 for the upper eight, which have a window of their own. */
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i each = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(0x01010101));
    const __m512i step = _mm512_mask_add_epi32(_mm512_set1_epi32(0x03020100), 0xFF00, _mm512_set1_epi32(0x03020100), _mm512_set1_epi32(0x20202020));
    const __m512i repeat = _mm512_set4_epi32(0x08080808, 0x08080808, 0, 0);     /* byte 0 of eight in all eight */
    const __m512i eight = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), one = _mm512_set1_epi32(1), zero = _mm512_setzero_si512();
    const uint64_t bytes = 0x0101010101010101u, count = 0x0706050403020100u;
    const __m512i rows = _mm512_add_epi8(_mm512_mullo_epi64(eight, _mm512_set1_epi64((int64_t)(bytes * (unsigned)f))), _mm512_set1_epi64((int64_t)count));
    const __m512i columns = _mm512_set1_epi64((int64_t)(count * (unsigned)f)), flag_bits = _mm512_set1_epi8((char)((1 << f) - 1));
    const __m512i last = _mm512_set1_epi8((char)r->names.last), width = _mm512_loadu_si512(r->names.width);
    __m512i key = _mm512_set1_epi32((int)r->key);
    const uint8_t *flags = r->flags;
    const int64_t n = r->n, end = r->end;
    int64_t i = r->i, at = r->at;
    for (; i + 64 <= n && end - at >= 8 * 320; i += 64, flags += 8 * f) {
        __m512i words = _mm512_permutexvar_epi8(rows, _mm512_loadu_si512(flags));
        __m512i codes = _mm512_and_si512(_mm512_multishift_epi64_epi8(columns, words), flag_bits);
        __m512i widths = _mm512_permutexvar_epi8(codes, width);
        if (_mm512_cmpgt_epu8_mask(codes, last) | _mm512_cmpgt_epu8_mask(widths, _mm512_set1_epi8(25))) break;
        __m512i ends = _mm512_add_epi8(widths, _mm512_slli_epi64(widths, 8)); /* where gaps end, counted from the first of eight */
        ends = _mm512_add_epi8(ends, _mm512_slli_epi64(ends, 16));
        ends = _mm512_add_epi8(ends, _mm512_slli_epi64(ends, 32));
        __m512i totals = _mm512_srli_epi64(ends, 56), starts = totals; /* of eights, counted from the byte of the first */
        starts = _mm512_add_epi64(starts, _mm512_alignr_epi64(starts, zero, 7));
        starts = _mm512_add_epi64(starts, _mm512_alignr_epi64(starts, zero, 6));
        starts = _mm512_add_epi64(starts, _mm512_alignr_epi64(starts, zero, 4));
        int64_t total = _mm_extract_epi64(_mm512_extracti64x2_epi64(starts, 3), 1);
        starts = _mm512_add_epi64(_mm512_sub_epi64(starts, totals), _mm512_set1_epi64(at & 7));
        int64_t first[8];
        _mm512_storeu_si512(first, _mm512_srli_epi64(starts, 3));
        __m512i bits = _mm512_shuffle_epi8(_mm512_and_si512(starts, _mm512_set1_epi64(7)), repeat);
        bits = _mm512_add_epi8(_mm512_sub_epi8(ends, widths), bits); /* where gaps start, counted from the byte of their eight's first */
        __m512i from = _mm512_and_si512(_mm512_srli_epi16(bits, 3), _mm512_set1_epi8(31));
        __m512i right = _mm512_sub_epi8(_mm512_set1_epi8(32), widths);
        __m512i left = _mm512_sub_epi8(right, _mm512_and_si512(bits, _mm512_set1_epi8(7)));
        const uint8_t *base = r->base + (at >> 3);
        uint32_t refused = 0;
        for (int q = 0; q < 4; q++) {
            __m512i which = _mm512_add_epi8(each, _mm512_set1_epi8((char)(16 * q)));
            __m512i window = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(base + first[2 * q]))),
                                                _mm256_loadu_si256((const __m256i *)(base + first[2 * q + 1])), 1);
            __m512i gaps = _mm512_permutexvar_epi8(_mm512_add_epi8(_mm512_permutexvar_epi8(which, from), step), window);
            gaps = _mm512_sllv_epi32(gaps, _mm512_maskz_permutexvar_epi8(0x1111111111111111u, which, left));
            gaps = _mm512_srlv_epi32(gaps, _mm512_maskz_permutexvar_epi8(0x1111111111111111u, which, right));
            uint32_t bad;
            __m512i keys = GW_AT(gw_keys_add)(_mm512_add_epi32(gaps, one), &key, &bad);
            refused |= q == 0 && i == 0 ? bad & ~1u : bad; /* the first key has none before it */
            _mm512_storeu_si512(out + i + 16 * q, keys);
        }
        if (refused) break;
        at += total;
    }
    if (i > r->i) r->key = out[i - 1];
    r->i = i;
    r->at = at;
    r->flags = flags;
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE void GW_AT(gw_bitflag_get_blocks)(gw_bitflag_reader *r, uint32_t *out)
{
    const int f = r->f;
    const __m256i each = _mm256_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505, 0x06060606, 0x07070707);
    const __m256i step = _mm256_set1_epi32(0x03020100), one = _mm256_set1_epi32(1);
    const __m256i repeat = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0C0C0C0C, 0, 0x04040404, 0x08080808, 0x0C0C0C0C);
    const uint64_t flag_bits = 0x0101010101010101u * ((1u << f) - 1);
    const __m256i last = _mm256_set1_epi8((char)r->names.last);
    const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)r->names.width));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(r->names.width + 16)));
    __m256i key = _mm256_set1_epi32((int)r->key);
    const uint8_t *flags = r->flags;
    const int64_t n = r->n, end = r->end;
    int64_t i = r->i, at = r->at;
    for (; i + 32 <= n && end - at >= 8 * 320; i += 32, flags += 4 * f) {
        __m256i codes = _mm256_set_epi64x((int64_t)_pdep_u64(gw_load64(flags + 3 * f), flag_bits), (int64_t)_pdep_u64(gw_load64(flags + 2 * f), flag_bits),
                                          (int64_t)_pdep_u64(gw_load64(flags + f), flag_bits), (int64_t)_pdep_u64(gw_load64(flags), flag_bits));
        __m256i widths = _mm256_blendv_epi8(_mm256_shuffle_epi8(low, codes), _mm256_shuffle_epi8(high, codes), _mm256_slli_epi16(codes, 3));
        if (_mm256_movemask_epi8(_mm256_or_si256(_mm256_cmpgt_epi8(codes, last), _mm256_cmpgt_epi8(widths, _mm256_set1_epi8(25))))) break;
        __m256i ends = _mm256_add_epi8(widths, _mm256_slli_epi32(widths, 8)); /* where gaps end, counted from the first of four */
        ends = _mm256_add_epi8(ends, _mm256_slli_epi32(ends, 16));
        __m256i totals = _mm256_srli_epi32(ends, 24), starts = totals; /* of fours, counted from the byte of the first */
        starts = _mm256_add_epi32(starts, _mm256_slli_si256(starts, 4));
        starts = _mm256_add_epi32(starts, _mm256_slli_si256(starts, 8));
        starts = _mm256_add_epi32(starts, _mm256_shuffle_epi32(_mm256_permute2x128_si256(starts, starts, 0x08), 0xFF));
        int64_t total = _mm256_extract_epi32(starts, 7);
        starts = _mm256_add_epi32(_mm256_sub_epi32(starts, totals), _mm256_set1_epi32((int)(at & 7)));
        uint32_t first[8], refused = 0;
        uint8_t from[32], left[32], right[32];
        _mm256_storeu_si256((__m256i *)first, _mm256_srli_epi32(starts, 3));
        __m256i bits = _mm256_shuffle_epi8(_mm256_and_si256(starts, _mm256_set1_epi32(7)), repeat);
        bits = _mm256_add_epi8(_mm256_sub_epi8(ends, widths), bits); /* where gaps start, counted from the byte of their four's first */
        __m256i shift = _mm256_sub_epi8(_mm256_set1_epi8(32), widths);
        _mm256_storeu_si256((__m256i *)from, _mm256_and_si256(_mm256_srli_epi16(bits, 3), _mm256_set1_epi8(15)));
        _mm256_storeu_si256((__m256i *)left, _mm256_sub_epi8(shift, _mm256_and_si256(bits, _mm256_set1_epi8(7))));
        _mm256_storeu_si256((__m256i *)right, shift);
        const uint8_t *base = r->base + (at >> 3);
        for (int q = 0; q < 4; q++) {
            uint64_t from8;
            memcpy(&from8, from + 8 * q, 8);
            __m256i which = _mm256_add_epi8(_mm256_shuffle_epi8(_mm256_set1_epi64x((int64_t)from8), each), step);
            __m256i window = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(base + first[2 * q]))),
                                                     _mm_loadu_si128((const __m128i *)(base + first[2 * q + 1])), 1);
            __m256i gaps = _mm256_shuffle_epi8(window, which);
            gaps = _mm256_sllv_epi32(gaps, _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(left + 8 * q))));
            gaps = _mm256_srlv_epi32(gaps, _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(right + 8 * q))));
            uint32_t bad;
            __m256i keys = GW_AT(gw_keys_add)(_mm256_add_epi32(gaps, one), &key, &bad);
            refused |= q == 0 && i == 0 ? bad & ~1u : bad; /* the first key has none before it */
            _mm256_storeu_si256((__m256i *)(out + i + 8 * q), keys);
        }
        if (refused) break;
        at += total;
    }
    if (i > r->i) r->key = out[i - 1];
    r->i = i;
    r->at = at;
    r->flags = flags;
}
#else
GW_INLINE void GW_AT(gw_bitflag_get_blocks)(gw_bitflag_reader *r, uint32_t *out)
{
    (void)r, (void)out;
}
#endif

/* Reads `count` ≤ 8 gaps whose flags are the low bits of `word`; looks at up to 8 bytes behind the first bit of a gap. */
GW_INLINE int GW_AT(gw_bitflag_get)(gw_bitflag_reader *r, uint64_t word, int count, uint32_t *out)
{
    const uint8_t *base = r->base;
    uint64_t flag_mask = ((uint64_t)1 << r->f) - 1;
    uint32_t key = r->key;
    int64_t at = r->at;
    int nameless = 0, unordered = r->i == 0 ? -1 : 0; /* the first key has none before it: it counts as unordered */
    for (int j = 0; j < count; j++) {
        int flag = (int)(word & flag_mask);
        uint32_t gap = (uint32_t)(gw_load64(base + (at >> 3)) >> (at & 7)) & r->names.mask[flag];
        word >>= r->f;
        nameless |= flag > r->names.last;
        key += gap + 1;
        unordered += gap >= key; /* the sum passed 2^32 */
        at += r->names.width[flag];
        out[j] = key;
    }
    r->at = at;
    r->key = key;
    return nameless ? GW_KEYS_FLAG : at > r->end ? GW_KEYS_LENGTH : unordered ? GW_KEYS_ORDER : GW_KEYS_OK;
}

static int GW_AT(gw_bitflag_decode)(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, int f, uint64_t set, uint32_t *out)
{
    enum { LOOK = 8 * 4 + 8 }; /* bytes that eight gaps may look at */
    const uint8_t *flags_end = payload + (n * f + 7) / 8;
    uint8_t tail[2 * LOOK] = {0}; /* the last bytes once more, so that no load leaves the buffer */
    gw_bitflag_reader r = {.flags = payload, .base = flags_end, .end = 8 * (nbytes - (flags_end - payload)), .n = n, .f = f, .key = 0xFFFFFFFFu};
    gw_bitflag_name(set, &r.names);
    if (n * f % 8 && flags_end[-1] >> (n * f % 8)) return GW_KEYS_PADDING;
    while (r.i < n) {
        if (r.i % 64 == 0) GW_AT(gw_bitflag_get_blocks)(&r, out);
        if (r.base != tail && r.end - r.at < 8 * LOOK) {
            r.end -= r.at & ~(int64_t)7;
            memcpy(tail, r.base + (r.at >> 3), (size_t)(r.end >> 3));
            r.base = tail;
            r.at &= 7;
        }
        uint64_t word = 0;
        if (flags_end - r.flags >= 8) word = gw_load64(r.flags);
        else memcpy(&word, r.flags, (size_t)(flags_end - r.flags)), word = GW_LE64(word);
        int error = GW_AT(gw_bitflag_get)(&r, word, n - r.i < 8 ? (int)(n - r.i) : 8, out + r.i);
        if (error) return error;
        r.i += 8;
        r.flags += f;
    }
    if (r.end - r.at >= 8) return GW_KEYS_LENGTH;
    if (r.at < r.end && r.base[r.at >> 3] >> (r.at & 7)) return GW_KEYS_PADDING;
    return r.key < dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
