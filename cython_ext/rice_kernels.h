/* The loops of rice.h, for one level. */
#include "unary_kernels.h"

/* gaps[0 … n), zeros up to the next multiple of 16; `before` is the key before the block, 2^32 - 1 if there is none. */
GW_INLINE void GW_AT(gw_rice_gaps)(const uint32_t *keys, int n, uint32_t before, uint32_t *restrict gaps)
{
    gaps[0] = keys[0] - before - 1;
    for (int64_t j = 1; j < n; j++) gaps[j] = keys[j] - keys[j - 1] - 1;
    for (int64_t j = n; j % 16; j++) gaps[j] = 0;
}

/* The sum of min(gap >> k, GW_RICE_FAR). */
GW_INLINE uint32_t GW_AT(gw_rice_near)(const uint32_t *gaps, int n, int k)
{
    uint32_t sum = 0;
    for (int64_t j = 0; j < n; j++) {
        uint32_t q = gaps[j] >> k;
        sum += q < GW_RICE_FAR ? q : GW_RICE_FAR;
    }
    return sum;
}

/* The best parameter byte for n gaps that sum up to `total`. Adds what it costs to low, unary and exceptions.
 *
 * Without exceptions k costs f(k) = n*k + sum of g >> k. f is convex, and with the mean gap m its minimum is where (m + 1)/3 <= 2^k < 4/3 (m + 1):
 * f(k+1) - f(k) = n - sum of ceil((g >> k)/2), and (x - 1)/2 <= ceil(floor(x)/2) <= (x + 1)/2 for x = (g + 1)/2^k and g/2^k. So three k
 * are tried. With exceptions k costs n*k + 8 + near(k), which no k' <= k undercuts once 8 + near(k) is no improvement. */
GW_INLINE uint8_t GW_AT(gw_rice_plan_block)(const uint32_t *gaps, int n, uint64_t total, gw_rice_sizes *sizes)
{
    uint32_t sums[3] = {0}, all = 0, some = 0;
    int k = 0, shift[3];
    if (total == 0) return GW_RICE_RUN;
    while (((uint64_t)3 * (unsigned)n) << k < total + (unsigned)n) k++;
    for (int i = 0; i < 3; i++) shift[i] = k + i < 31 ? k + i : 31;
    for (int64_t j = 0; j < n; j++) {
        sums[0] += gaps[j] >> shift[0];
        sums[1] += gaps[j] >> shift[1];
        sums[2] += gaps[j] >> shift[2];
        all |= gaps[j];
        some += gaps[j] != 0;
    }
    uint64_t best = ~(uint64_t)0, unary = 0, exceptions = 0;
    uint8_t parameter = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t cost = (uint64_t)n * (unsigned)shift[i] + sums[i];
        if (cost < best) best = cost, unary = sums[i], parameter = (uint8_t)shift[i];
    }
    for (k = gw_bit_width(all) - 6; k >= 0; k--) { /* a quotient above GW_RICE_FAR has 6 bits */
        uint64_t near, cost;
        if ((uint64_t)n * (unsigned)k + 8 >= best) continue;
        near = GW_AT(gw_rice_near)(gaps, n, k);
        cost = (uint64_t)n * (unsigned)k + 8 + near;
        if (cost < best) best = cost, unary = near, parameter = (uint8_t)(GW_RICE_EXCEPTIONS | k);
        if (8 + near >= best) break;
    }
    if (8 + (uint64_t)GW_RICE_FAR * some < best + (unsigned)n) {
        sizes->counts++;
        sizes->exceptions += (int64_t)GW_RICE_ENTRY * some;
        return GW_RICE_EXCEPTIONS | GW_RICE_RUN;
    }
    k = parameter & (GW_RICE_EXCEPTIONS - 1);
    if (parameter >= GW_RICE_EXCEPTIONS) {
        for (int64_t j = 0; j < n; j++) exceptions += gaps[j] >> k > GW_RICE_FAR;
        unary -= GW_RICE_FAR * exceptions;
        sizes->counts++;
        sizes->exceptions += (int64_t)(GW_RICE_ENTRY * exceptions);
    }
    sizes->low += ((int64_t)n * k + 7) / 8;
    sizes->unary += n + (int64_t)unary;
    return parameter;
}

static void GW_AT(gw_rice_plan)(const uint32_t *keys, int64_t n, int block, uint8_t *parameters, gw_rice_sizes *sizes)
{
    uint32_t gaps[GW_UNARY_BLOCK], before = 0xFFFFFFFFu;
    gw_rice_sizes s = {.blocks = (n + block - 1) / block};
    for (int64_t i = 0; i < n; i += block, keys += block) {
        int count = n - i < block ? (int)(n - i) : block;
        GW_AT(gw_rice_gaps)(keys, count, before, gaps);
        uint32_t total = keys[count - 1] - before - (uint32_t)count;
        *parameters++ = GW_AT(gw_rice_plan_block)(gaps, count, total, &s);
        before = keys[count - 1];
    }
    *sizes = s;
}

