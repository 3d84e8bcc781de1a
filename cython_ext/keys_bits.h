/* What the key coders share: unaligned little-endian loads and stores, and the width of a number in bits.
 *
 *   gw_load64, gw_load32     read 8 or 4 bytes at any address
 *   gw_store64, gw_store32   write 8 or 4 bytes at any address
 *   gw_bit_width(x)          0 for 0, else ⌊log2 x⌋ + 1; no branch
 *   GW_IN_MEMORY(array)      the array's elements are now in memory: GCC would pick them one by one out of the vectors that were stored there
 */
#ifndef GW_KEYS_BITS_H
#define GW_KEYS_BITS_H
#include <stdint.h>
#include <stddef.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define GW_LE64(x) __builtin_bswap64(x)
#define GW_LE32(x) __builtin_bswap32(x)
#else
#define GW_LE64(x) (x)
#define GW_LE32(x) (x)
#endif

#define GW_IN_MEMORY(array) __asm__("" : "+m"(array))

static inline uint64_t gw_load64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return GW_LE64(x);
}

static inline uint32_t gw_load32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return GW_LE32(x);
}

static inline void gw_store64(uint8_t *p, uint64_t x)
{
    x = GW_LE64(x);
    memcpy(p, &x, 8);
}

static inline void gw_store32(uint8_t *p, uint32_t x)
{
    x = GW_LE32(x);
    memcpy(p, &x, 4);
}

static inline int gw_bit_width(uint32_t x)
{
    return 63 - __builtin_clzll((uint64_t)x << 1 | 1);
}
#endif
