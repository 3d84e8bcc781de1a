/* The loops of golomb.h, for one level. */
#include "unary_kernels.h"

/* Quotients and remainders of n gaps. The product is the quotient: with g < 2^32 the error of (g + 1/2) * (1/m) is below the 1/(2m) that
 * keeps (g + 1/2)/m away from whole numbers. Conversions go through int32, which every level has. */
GW_INLINE void GW_AT(gw_golomb_divide)(const uint32_t *keys, int64_t n, uint32_t before, uint32_t m, uint32_t *restrict quotients,
                                       uint32_t *restrict remainders)
{
    double inverse = 1.0 / m;
    remainders[0] = keys[0] - before - 1;
    for (int64_t j = 1; j < n; j++) remainders[j] = keys[j] - keys[j - 1] - 1;
    if (m == 1) {
        memcpy(quotients, remainders, 4 * (size_t)n);
        memset(remainders, 0, 4 * (size_t)n);
        return;
    }
    for (int64_t j = 0; j < n; j++) {
        double gap = (double)(int32_t)(remainders[j] ^ 0x80000000u) + 2147483648.5;
        quotients[j] = (uint32_t)(int32_t)(gap * inverse);
        remainders[j] -= quotients[j] * m;
    }
}

static void GW_AT(gw_golomb_count)(const uint32_t *keys, int64_t n, gw_golomb_code *code)
{
    uint32_t quotients[GW_UNARY_BLOCK], remainders[GW_UNARY_BLOCK], before = 0xFFFFFFFFu;
    code->extra = 0;
    code->unary = n;
    for (int64_t i = 0; i < n; i += GW_UNARY_BLOCK) {
        int64_t count = n - i < GW_UNARY_BLOCK ? n - i : GW_UNARY_BLOCK;
        uint32_t sum = 0, extra = 0;
        GW_AT(gw_golomb_divide)(keys + i, count, before, code->m, quotients, remainders);
        for (int64_t j = 0; j < count; j++) {
            sum += quotients[j];
            extra += remainders[j] >= code->c;
        }
        before = keys[i + count - 1];
        code->extra += extra;
        code->unary += sum;
    }
}

/* Makes the remainders of a block what the low bits hold; appends the extra bits, whole bytes of them, to `out`. */
GW_INLINE uint8_t *GW_AT(gw_golomb_truncate)(uint32_t *remainders, int64_t n, uint32_t c, uint64_t *pending, int *fill, uint8_t *out)
{
    uint8_t bytes[GW_UNARY_BLOCK / 8 + 8], *p = bytes;
    uint64_t bits = *pending;
    int at = *fill;
    for (int64_t i = 0; i < n; i += 32) {
        for (int64_t j = i; j < n && j < i + 32; j++) {
            uint32_t r = remainders[j], big = r >= c, wide = r + c;
            bits |= (uint64_t)(wide & big) << at;
            at += (int)big;
            remainders[j] = big ? wide >> 1 : r;
        }
        gw_store64(p, bits);
        p += at >> 3;
        bits >>= at & ~7;
        at &= 7;
    }
    memcpy(out, bytes, (size_t)(p - bytes));
    *pending = bits;
    *fill = at;
    return out + (p - bytes);
}

