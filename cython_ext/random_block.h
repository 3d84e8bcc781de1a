/* A block of random numbers, for one level (see levels.h): out[j] = gw_random32(seed, first + j) for the GW_RANDOM_BLOCK numbers from
 * `first`, first + GW_RANDOM_BLOCK <= 2^32. A loop of its own, which the compiler vectorises well where there is a 32-bit multiply. */

#if GW_X86 && GW_LEVEL == GW_SCALAR
/* SSE2 multiplies 32-bit numbers only in every other lane. So even and odd positions go through apart, each in the lower half of 64 bits,
 * and what the products leave in the upper halves is never looked at. */
GW_INLINE __m128i GW_AT(gw_random_lanes)(__m128i x, __m128i key)
{
    x = _mm_xor_si128(x, _mm_srli_epi32(x, 16));
    x = _mm_xor_si128(_mm_mul_epu32(x, _mm_set1_epi32(0x21f0aaad)), key);
    x = _mm_xor_si128(x, _mm_srli_epi32(x, 15));
    x = _mm_mul_epu32(x, _mm_set1_epi32(0x735a2d97));
    return _mm_xor_si128(x, _mm_srli_epi32(x, 15));
}

GW_INLINE void GW_AT(gw_random_block)(uint64_t seed, uint32_t first, uint32_t *restrict out)
{
    uint32_t weyl = 0x9E3779B1u, x = first * weyl + (uint32_t)seed;
    __m128i key = _mm_set1_epi32((int)(seed >> 32)), step = _mm_set1_epi32((int)(4 * weyl)), low = _mm_set1_epi64x(0xFFFFFFFF);
    __m128i even = _mm_set_epi32(0, (int)(x + 2 * weyl), 0, (int)x);
    __m128i odd = _mm_set_epi32(0, (int)(x + 3 * weyl), 0, (int)(x + weyl));
    for (int j = 0; j < GW_RANDOM_BLOCK; j += 4) {
        __m128i a = GW_AT(gw_random_lanes)(even, key), b = GW_AT(gw_random_lanes)(odd, key);
        _mm_storeu_si128((__m128i *)(out + j), _mm_or_si128(_mm_and_si128(a, low), _mm_slli_epi64(b, 32)));
        even = _mm_add_epi32(even, step);
        odd = _mm_add_epi32(odd, step);
    }
}
#else
GW_INLINE void GW_AT(gw_random_block)(uint64_t seed, uint32_t first, uint32_t *restrict out)
{
    for (uint32_t j = 0; j < GW_RANDOM_BLOCK; j++) out[j] = gw_random32(seed, first + j);
}
#endif
