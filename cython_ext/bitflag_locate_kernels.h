/* bitflag's decoder, for one level: where the gaps of many flags are, and the keys that they make. */
#include "keys_sum_kernels.h"

#if GW_LEVEL >= GW_AVX2
/* Where the gaps of a batch are: gap j of a window (eight keys at AVX-512, four at AVX2) is the 32-bit word at byte from[j] of it, shifted
 * left and then right. Windows start at bytes first[] of the payload. */
enum { GW_AT(GW_BITFLAG_BATCH) = 512 };
typedef struct {
    uint32_t first[GW_AT(GW_BITFLAG_BATCH) / 4];
    uint8_t from[GW_AT(GW_BITFLAG_BATCH)], left[GW_AT(GW_BITFLAG_BATCH)], right[GW_AT(GW_BITFLAG_BATCH)];
} GW_AT(gw_bitflag_map);
#endif

/* gw_bitflag_locate: from the flags of one block, where its gaps are, the first of them at bit `at`; into the map from gap j on. Returns
 * their bits, or -1 if a flag has no name or a gap has more than 25 bits, which a shifted 32-bit word may not hold.
 * gw_bitflag_fetch: the gaps from j on, as many as lanes. gw_bitflag_fetch_keys: the m keys after `before`; nonzero unless they increase,
 * all but the `first` = 1 or 0 of them. */
#if GW_LEVEL == GW_AVX512
enum { GW_AT(GW_BITFLAG_BLOCK) = 64 };

GW_INLINE int64_t GW_AT(gw_bitflag_locate)(const gw_bitflag_reader *r, const uint8_t *flags, int64_t at, GW_AT(gw_bitflag_map) *map, int64_t j)
{
    const uint64_t bytes = 0x0101010101010101u, count = 0x0706050403020100u;
    const __m512i rows = _mm512_add_epi8(_mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64((int64_t)(bytes * (unsigned)r->f))),
                                         _mm512_set1_epi64((int64_t)count));
    const __m512i columns = _mm512_set1_epi64((int64_t)(count * (unsigned)r->f)), flag_bits = _mm512_set1_epi8((char)((1 << r->f) - 1));
    const __m512i repeat = _mm512_set4_epi32(0x08080808, 0x08080808, 0, 0), zero = _mm512_setzero_si512(); /* byte 0 of eight in all eight */
    __m512i words = _mm512_permutexvar_epi8(rows, _mm512_loadu_si512(flags));
    __m512i codes = _mm512_and_si512(_mm512_multishift_epi64_epi8(columns, words), flag_bits);
    __m512i widths = _mm512_permutexvar_epi8(codes, _mm512_loadu_si512(r->names.width));
    if (_mm512_cmpgt_epu8_mask(codes, _mm512_set1_epi8((char)r->names.last)) | _mm512_cmpgt_epu8_mask(widths, _mm512_set1_epi8(25))) return -1;
    __m512i ends = _mm512_add_epi8(widths, _mm512_slli_epi64(widths, 8)); /* where gaps end, counted from the first of eight */
    ends = _mm512_add_epi8(ends, _mm512_slli_epi64(ends, 16));
    ends = _mm512_add_epi8(ends, _mm512_slli_epi64(ends, 32));
    __m512i totals = _mm512_srli_epi64(ends, 56), starts = totals; /* of eights */
    starts = _mm512_add_epi64(starts, _mm512_alignr_epi64(starts, zero, 7));
    starts = _mm512_add_epi64(starts, _mm512_alignr_epi64(starts, zero, 6));
    starts = _mm512_add_epi64(starts, _mm512_alignr_epi64(starts, zero, 4));
    int64_t total = _mm_extract_epi64(_mm512_extracti64x2_epi64(starts, 3), 1);
    starts = _mm512_add_epi64(_mm512_sub_epi64(starts, totals), _mm512_set1_epi64(at));
    _mm256_storeu_si256((__m256i *)(map->first + j / 8), _mm512_cvtepi64_epi32(_mm512_srli_epi64(starts, 3)));
    __m512i bits = _mm512_shuffle_epi8(_mm512_and_si512(starts, _mm512_set1_epi64(7)), repeat);
    bits = _mm512_add_epi8(_mm512_sub_epi8(ends, widths), bits); /* where gaps start, counted from their window */
    __m512i right = _mm512_sub_epi8(_mm512_set1_epi8(32), widths);
    _mm512_storeu_si512(map->from + j, _mm512_and_si512(_mm512_srli_epi16(bits, 3), _mm512_set1_epi8(31)));
    _mm512_storeu_si512(map->left + j, _mm512_sub_epi8(right, _mm512_and_si512(bits, _mm512_set1_epi8(7))));
    _mm512_storeu_si512(map->right + j, right);
    return total;
}

