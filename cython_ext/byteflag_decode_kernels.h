/* byteflag's decoder, for one level. */
#include "keys_sum_kernels.h"

/* Decodes blocks of keys while they cannot read past `end`, and returns how many keys; *p and *key, the last key, move on. Stops early
 * in front of a block whose keys do not increase. */
#if GW_LEVEL == GW_AVX512
GW_INLINE int64_t GW_AT(gw_byteflag_decode_blocks)(const uint8_t *flags, const uint8_t **p, const uint8_t *end, int64_t n, uint32_t *key, uint32_t *out)
{
    __m512i last = _mm512_setzero_si512();
    uint32_t refused, first = 1; /* the first key may be 0 */
    int64_t i = 0;
    for (; i + 16 <= n && end - *p >= 64; i += 16) {
        uint32_t word = gw_load32(flags + i / 4);
        uint64_t kept = 0x1111111111111111u | _pdep_u64(word | (word >> 1 & 0x55555555u), 0x6666666666666666u) |
                        _pdep_u64(word & word << 1 & 0xAAAAAAAAu, 0xCCCCCCCCCCCCCCCCu);
        __m512i gaps = _mm512_loadu_si512(*p);
        __asm__("" : "+v"(gaps)); /* GCC would expand from memory, which Zen 4 and 5 do in many small steps */
        gaps = _mm512_maskz_expand_epi8(kept, gaps);
        __m512i keys = GW_AT(gw_keys_add)(gaps, &last, &refused);
        if (refused & ~first) break;
        _mm512_storeu_si512(out + i, keys);
        *p += _mm_popcnt_u64(kept);
        first = 0;
    }
    *key = i ? out[i - 1] : 0;
    return i;
}
#elif GW_LEVEL == GW_AVX2
GW_INLINE int64_t GW_AT(gw_byteflag_decode_blocks)(const uint8_t *flags, const uint8_t **p, const uint8_t *end, int64_t n, uint32_t *key, uint32_t *out)
{
    __m256i last = _mm256_setzero_si256();
    uint32_t refused, first = 1; /* the first key may be 0 */
    int64_t i = 0;
    for (; i + 8 <= n && end - *p >= 32; i += 8) {
        unsigned f0 = flags[i / 4], f1 = flags[i / 4 + 1];
        const uint8_t *half = *p + gw_byteflag_length[f0];
        __m256i closed = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)*p)), _mm_loadu_si128((const __m128i *)half), 1);
        __m256i open = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)gw_byteflag_open[f0])),
                                               _mm_loadu_si128((const __m128i *)gw_byteflag_open[f1]), 1);
        __m256i keys = GW_AT(gw_keys_add)(_mm256_shuffle_epi8(closed, open), &last, &refused);
        if (refused & ~first) break;
        _mm256_storeu_si256((__m256i *)(out + i), keys);
        *p = half + gw_byteflag_length[f1];
        first = 0;
    }
    *key = i ? out[i - 1] : 0;
    return i;
}
#else
GW_INLINE int64_t GW_AT(gw_byteflag_decode_blocks)(const uint8_t *flags, const uint8_t **p, const uint8_t *end, int64_t n, uint32_t *key, uint32_t *out)
{
    (void)flags, (void)p, (void)end, (void)n, (void)out;
    *key = 0;
    return 0;
}
#endif

/* Σ (flag + 1) over all gaps. Sets *threes if a gap takes three bytes. Unused bits are 0. */
GW_INLINE int64_t GW_AT(gw_byteflag_total)(const uint8_t *flags, int64_t n, int *threes)
{
    int64_t total = n, i = 0, nbytes = (n + 3) / 4;
    uint64_t found = 0;
    for (; i < nbytes; i += 8) {
        uint64_t word = 0;
        if (nbytes - i >= 8) word = gw_load64(flags + i);
        else for (int64_t j = i; j < nbytes; j++) word |= (uint64_t)flags[j] << 8 * (j - i);
        total += __builtin_popcountll(word) + __builtin_popcountll(word & 0xAAAAAAAAAAAAAAAAu);
        found |= word >> 1 & ~word & 0x5555555555555555u;
    }
    *threes = found != 0;
    return total;
}

static int GW_AT(gw_byteflag_decode)(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, int three, uint32_t *out)
{
    static const uint32_t MASK[4] = {0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF};
    const uint8_t *p = payload + (n + 3) / 4, *end = payload + nbytes;
    uint32_t key;
    int threes;
    if (n % 4 && p[-1] >> n % 4 * 2) return GW_KEYS_PADDING;
    if (GW_AT(gw_byteflag_total)(payload, n, &threes) != end - p) return GW_KEYS_LENGTH;
    if (threes && !three) return GW_KEYS_FLAG;
    int64_t i = GW_AT(gw_byteflag_decode_blocks)(payload, &p, end, n, &key, out), unordered = 0, first = i;
    for (; i + 4 <= n && end - p >= 16; i += 4)
        for (int j = 0, byte = payload[i / 4]; j < 4; j++, byte >>= 2) {
            uint32_t gap = gw_load32(p) & MASK[byte & 3];
            p += (byte & 3) + 1;
            key += gap;
            unordered += gap - 1 >= key; /* the gap is 0, or the sum passed 2^32 */
            out[i + j] = key;
        }
    for (; i < n; i++) {
        int flag = payload[i / 4] >> i % 4 * 2 & 3;
        uint32_t gap = 0;
        for (int b = 0; b <= flag; b++) gap |= (uint32_t)*p++ << 8 * b;
        key += gap;
        unordered += gap - 1 >= key;
        out[i] = key;
    }
    return unordered == (first == 0 && out[0] == 0) && key < dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
