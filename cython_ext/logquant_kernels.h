/* The loops of logquant.h, for one level. */
#include "random_block.h"

/* Look-ups stay scalar, two to a store, and a whole block goes by before vectors read them: gathers are slower, and so is a wide load of
 * what narrow stores have just written. */
GW_INLINE void GW_AT(gw_log_look_up)(const uint32_t *table, const uint16_t *index, uint32_t *restrict out)
{
    for (int j = 0; j < GW_LOG_BLOCK; j += 4) {
        uint64_t at, low, high;
        memcpy(&at, index + j, 8);
        low = table[at & 0xFFFF] | (uint64_t)table[at >> 16 & 0xFFFF] << 32;
        high = table[at >> 32 & 0xFFFF] | (uint64_t)table[at >> 48] << 32;
        memcpy(out + j, &low, 8);
        memcpy(out + j + 2, &high, 8);
    }
}

/* Magnitudes of one block within the table of cells, and what that says of each: code = (entry - m) >> shift. */
GW_INLINE void GW_AT(gw_log_entries)(const gw_log_quantiser *q, const float *values, uint32_t *restrict m, uint32_t *restrict entries)
{
    uint16_t cell[GW_LOG_BLOCK];
    int32_t top = (int32_t)q->top, floor = (int32_t)q->floor, first = (int32_t)q->first;
    int shift = q->shift;
    for (int j = 0; j < GW_LOG_BLOCK; j++) {
        int32_t bits = gw_magnitude_bits(values + j);
        bits = bits < top ? bits : top;
        bits = bits > floor ? bits : floor;
        m[j] = (uint32_t)bits;
        cell[j] = (uint16_t)((bits >> shift) - first);
    }
    GW_AT(gw_log_look_up)(q->cells, cell, entries);
}

/* Codes of one block from the eight cells of any octave. */
#if GW_LEVEL == GW_AVX512
GW_INLINE void GW_AT(gw_log_by_octave)(const gw_log_quantiser *q, const float *values, uint32_t *restrict codes)
{
    __m512i cells = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)q->cells)), last = _mm512_set1_epi32(q->tau - 1);
    __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF), top = _mm512_set1_epi32((int)q->top);
    __m128i shift = _mm_cvtsi32_si128(q->shift);
    for (int j = 0; j < GW_LOG_BLOCK; j += 16) {
        __m512i m = _mm512_min_epi32(_mm512_and_si512(_mm512_loadu_si512(values + j), magnitude), top);
        __m512i cell = _mm512_permutexvar_epi32(_mm512_srli_epi32(m, 20), cells);
        _mm512_storeu_si512(codes + j, _mm512_min_epu32(_mm512_srl_epi32(_mm512_sub_epi32(cell, m), shift), last));
    }
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE void GW_AT(gw_log_by_octave)(const gw_log_quantiser *q, const float *values, uint32_t *restrict codes)
{
    __m256i cells = _mm256_loadu_si256((const __m256i *)q->cells), last = _mm256_set1_epi32(q->tau - 1);
    __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF), top = _mm256_set1_epi32((int)q->top);
    __m128i shift = _mm_cvtsi32_si128(q->shift);
    for (int j = 0; j < GW_LOG_BLOCK; j += 8) {
        __m256i m = _mm256_min_epi32(_mm256_and_si256(_mm256_loadu_si256((const __m256i *)(values + j)), magnitude), top);
        __m256i cell = _mm256_permutevar8x32_epi32(cells, _mm256_srli_epi32(m, 20));
        m = _mm256_min_epu32(_mm256_srl_epi32(_mm256_sub_epi32(cell, m), shift), last);
        _mm256_storeu_si256((__m256i *)(codes + j), m);
    }
}
#else
GW_INLINE void GW_AT(gw_log_by_octave)(const gw_log_quantiser *q, const float *values, uint32_t *restrict codes)
{
    uint32_t m[GW_LOG_BLOCK], last = (uint32_t)q->tau - 1;
    uint16_t cell[GW_LOG_BLOCK];
    int shift = q->shift;
    for (int j = 0; j < GW_LOG_BLOCK; j++) {
        int32_t bits = gw_magnitude_bits(values + j), top = (int32_t)q->top;
        m[j] = (uint32_t)(bits < top ? bits : top);
        cell[j] = (uint16_t)(m[j] >> 20 & 7);
    }
    GW_AT(gw_log_look_up)(q->cells, cell, codes);
    for (int j = 0; j < GW_LOG_BLOCK; j++) {
        uint32_t code = (codes[j] - m[j]) >> shift;
        codes[j] = code < last ? code : last;
    }
}
#endif

