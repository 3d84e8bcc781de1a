/* Running sums of the steps from key to key, for one level; included by the *_kernels.h of the key coders that decode with them.
 *
 *   gw_keys_add(steps, &key, &refused)   with `key` the last key in every lane: returns the keys, moves `key` on, and sets the bits of
 *                                        `refused` whose key does not exceed the key before, because the step is 0 or the sum
 *                                        passed 2^32. Lanes are summed modulo 2^32, so one refused key makes those after it void.
 */
#if GW_LEVEL == GW_AVX512 && !defined(GW_KEYS_SUM_AVX512)
#define GW_KEYS_SUM_AVX512
GW_INLINE __m512i GW_AT(gw_keys_add)(__m512i steps, __m512i *key, uint32_t *refused)
{
    const __m512i first_of_two = _mm512_setr_epi32(3, 3, 3, 3, 3, 3, 3, 3, 11, 11, 11, 11, 11, 11, 11, 11);
    __m512i sum = _mm512_add_epi32(steps, _mm512_bslli_epi128(steps, 4)), keys;
    sum = _mm512_add_epi32(sum, _mm512_bslli_epi128(sum, 8));
    sum = _mm512_mask_add_epi32(sum, 0xF0F0, sum, _mm512_permutexvar_epi32(first_of_two, sum));
    sum = _mm512_mask_add_epi32(sum, 0xFF00, sum, _mm512_permutexvar_epi32(_mm512_set1_epi32(7), sum));
    keys = _mm512_add_epi32(sum, *key);
    *key = _mm512_add_epi32(*key, _mm512_permutexvar_epi32(_mm512_set1_epi32(15), sum));
    *refused = _mm512_cmpge_epu32_mask(_mm512_sub_epi32(steps, _mm512_set1_epi32(1)), keys);
    return keys;
}
#elif GW_LEVEL == GW_AVX2 && !defined(GW_KEYS_SUM_AVX2)
#define GW_KEYS_SUM_AVX2
GW_INLINE __m256i GW_AT(gw_keys_add)(__m256i steps, __m256i *key, uint32_t *refused)
{
    __m256i sum = _mm256_add_epi32(steps, _mm256_slli_si256(steps, 4)), keys, below;
    sum = _mm256_add_epi32(sum, _mm256_slli_si256(sum, 8));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(_mm256_permute2x128_si256(sum, sum, 0x08), 0xFF));
    keys = _mm256_add_epi32(sum, *key);
    *key = _mm256_add_epi32(*key, _mm256_permutevar8x32_epi32(sum, _mm256_set1_epi32(7)));
    below = _mm256_sub_epi32(steps, _mm256_set1_epi32(1));
    *refused = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(below, keys), below)));
    return keys;
}
#endif
