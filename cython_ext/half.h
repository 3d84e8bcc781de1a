/* float32 <-> fp16 (IEEE 754 binary16) and bf16 (the upper half of a float32), little-endian, without F16C: equal bits on every machine.
 *
 *   gw_fp16_encode, gw_bf16_encode   read n floats, write 2n bytes. Round to nearest, ties to even. What would round to infinity becomes the
 *                                    largest finite value of its sign, and so do infinities and NaN; returns how many of these there were.
 *   gw_fp16_decode, gw_bf16_decode   read 2n bytes, write n floats, exact. Return nonzero if a code is infinite or NaN; the floats are
 *                                    meaningless then.
 *
 * The wire side needs no alignment. The loops have no branches, so that the compiler vectorises them; nothing is allocated.
 */
#ifndef GW_HALF_H
#define GW_HALF_H
#include <stdint.h>
#include <string.h>
#include "clones.h"

GW_CLONES int64_t gw_fp16_encode(const float *values, int64_t n, uint8_t *restrict out)
{
    int64_t overflow = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits, magnitude, small, code;
        float sum;
        uint16_t wire;
        memcpy(&bits, values + i, 4);
        magnitude = bits & 0x7FFFFFFFu;
        /* Below 2^-14 the result is subnormal, a multiple of 2^-24: 0.5 has just that for its last place, so the addition rounds. */
        memcpy(&sum, &magnitude, 4);
        sum += 0.5f;
        memcpy(&small, &sum, 4);
        small -= 0x3F000000u;
        /* Else drop 13 bits, half to even, and move the exponent's bias from 127 to 15. */
        code = (magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1u)) >> 13;
        code = magnitude < 0x38800000u ? small : code;
        code = magnitude > 0x477FEFFFu ? 0x7BFFu : code;
        overflow += magnitude > 0x477FEFFFu;
        wire = (uint16_t)(code | (bits >> 16 & 0x8000u));
        memcpy(out + 2 * i, &wire, 2);
    }
    return overflow;
}

GW_CLONES uint32_t gw_fp16_decode(const uint8_t *restrict in, int64_t n, float *out)
{
    uint32_t refused = 0;
    for (int64_t i = 0; i < n; i++) {
        uint16_t wire;
        uint32_t magnitude, small, bits;
        float sum;
        memcpy(&wire, in + 2 * i, 2);
        magnitude = wire & 0x7FFFu;
        refused |= magnitude + 0x0400u;
        /* A subnormal is magnitude * 2^-24, the places that 0.5 has; both steps are exact. */
        small = magnitude + 0x3F000000u;
        memcpy(&sum, &small, 4);
        sum -= 0.5f;
        memcpy(&small, &sum, 4);
        bits = magnitude < 0x0400u ? small : (magnitude << 13) + 0x38000000u;
        bits |= (uint32_t)(wire & 0x8000u) << 16;
        memcpy(out + i, &bits, 4);
    }
    return refused & 0x8000u;
}

GW_CLONES int64_t gw_bf16_encode(const float *values, int64_t n, uint8_t *restrict out)
{
    int64_t overflow = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits, magnitude, code;
        uint16_t wire;
        memcpy(&bits, values + i, 4);
        magnitude = bits & 0x7FFFFFFFu;
        code = (magnitude + 0x7FFFu + (magnitude >> 16 & 1u)) >> 16;
        code = magnitude > 0x7F7F7FFFu ? 0x7F7Fu : code;
        overflow += magnitude > 0x7F7F7FFFu;
        wire = (uint16_t)(code | (bits >> 16 & 0x8000u));
        memcpy(out + 2 * i, &wire, 2);
    }
    return overflow;
}

GW_CLONES uint32_t gw_bf16_decode(const uint8_t *restrict in, int64_t n, float *out)
{
    uint32_t refused = 0;
    for (int64_t i = 0; i < n; i++) {
        uint16_t wire;
        uint32_t bits;
        memcpy(&wire, in + 2 * i, 2);
        bits = (uint32_t)wire << 16;
        refused |= (wire & 0x7FFFu) + 0x80u;
        memcpy(out + i, &bits, 4);
    }
    return refused & 0x8000u;
}
#endif