/* Takes the exceptions out of the quotients; returns how many. */
static int GW_AT(gw_rice_take)(uint32_t *quotients, int n, uint32_t far, uint8_t *entries)
{
    int found = 0;
    for (int64_t j = 0; j < n; j++)
        if (quotients[j] > far) {
            entries[GW_RICE_ENTRY * found] = (uint8_t)j;
            gw_store32(entries + GW_RICE_ENTRY * found++ + 1, quotients[j]);
            quotients[j] = 0;
        }
    return found;
}

static int64_t GW_AT(gw_rice_encode)(const uint32_t *keys, int64_t n, int block, const uint8_t *parameters, const gw_rice_sizes *sizes,
                                     uint8_t *out)
{
    uint32_t gaps[GW_UNARY_BLOCK] = {0}, quotients[GW_UNARY_BLOCK] = {0}, before = 0xFFFFFFFFu;
    uint8_t *counts = out + sizes->blocks, *entries = counts + sizes->counts, *low = entries + sizes->exceptions, *low_end = low + sizes->low;
    gw_unary_writer w = {.p = low_end};
    memcpy(out, parameters, (size_t)sizes->blocks);
    for (int64_t i = 0; i < n; i += block, keys += block) {
        int count = n - i < block ? (int)(n - i) : block, far = *parameters >= GW_RICE_EXCEPTIONS, k = *parameters++ & (GW_RICE_EXCEPTIONS - 1);
        if (k < GW_RICE_RUN || far) {
            GW_AT(gw_rice_gaps)(keys, count, before, gaps);
            for (int64_t j = 0; j < count; j++) quotients[j] = gaps[j] >> (k & 31);
        }
        before = keys[count - 1];
        if (far) {
            int found = GW_AT(gw_rice_take)(quotients, count, k < GW_RICE_RUN ? GW_RICE_FAR : 0, entries);
            *counts++ = (uint8_t)(found - 1);
            entries += GW_RICE_ENTRY * found;
        }
        if (k == GW_RICE_RUN) continue;
        low = GW_AT(gw_low_pack_within)(gaps, count, k, low, low_end);
        GW_AT(gw_prefix_sums)(quotients, count);
        GW_AT(gw_unary_write)(&w, quotients, count);
    }
    return gw_unary_finish(&w) - out;
}

/* Adds the exceptions of a block to the sums of its quotients. Returns the sum of all exceptions, -1 if they do not ascend. */
static int64_t GW_AT(gw_rice_put)(const uint8_t *entries, int found, uint32_t *sums, int n)
{
    int64_t total = 0;
    int before = -1;
    for (; found; found--, entries += GW_RICE_ENTRY) {
        uint32_t quotient = gw_load32(entries + 1);
        if (entries[0] <= before || entries[0] >= n) return -1;
        before = entries[0];
        total += quotient;
        for (int64_t j = before; j < n; j++) sums[j] += quotient;
    }
    return total;
}

static int GW_AT(gw_rice_decode)(const uint8_t *payload, int64_t nbytes, int64_t n, int block, uint64_t dim, const gw_rice_sizes *sizes,
                                 uint32_t *out)
{
    uint32_t sums[GW_UNARY_ROOM], lows[GW_UNARY_ROOM] = {0};
    uint8_t copy[GW_LOW_NBYTES] = {0};
    const uint8_t *end = payload + nbytes, *counts = payload + sizes->blocks, *entries = counts + sizes->counts;
    const uint8_t *low = entries + sizes->exceptions;
    gw_unary_reader r = gw_unary_open(low + sizes->low, end - low - sizes->low);
    uint64_t next = 0; /* the key before this block, plus 1 */
    int nlast = 0;     /* bits in use of the last byte of low bits, if not all */
    for (int64_t i = 0; i < n; i += block, out += block) {
        int count = n - i < block ? (int)(n - i) : block, far = *payload >= GW_RICE_EXCEPTIONS, k = *payload++ & (GW_RICE_EXCEPTIONS - 1);
        int64_t zeros = 0, nlow;
        if (k == GW_RICE_RUN) {
            memset(sums, 0, sizeof sums);
            k = 0;
        } else if ((zeros = GW_AT(gw_unary_read)(&r, count, sums)) < 0) return GW_KEYS_LENGTH;
        if (far) {
            int64_t extra = GW_AT(gw_rice_put)(entries, *counts + 1, sums, count);
            if (extra < 0) return GW_KEYS_FLAG;
            entries += GW_RICE_ENTRY * (*counts++ + 1);
            zeros += extra;
        }
        nlow = (count * k + 7) / 8;
        nlast = count * k % 8;
        GW_AT(gw_low_unpack)(gw_low_block(low, end, nlow, copy), count, k, lows);
        low += nlow;
        GW_AT(gw_prefix_sums)(lows, count);
        if (GW_AT(gw_unary_keys)(&next, sums, lows, zeros, count, (uint32_t)1 << k, k, out)) return GW_KEYS_ORDER;
    }
    if (nlast && low[-1] >> nlast) return GW_KEYS_PADDING;
    if (!gw_unary_done(&r)) return GW_KEYS_LENGTH;
    return next <= dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