GW_INLINE __m512i GW_AT(gw_bitflag_fetch)(const uint8_t *base, const GW_AT(gw_bitflag_map) *map, int64_t j)
{
    const __m512i each = _mm512_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505, 0x06060606, 0x07070707,
                                           0x08080808, 0x09090909, 0x0A0A0A0A, 0x0B0B0B0B, 0x0C0C0C0C, 0x0D0D0D0D, 0x0E0E0E0E, 0x0F0F0F0F);
    const __m512i step = _mm512_add_epi8(_mm512_set1_epi32(0x03020100), _mm512_maskz_set1_epi32(0xFF00, 0x20202020)); /* the upper eight: window 2 */
    __m512i window = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(base + map->first[j / 8]))),
                                        _mm256_loadu_si256((const __m256i *)(base + map->first[j / 8 + 1])), 1);
    __m512i from = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(map->from + j)));
    __m512i gaps = _mm512_permutexvar_epi8(_mm512_add_epi8(_mm512_shuffle_epi8(from, each), step), window);
    gaps = _mm512_sllv_epi32(gaps, _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(map->left + j))));
    return _mm512_srlv_epi32(gaps, _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(map->right + j))));
}

GW_INLINE uint32_t GW_AT(gw_bitflag_fetch_keys)(const uint8_t *base, const GW_AT(gw_bitflag_map) *map, int64_t m, uint32_t before, uint32_t first,
                                                uint32_t *out)
{
    __m512i key = _mm512_set1_epi32((int)before);
    uint32_t refused, any = 0;
    for (int64_t j = 0; j < m; j += 16) {
        __m512i steps = _mm512_add_epi32(GW_AT(gw_bitflag_fetch)(base, map, j), _mm512_set1_epi32(1));
        _mm512_storeu_si512(out + j, GW_AT(gw_keys_add)(steps, &key, &refused));
        any |= refused & ~first;
        first = 0;
    }
    return any;
}
#elif GW_LEVEL == GW_AVX2
enum { GW_AT(GW_BITFLAG_BLOCK) = 32 };

