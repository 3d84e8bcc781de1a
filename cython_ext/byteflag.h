/* byteflag: gaps of strictly increasing keys in 1 to 4 whole bytes, with a 2-bit flag each.
 *
 * Format, for n keys:
 *   flags    ⌈n/4⌉ bytes; gap j has bits 2(j mod 4) and 2(j mod 4) + 1 of byte j/4: its length in bytes minus 1. Unused bits are 0.
 *   payload  the gaps, little-endian, one after the other
 * Gap 0 is the first key, gap j is key j minus key j-1. An encoder takes the shortest length; with `three` = 0 it never takes 3 bytes.
 *
 *   gw_byteflag_measure(keys, n, three)       size in bytes of the encoding; reads keys[0 … n)
 *   gw_byteflag_encode(keys, n, three, out)   writes the encoding and up to GW_BYTEFLAG_SLACK bytes after it; returns its size
 *   gw_byteflag_decode(payload, nbytes, n, dim, three, out)
 *       reads payload[0 … nbytes), any bytes at all; writes out[0 … n). Returns GW_KEYS_OK if they are an encoding of n strictly
 *       increasing keys below dim ≤ 2^32 and nothing else (longer lengths than needed are accepted), else another code of gw_keys_error.
 *       Asks for nbytes ≥ ⌈n/4⌉ + n and 1 ≤ n ≤ 2^32.
 */
#ifndef GW_BYTEFLAG_H
#define GW_BYTEFLAG_H
#include "keys_bits.h"
#include "keys_error.h"

enum { GW_BYTEFLAG_SLACK = 4 };

static int64_t gw_byteflag_measure(const uint32_t *keys, int64_t n, int three)
{
    int64_t above1 = 0, above2 = 0, above3 = 0;
    if (n == 0) return 0;
    above1 += keys[0] > 0xFF;
    above2 += keys[0] > 0xFFFF;
    above3 += keys[0] > 0xFFFFFF;
    for (int64_t start = 1; start < n; start += 1 << 20) { /* 32-bit counters inside a chunk: twice the vector width */
        int64_t stop = n - start < 1 << 20 ? n : start + (1 << 20);
        uint32_t c1 = 0, c2 = 0, c3 = 0;
        for (int64_t i = start; i < stop; i++) {
            uint32_t gap = keys[i] - keys[i - 1];
            c1 += (gap >> 8) != 0;
            c2 += (gap >> 16) != 0;
            c3 += (gap >> 24) != 0;
        }
        above1 += c1;
        above2 += c2;
        above3 += c3;
    }
    return (n + 3) / 4 + n + above1 + above2 + (three ? above3 : above2);
}

static inline uint32_t gw_byteflag_put(uint32_t gap, int three, uint8_t **p)
{
    uint32_t flag = (gap > 0xFF) + (gap > 0xFFFF) + (three ? gap > 0xFFFFFF : gap > 0xFFFF);
    gw_store32(*p, gap);
    *p += flag + 1;
    return flag;
}

static int64_t gw_byteflag_encode(const uint32_t *keys, int64_t n, int three, uint8_t *out)
{
    uint8_t *flags = out, *p = out + (n + 3) / 4;
    uint32_t last = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint32_t f0 = gw_byteflag_put(keys[i] - last, three, &p);
        uint32_t f1 = gw_byteflag_put(keys[i + 1] - keys[i], three, &p);
        uint32_t f2 = gw_byteflag_put(keys[i + 2] - keys[i + 1], three, &p);
        uint32_t f3 = gw_byteflag_put(keys[i + 3] - keys[i + 2], three, &p);
        last = keys[i + 3];
        *flags++ = (uint8_t)(f0 | f1 << 2 | f2 << 4 | f3 << 6);
    }
    if (i < n) {
        uint32_t byte = 0;
        for (int64_t j = i; j < n; j++) {
            byte |= gw_byteflag_put(keys[j] - last, three, &p) << 2 * (j - i);
            last = keys[j];
        }
        *flags = (uint8_t)byte;
    }
    return p - out;
}

/* Reads `count` ≤ 4 gaps with the flags of `byte` from *p and adds them up from *key; looks at 4 bytes from the start of each gap.
 * Returns how many gaps are 0. */
static inline int gw_byteflag_get(uint32_t byte, const uint8_t **p, uint64_t *key, int count, uint32_t *out)
{
    static const uint32_t MASK[4] = {0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF};
    int zeros = 0;
    for (int j = 0; j < count; j++) {
        uint32_t flag = byte >> 2 * j & 3, gap = gw_load32(*p) & MASK[flag];
        *p += flag + 1;
        *key += gap;
        zeros += gap == 0;
        out[j] = (uint32_t)*key;
    }
    return zeros;
}

static int gw_byteflag_decode(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim, int three, uint32_t *out)
{
    const uint8_t *flags = payload, *p = payload + (n + 3) / 4, *end = payload + nbytes;
    uint8_t tail[32] = {0}; /* the last bytes once more, so that four loads never leave the buffer */
    int in_tail = 0;
    uint64_t key = 0; /* 64 bits wide, it never wraps: n gaps below 2^32 */
    int64_t zeros = 0;
    uint32_t threes = 0;
    if (n % 4 && p[-1] >> n % 4 * 2) return GW_KEYS_PADDING;
    for (int64_t i = 0; i < n; i += 4) {
        uint32_t byte = *flags++;
        if (!in_tail && end - p < 16) {
            memcpy(tail, p, (size_t)(end - p));
            end = tail + (end - p);
            p = tail;
            in_tail = 1;
        }
        threes |= byte >> 1 & ~byte & 0x55;
        zeros += n - i >= 4 ? gw_byteflag_get(byte, &p, &key, 4, out + i) : gw_byteflag_get(byte, &p, &key, (int)(n - i), out + i);
        if (p > end) return GW_KEYS_LENGTH;
    }
    if (p != end) return GW_KEYS_LENGTH;
    if (threes && !three) return GW_KEYS_FLAG;
    return zeros == (out[0] == 0) && key < dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
#endif