static int64_t GW_AT(gw_golomb_encode)(const uint32_t *keys, int64_t n, const gw_golomb_code *code, uint8_t *out)
{
    uint32_t quotients[GW_UNARY_BLOCK] = {0}, remainders[GW_UNARY_BLOCK] = {0}, before = 0xFFFFFFFFu;
    uint8_t *low = out + GW_GOLOMB_HEADER, *extra = low + (n * code->w + 7) / 8, *low_end = extra;
    gw_unary_writer w = {.p = extra + (code->extra + 7) / 8};
    uint64_t pending = 0;
    int fill = 0;
    gw_store32(out, code->m);
    gw_store32(out + 4, (uint32_t)code->extra);
    for (int64_t i = 0; i < n; i += GW_UNARY_BLOCK) {
        int count = n - i < GW_UNARY_BLOCK ? (int)(n - i) : GW_UNARY_BLOCK;
        GW_AT(gw_golomb_divide)(keys + i, count, before, code->m, quotients, remainders);
        before = keys[i + count - 1];
        extra = GW_AT(gw_golomb_truncate)(remainders, count, code->c, &pending, &fill, extra);
        for (int j = count; j % 16; j++) remainders[j] = 0;
        low = GW_AT(gw_low_pack_within)(remainders, count, code->w, low, low_end);
        GW_AT(gw_prefix_sums)(quotients, count);
        GW_AT(gw_unary_write)(&w, quotients, count);
    }
    if (fill) *extra = (uint8_t)pending;
    return gw_unary_finish(&w) - out;
}

/* Remainders from low bits and extra bits, which begin at bit `at` of a stream of nbytes; returns how many of these there are. */
GW_INLINE int64_t GW_AT(gw_golomb_complete)(uint32_t *x, int64_t n, uint32_t c, const uint8_t *extra, int64_t nbytes, int64_t at)
{
    int64_t first = at;
    for (int64_t i = 0; i < n; i += 32) {
        uint64_t bits = gw_load_tail(extra + (at >> 3), nbytes - (at >> 3)) >> (at & 7);
        for (int64_t j = i; j < n && j < i + 32; j++) {
            uint32_t big = x[j] >= c;
            x[j] = big ? 2 * x[j] - c + (uint32_t)(bits & 1) : x[j];
            bits >>= big;
            at += big;
        }
    }
    return at - first;
}

static int GW_AT(gw_golomb_decode)(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, uint32_t *out)
{
    uint32_t sums[GW_UNARY_ROOM], lows[GW_UNARY_ROOM], m = gw_load32(payload);
    uint8_t copy[GW_LOW_NBYTES] = {0};
    if (m == 0 || m >> 31) return GW_KEYS_FLAG;
    gw_golomb_code code = gw_golomb_of(m);
    code.extra = gw_load32(payload + 4);
    code.unary = n;
    if (code.extra > n) return GW_KEYS_FLAG;
    if (gw_golomb_nbytes(&code, n) > nbytes) return GW_KEYS_LENGTH;
    const uint8_t *low = payload + GW_GOLOMB_HEADER, *extra = low + (n * code.w + 7) / 8, *end = payload + nbytes;
    int64_t nextra = (code.extra + 7) / 8, at = 0;
    if (n * code.w % 8 && extra[-1] >> n * code.w % 8) return GW_KEYS_PADDING;
    if (code.extra % 8 && extra[nextra - 1] >> code.extra % 8) return GW_KEYS_PADDING;
    gw_unary_reader r = gw_unary_open(extra + nextra, end - extra - nextra);
    uint64_t next = 0; /* the key before this block, plus 1 */
    for (int64_t i = 0; i < n; i += GW_UNARY_BLOCK) {
        int count = n - i < GW_UNARY_BLOCK ? (int)(n - i) : GW_UNARY_BLOCK;
        int64_t zeros = GW_AT(gw_unary_read)(&r, count, sums), nlow = (count * code.w + 7) / 8;
        if (zeros < 0) return GW_KEYS_LENGTH;
        GW_AT(gw_low_unpack)(gw_low_block(low, end, nlow, copy), count, code.w, lows);
        low += nlow;
        if (code.extra) at += GW_AT(gw_golomb_complete)(lows, count, code.c, extra, nextra, at);
        GW_AT(gw_prefix_sums)(lows, count);
        if (GW_AT(gw_unary_keys)(&next, sums, lows, zeros, count, m, -1, out + i)) return GW_KEYS_ORDER;
    }
    if (at != code.extra || !gw_unary_done(&r)) return GW_KEYS_LENGTH;
    return next <= dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
