/* rice: gaps of strictly increasing keys in Rice codes, the parameter chosen for each block of keys.
 *
 * Gap 0 is the first key; gap j is key j minus key j-1 minus 1, so a run of consecutive keys has gaps of 0. With parameter k a gap g is
 * the quotient g >> k in unary and its k low bits. Far keys are exceptions, so that one of them does not spoil its block.
 *
 * Format, for n >= 1 keys in blocks of `block` = 32, 64, 128 or 256, the last one maybe shorter (n = 0: no bytes at all):
 *   parameters  a byte for each block. Bits 0 … 5: k = 0 … 31, or 32: a run, whose gaps are 0 and take no bits at all.
 *               Bit 6: the block has exceptions. Bit 7: 0.
 *   counts      a byte for each block with exceptions: how many, minus 1
 *   exceptions  5 bytes for each: the gap's position in its block, ascending; its quotient less the one in the unary stream, u32
 *               (a run: the gap itself)
 *   low bits    of all blocks but runs; the stream of unary.h, width k; each block begins at a byte
 *   quotients   of all blocks but runs; the stream of unary.h, one for the whole message
 *
 * The encoder finds for each block what takes the fewest bits, exactly (see gw_rice_plan_block): with exceptions, those are the gaps of a
 * run that are not 0, and the quotients above GW_RICE_FAR; such a quotient is 0 in the unary stream. At a tie: a k before a run, plain
 * before exceptions, the smallest k of the plain ones, the largest of those with exceptions.
 *
 *   gw_rice_plan(keys, n, block, parameters, sizes)   writes parameters, one byte a block; fills in the sizes of the other streams
 *   gw_rice_encode(keys, n, block, parameters, sizes, out)
 *       writes the payload with the parameters of the plan; `out` has room for it and GW_RICE_SLACK bytes. Returns its size.
 *   gw_rice_measure(payload, nbytes, n, block, sizes)
 *       GW_KEYS_OK if the payload's parameters and counts are legal and every stream can have the length that they ask for, else
 *       another gw_keys_error. Then gw_rice_decode may be called with these sizes. O(n / block); allocates nothing.
 *   gw_rice_decode(payload, nbytes, n, block, dim, sizes, out)
 *       writes n keys to `out`; GW_KEYS_OK if they increase strictly and are below dim <= 2^32 and all streams end where they should.
 *
 * A byte of payload stands for at most 256 keys, all in runs; other keys cost more than a bit.
 */
#ifndef GW_RICE_H
#define GW_RICE_H
#include "unary.h"

enum {
    GW_RICE_RUN = 32,
    GW_RICE_EXCEPTIONS = 64,
    GW_RICE_ENTRY = 5,  /* bytes of an exception */
    GW_RICE_FAR = 8 * GW_RICE_ENTRY,
    GW_RICE_SLACK = GW_UNARY_SLACK,
};

typedef struct {
    int64_t blocks, counts, exceptions, low, unary; /* bytes of the streams but for `unary`: bits, when decoding the least possible */
} gw_rice_sizes;

GW_INLINE int64_t gw_rice_nbytes(const gw_rice_sizes *s)
{
    return s->blocks + s->counts + s->exceptions + s->low + (s->unary + 7) / 8;
}

static GW_UNUSED int gw_rice_measure(const uint8_t *payload, int64_t nbytes, int64_t n, int block, gw_rice_sizes *sizes)
{
    gw_rice_sizes s = {.blocks = (n + block - 1) / block};
    if (nbytes < s.blocks) return GW_KEYS_LENGTH;
    for (int64_t i = 0; i < s.blocks; i++) {
        int64_t count = i + 1 < s.blocks ? block : n - i * block;
        int k = payload[i] & (GW_RICE_EXCEPTIONS - 1);
        if (payload[i] >= 2 * GW_RICE_EXCEPTIONS || k > GW_RICE_RUN) return GW_KEYS_FLAG;
        s.counts += payload[i] >= GW_RICE_EXCEPTIONS;
        if (k == GW_RICE_RUN) continue;
        s.low += (count * k + 7) / 8;
        s.unary += count;
    }
    if (nbytes - s.blocks < s.counts) return GW_KEYS_LENGTH;
    for (int64_t i = 0; i < s.counts; i++) s.exceptions += GW_RICE_ENTRY * (1 + (int64_t)payload[s.blocks + i]);
    *sizes = s;
    return gw_rice_nbytes(&s) <= nbytes ? GW_KEYS_OK : GW_KEYS_LENGTH;
}

#define GW_KERNELS "rice_kernels.h"
#include "levels.h"

GW_DISPATCH(void, gw_rice_plan, (const uint32_t *keys, int64_t n, int block, uint8_t *parameters, gw_rice_sizes *sizes),
            (keys, n, block, parameters, sizes))
GW_DISPATCH(int64_t, gw_rice_encode,
            (const uint32_t *keys, int64_t n, int block, const uint8_t *parameters, const gw_rice_sizes *sizes, uint8_t *out),
            (keys, n, block, parameters, sizes, out))
GW_DISPATCH(int, gw_rice_decode,
            (const uint8_t *payload, int64_t nbytes, int64_t n, int block, uint64_t dim, const gw_rice_sizes *sizes, uint32_t *out),
            (payload, nbytes, n, block, dim, sizes, out))
#endif