GW_INLINE void GW_AT(gw_log_by_halving)(const gw_log_quantiser *q, const float *values, uint32_t *restrict codes)
{
    int32_t m[GW_LOG_BLOCK];
    for (int j = 0; j < GW_LOG_BLOCK; j++) {
        m[j] = gw_magnitude_bits(values + j);
        codes[j] = 0;
    }
    for (uint32_t half = 1u << q->width >> 1; half; half >>= 1) {
        const int32_t *bounds = q->bounds + half - 1;
        for (int j = 0; j < GW_LOG_BLOCK; j++) codes[j] += m[j] < bounds[codes[j]] ? half : 0;
    }
}

GW_INLINE void GW_AT(gw_log_round_up)(const gw_log_quantiser *q, const float *values, uint32_t first, uint32_t *restrict codes)
{
    uint32_t random[GW_LOG_BLOCK];
    uint16_t index[GW_LOG_BLOCK];
    float level[GW_LOG_BLOCK], above[GW_LOG_BLOCK], top = gw_float_of(q->top);
    for (int j = 0; j < GW_LOG_BLOCK; j += GW_RANDOM_BLOCK) GW_AT(gw_random_block)(q->seed, first + (uint32_t)j, random + j);
    for (int j = 0; j < GW_LOG_BLOCK; j++) index[j] = (uint16_t)codes[j];
    GW_AT(gw_log_look_up)((const uint32_t *)q->levels, index, (uint32_t *)level);
    for (int j = 0; j < GW_LOG_BLOCK; j++) index[j] = (uint16_t)(codes[j] - (codes[j] > 0));
    GW_AT(gw_log_look_up)((const uint32_t *)q->levels, index, (uint32_t *)above);
    for (int j = 0; j < GW_LOG_BLOCK; j++) {
        double u = ((double)(int32_t)(random[j] >> 1) + 0.5) * 0x1p-31;
        float v = gw_float_of((uint32_t)gw_magnitude_bits(values + j));
        v = v < top ? v : top;
        codes[j] -= u * ((double)above[j] - level[j]) < (double)v - level[j];
    }
}

GW_INLINE void GW_AT(gw_log_put)(uint32_t code, float value, int sign, int bytes, uint8_t *out, int j)
{
    uint16_t wire = (uint16_t)(code | gw_bits_of(value) >> 31 << (bytes ? 7 : sign));
    if (bytes) out[j] = (uint8_t)wire;
    else memcpy(out + 2 * j, &wire, 2);
}

/* The wire words of one block, as bytes or as uint16. */
GW_INLINE void GW_AT(gw_log_block)(const gw_log_quantiser *q, const float *values, uint32_t first, int bytes, uint8_t *restrict out)
{
    uint32_t codes[GW_LOG_BLOCK], m[GW_LOG_BLOCK];
    int sign = q->width, shift = q->shift;
    if (q->method == GW_LOG_CELLS) {
        GW_AT(gw_log_entries)(q, values, m, codes);
        if (!q->stochastic) {
            for (int j = 0; j < GW_LOG_BLOCK; j++) GW_AT(gw_log_put)((codes[j] - m[j]) >> shift, values[j], sign, bytes, out, j);
            return;
        }
        for (int j = 0; j < GW_LOG_BLOCK; j++) codes[j] = (codes[j] - m[j]) >> shift;
    } else if (q->method == GW_LOG_OCTAVE) GW_AT(gw_log_by_octave)(q, values, codes);
    else GW_AT(gw_log_by_halving)(q, values, codes);
    if (q->stochastic) GW_AT(gw_log_round_up)(q, values, first, codes);
    for (int j = 0; j < GW_LOG_BLOCK; j++) GW_AT(gw_log_put)(codes[j], values[j], sign, bytes, out, j);
}

GW_INLINE void GW_AT(gw_log_blocks)(const gw_log_quantiser *q, const float *values, int64_t n, uint32_t first, int bytes, uint8_t *out)
{
    int64_t i = 0, size = bytes ? 1 : 2;
    for (; i + GW_LOG_BLOCK <= n; i += GW_LOG_BLOCK) GW_AT(gw_log_block)(q, values + i, first + (uint32_t)i, bytes, out + i * size);
    if (i < n) {
        float last[GW_LOG_BLOCK] = {0};
        uint8_t last_out[2 * GW_LOG_BLOCK];
        memcpy(last, values + i, (size_t)(n - i) * 4);
        GW_AT(gw_log_block)(q, last, first + (uint32_t)i, bytes, last_out);
        memcpy(out + i * size, last_out, (size_t)((n - i) * size));
    }
}

static void GW_AT(gw_log_encode)(const gw_log_quantiser *q, const float *values, int64_t n, int wide, uint8_t *out)
{
    int bits = wide ? 16 : q->width + 1;
    int64_t total = gw_packed_nbytes(n, bits);
    if (bits == 8) {
        GW_AT(gw_log_blocks)(q, values, n, 0, 1, out);
        return;
    }
    for (int64_t i = 0; i < n; i += GW_PACK_BLOCK) {
        uint16_t codes[GW_PACK_BLOCK];
        int64_t left = n - i < GW_PACK_BLOCK ? n - i : GW_PACK_BLOCK;
        GW_AT(gw_log_blocks)(q, values + i, left, (uint32_t)i, 0, (uint8_t *)codes);
        GW_AT(gw_pack)(codes, left, bits, out + i / 8 * bits, total - i / 8 * bits);
    }
}

