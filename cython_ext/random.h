/* Counter-based random numbers: word i of the stream `seed` is a hash of (seed, i), so any element can be computed alone, in any
 * order and at any vector width, with equal results everywhere.
 *
 *   uint32_t gw_random32(uint64_t seed, uint64_t i)   uniform on [0, 2^32)
 *
 * The mixer is the two-multiply 32-bit permutation found by Ellis and Wellons's search (lowbias32, constants 21f0aaad and 735a2d97),
 * started from a Weyl sequence and keyed in its middle with the other half of the seed. It is not cryptographic.
 */
#ifndef GW_RANDOM_H
#define GW_RANDOM_H
#include <stdint.h>

enum { GW_RANDOM_BLOCK = 64 };      /* of random_block.h, which makes this many at once */

static inline uint32_t gw_random32(uint64_t seed, uint64_t i)
{
    uint32_t x = (uint32_t)i * 0x9E3779B1u + (uint32_t)seed;
    uint32_t key = (uint32_t)(seed >> 32) + (uint32_t)(i >> 32) * 0x85EBCA6Bu;
    x ^= x >> 16; x *= 0x21f0aaadu;
    x ^= key;
    x ^= x >> 15; x *= 0x735a2d97u;
    x ^= x >> 15;
    return x;
}
#endif