GW_INLINE int64_t GW_AT(gw_bitflag_locate)(const gw_bitflag_reader *r, const uint8_t *flags, int64_t at, GW_AT(gw_bitflag_map) *map, int64_t j)
{
    const __m256i repeat = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0C0C0C0C, 0, 0x04040404, 0x08080808, 0x0C0C0C0C);
    const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)r->names.width));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(r->names.width + 16)));
    const uint64_t flag_bits = 0x0101010101010101u * ((1u << r->f) - 1);
    __m256i codes = _mm256_set_epi64x((int64_t)_pdep_u64(gw_load64(flags + 3 * r->f), flag_bits), (int64_t)_pdep_u64(gw_load64(flags + 2 * r->f), flag_bits),
                                      (int64_t)_pdep_u64(gw_load64(flags + r->f), flag_bits), (int64_t)_pdep_u64(gw_load64(flags), flag_bits));
    __m256i widths = _mm256_blendv_epi8(_mm256_shuffle_epi8(low, codes), _mm256_shuffle_epi8(high, codes), _mm256_slli_epi16(codes, 3));
    __m256i nameless = _mm256_cmpgt_epi8(codes, _mm256_set1_epi8((char)r->names.last)), wide = _mm256_cmpgt_epi8(widths, _mm256_set1_epi8(25));
    if (_mm256_movemask_epi8(_mm256_or_si256(nameless, wide))) return -1;
    __m256i ends = _mm256_add_epi8(widths, _mm256_slli_epi32(widths, 8)); /* where gaps end, counted from the first of four */
    ends = _mm256_add_epi8(ends, _mm256_slli_epi32(ends, 16));
    __m256i totals = _mm256_srli_epi32(ends, 24), starts = totals; /* of fours */
    starts = _mm256_add_epi32(starts, _mm256_slli_si256(starts, 4));
    starts = _mm256_add_epi32(starts, _mm256_slli_si256(starts, 8));
    starts = _mm256_add_epi32(starts, _mm256_shuffle_epi32(_mm256_permute2x128_si256(starts, starts, 0x08), 0xFF));
    int64_t total = _mm256_extract_epi32(starts, 7);
    starts = _mm256_add_epi32(_mm256_sub_epi32(starts, totals), _mm256_set1_epi32((int)at));
    _mm256_storeu_si256((__m256i *)(map->first + j / 4), _mm256_srli_epi32(starts, 3));
    __m256i bits = _mm256_shuffle_epi8(_mm256_and_si256(starts, _mm256_set1_epi32(7)), repeat);
    bits = _mm256_add_epi8(_mm256_sub_epi8(ends, widths), bits); /* where gaps start, counted from their window */
    __m256i right = _mm256_sub_epi8(_mm256_set1_epi8(32), widths);
    _mm256_storeu_si256((__m256i *)(map->from + j), _mm256_and_si256(_mm256_srli_epi16(bits, 3), _mm256_set1_epi8(15)));
    _mm256_storeu_si256((__m256i *)(map->left + j), _mm256_sub_epi8(right, _mm256_and_si256(bits, _mm256_set1_epi8(7))));
    _mm256_storeu_si256((__m256i *)(map->right + j), right);
    return total;
}

GW_INLINE __m256i GW_AT(gw_bitflag_fetch)(const uint8_t *base, const GW_AT(gw_bitflag_map) *map, int64_t j)
{
    const __m256i each = _mm256_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505, 0x06060606, 0x07070707);
    __m256i window = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(base + map->first[j / 4]))),
                                             _mm_loadu_si128((const __m128i *)(base + map->first[j / 4 + 1])), 1);
    __m256i from = _mm256_shuffle_epi8(_mm256_set1_epi64x((int64_t)gw_load64(map->from + j)), each);
    __m256i gaps = _mm256_shuffle_epi8(window, _mm256_add_epi8(from, _mm256_set1_epi32(0x03020100)));
    gaps = _mm256_sllv_epi32(gaps, _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(map->left + j))));
    return _mm256_srlv_epi32(gaps, _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(map->right + j))));
}

GW_INLINE uint32_t GW_AT(gw_bitflag_fetch_keys)(const uint8_t *base, const GW_AT(gw_bitflag_map) *map, int64_t m, uint32_t before, uint32_t first,
                                                uint32_t *out)
{
    __m256i key = _mm256_set1_epi32((int)before);
    uint32_t refused, any = 0;
    for (int64_t j = 0; j < m; j += 8) {
        __m256i steps = _mm256_add_epi32(GW_AT(gw_bitflag_fetch)(base, map, j), _mm256_set1_epi32(1));
        _mm256_storeu_si256((__m256i *)(out + j), GW_AT(gw_keys_add)(steps, &key, &refused));
        any |= refused & ~first;
        first = 0;
    }
    return any;
}
#endif