/* 8 bits: a table of 256 floats whose upper half is the lower one with the other sign. Returns the largest code. */
GW_INLINE uint32_t GW_AT(gw_log_bytes)(const uint8_t *in, int64_t n, const float *table, float *restrict out)
{
    uint8_t largest = 0;
    int64_t i = 0;
    for (int64_t j = 0; j < n; j++) {
        uint8_t code = in[j] & 127;
        largest = code > largest ? code : largest;
    }
    for (; i + 8 <= n; i += 8) {
        uint64_t codes;
        memcpy(&codes, in + i, 8);
        for (int j = 0; j < 8; j++) out[i + j] = table[codes >> 8 * j & 255];
    }
    for (; i < n; i++) out[i] = table[in[i]];
    return largest;
}

#if GW_LEVEL == GW_AVX512
/* Four tables of 128 bytes, one for each byte of the floats, stand in eight registers. Interleaving keeps 128-bit lanes apart, so the codes
 * are dealt to the lanes first. */
GW_INLINE int64_t GW_AT(gw_log_byte_vectors)(const uint8_t *in, int64_t n, const float *table, float *restrict out, uint32_t *largest)
{
    uint8_t planes[4][128];
    int64_t i = 0;
    __m512i half[4][2], most = _mm512_setzero_si512(), low = _mm512_set1_epi8(127);
    __m512i deal = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    for (int c = 0; c < 128; c++)
        for (int k = 0; k < 4; k++) planes[k][c] = (uint8_t)(gw_bits_of(table[c]) >> 8 * k);
    for (int k = 0; k < 4; k++)
        for (int h = 0; h < 2; h++) half[k][h] = _mm512_loadu_si512(planes[k] + 64 * h);
    for (; i + 64 <= n; i += 64) {
        __m512i codes = _mm512_loadu_si512(in + i), plane[4];
        most = _mm512_max_epu8(most, _mm512_and_si512(codes, low));
        codes = _mm512_permutexvar_epi32(deal, codes);
        for (int k = 0; k < 4; k++) plane[k] = _mm512_permutex2var_epi8(half[k][0], codes, half[k][1]);
        plane[3] = _mm512_ternarylogic_epi32(plane[3], codes, low, 0xB4);       /* and the sign bit of the code */
        __m512i a = _mm512_unpacklo_epi8(plane[0], plane[1]), b = _mm512_unpacklo_epi8(plane[2], plane[3]);
        __m512i c = _mm512_unpackhi_epi8(plane[0], plane[1]), d = _mm512_unpackhi_epi8(plane[2], plane[3]);
        _mm512_storeu_si512(out + i, _mm512_unpacklo_epi16(a, b));
        _mm512_storeu_si512(out + i + 16, _mm512_unpackhi_epi16(a, b));
        _mm512_storeu_si512(out + i + 32, _mm512_unpacklo_epi16(c, d));
        _mm512_storeu_si512(out + i + 48, _mm512_unpackhi_epi16(c, d));
    }
    uint8_t lanes[64];
    _mm512_storeu_si512(lanes, most);
    for (int j = 0; j < 64; j++) *largest = lanes[j] > *largest ? lanes[j] : *largest;
    return i;
}
#endif

static uint32_t GW_AT(gw_log_decode)(const uint8_t *in, int64_t n, int width, int wide, const float *table, float *out)
{
    int bits = wide ? 16 : width + 1;
    int64_t total = gw_packed_nbytes(n, bits), i = 0;
    uint32_t largest = 0;
    if (bits == 8) {
#if GW_LEVEL == GW_AVX512
        i = GW_AT(gw_log_byte_vectors)(in, n, table, out, &largest);
#endif
        uint32_t rest = GW_AT(gw_log_bytes)(in + i, n - i, table, out + i);
        return rest > largest ? rest : largest;
    }
    for (; i < n; i += GW_PACK_BLOCK) {
        uint16_t codes[GW_PACK_BLOCK], mask = (uint16_t)((1u << width) - 1), part = 0;
        int64_t left = n - i < GW_PACK_BLOCK ? n - i : GW_PACK_BLOCK;
        GW_AT(gw_unpack)(in + i / 8 * bits, left, bits, codes, total - i / 8 * bits);
        for (int64_t j = left; j < GW_PACK_BLOCK; j++) codes[j] = 0;
        for (int64_t j = 0; j < GW_PACK_BLOCK; j++) {
            uint16_t code = codes[j] & mask;
            part = code > part ? code : part;
        }
        for (int64_t j = 0; j < left; j++) out[i + j] = table[codes[j]];
        largest = part > largest ? part : largest;
    }
    return largest;
}
