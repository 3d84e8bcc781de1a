/* The loops of elias_fano.h, for one level. */
#include "unary_kernels.h"

static int64_t GW_AT(gw_elias_fano_encode)(const uint32_t *keys, int64_t n, int l, uint8_t *out)
{
    uint32_t sums[GW_UNARY_BLOCK], tail[GW_UNARY_BLOCK] = {0}, high = 0;
    uint8_t *low = out + GW_ELIAS_FANO_HEADER, *low_end = low + (n * l + 7) / 8;
    gw_unary_writer w = {.p = low_end};
    *out = (uint8_t)l;
    for (int64_t i = 0; i < n; i += GW_UNARY_BLOCK) {
        int count = n - i < GW_UNARY_BLOCK ? (int)(n - i) : GW_UNARY_BLOCK;
        const uint32_t *block = count == GW_UNARY_BLOCK ? keys + i : memcpy(tail, keys + i, 4 * (size_t)count);
        low = GW_AT(gw_low_pack_within)(block, count, l, low, low_end);
        for (int64_t j = 0; j < count; j++) sums[j] = (block[j] >> l) - high;
        high = block[count - 1] >> l;
        GW_AT(gw_unary_write)(&w, sums, count);
    }
    return gw_unary_finish(&w) - out;
}

/* Whether keys[0 … n) are not strictly increasing. */
GW_INLINE int GW_AT(gw_elias_fano_unsorted)(const uint32_t *keys, int64_t n)
{
    uint32_t bad = 0;
    for (int64_t j = 1; j < n; j++) bad |= keys[j] <= keys[j - 1];
    return bad != 0;
}

static int GW_AT(gw_elias_fano_decode)(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, uint32_t *out)
{
    uint32_t sums[GW_UNARY_ROOM], lows[GW_UNARY_ROOM];
    uint8_t copy[GW_LOW_NBYTES] = {0};
    const uint8_t *end = payload + nbytes, *low = payload + GW_ELIAS_FANO_HEADER;
    int l = *payload;
    if (l > 31) return GW_KEYS_FLAG;
    int64_t nlow = (n * l + 7) / 8, high = 0;
    if (end - low < nlow + (n + 7) / 8) return GW_KEYS_LENGTH;
    if (n * l % 8 && low[nlow - 1] >> n * l % 8) return GW_KEYS_PADDING;
    gw_unary_reader r = gw_unary_open(low + nlow, end - low - nlow);
    for (int64_t i = 0; i < n; i += GW_UNARY_BLOCK) {
        int count = n - i < GW_UNARY_BLOCK ? (int)(n - i) : GW_UNARY_BLOCK;
        int64_t zeros = GW_AT(gw_unary_read)(&r, count, sums);
        if (zeros < 0) return GW_KEYS_LENGTH;
        if (high + zeros > (int64_t)(0xFFFFFFFFu >> l)) return GW_KEYS_ORDER;
        nlow = (count * l + 7) / 8;
        GW_AT(gw_low_unpack)(gw_low_block(low, end, nlow, copy), count, l, lows);
        low += nlow;
        for (int64_t j = 0; j < count; j++) out[i + j] = ((uint32_t)high + sums[j]) << l | lows[j];
        if (GW_AT(gw_elias_fano_unsorted)(out + i - (i > 0), count + (i > 0))) return GW_KEYS_ORDER;
        high += zeros;
    }
    if (!gw_unary_done(&r)) return GW_KEYS_LENGTH;
    return out[n - 1] < dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
