/* Codes 0, 1, 2, five in a byte: 1.6 bits each.
 *
 * Codes are cut into blocks of 320, the last one shorter. A block of r codes takes m = ceil(r / 5) bytes, byte j of which is
 * c[j] + 3 c[j + m] + 9 c[j + 2m] + 27 c[j + 3m] + 81 c[j + 4m], with 0 for a code beyond the block. So neighbours stand in neighbouring
 * bytes, and a vector of bytes holds five vectors of codes.
 *
 *   gw_trits_pack     reads n codes <= 2 of one byte each; writes gw_trits_nbytes(n) bytes
 *   gw_trits_unpack   reads gw_trits_nbytes(n) bytes, writes n codes. Nonzero, and no use in the codes, if a byte is above 242. Codes
 *                     beyond n are not looked at.
 */
#ifndef GW_TRITS_H
#define GW_TRITS_H
#include "simd.h"

enum { GW_TRITS_BLOCK = 320, GW_TRITS_BYTES = 64 };

GW_INLINE int64_t gw_trits_nbytes(int64_t n)
{
    return n / GW_TRITS_BLOCK * GW_TRITS_BYTES + (n % GW_TRITS_BLOCK + 4) / 5;
}

#define GW_KERNELS "trits_kernels.h"
#include "levels.h"

GW_DISPATCH(void, gw_trits_pack, (const uint8_t *codes, int64_t n, uint8_t *out), (codes, n, out))
GW_DISPATCH(int, gw_trits_unpack, (const uint8_t *in, int64_t n, uint8_t *codes), (in, n, codes))
#endif
