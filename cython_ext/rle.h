/* rle: the lengths of the runs of the bitmap of the keys, zeros and ones in turn, in the Elias delta code.
 *
 * Format, for n ≥ 1 keys (n = 0: no bytes at all): for each run of consecutive keys
 *   zeros    how many numbers were left out before it: of the first run that number plus 1, as it may be 0
 *   ones     its length, 1 … 65,535. A longer run is cut: 65,536 stands for 65,535 keys after which the run goes on, with ones again
 * and then zero bits up to a whole byte. Bit i of the stream is bit i % 8 of byte i / 8.
 * delta(x), 1 ≤ x ≤ 2^32: N = bits of x, L = bits of N; L - 1 zeros, the L bits of N with its highest (a 1) first in the stream and the
 * others from the lowest up, then the N - 1 bits of x below its highest, from the lowest up. 1 is the single bit 1.
 *
 *   gw_rle_bits(keys, n, limit)          bits of the stream, or an incomplete sum that is not below limit
 *   gw_rle_encode(keys, n, out)          writes the stream and up to 8 bytes after it; returns its size in bytes
 *   gw_rle_check(payload, nbytes, n, dim)
 *       reads payload[0 … nbytes), any bytes at all; GW_KEYS_OK if they are n strictly increasing keys below dim ≤ 2^32 and nothing
 *       else, else another code of gw_keys_error
 *   gw_rle_decode(payload, nbytes, n, out)  after a check that was good: writes out[0 … n)
 *
 * 25 bits stand for at most 65,535 keys: a payload is checked to the end before anything is allocated, and nbytes bounds n.
 * Encoding finds the end of a run by doubling steps and bisection, which takes O(runs · log(run length)).
 */
#ifndef GW_RLE_H
#define GW_RLE_H
#include "keys_bits.h"
#include "keys_error.h"

enum { GW_RLE_LONGEST = 65535, GW_RLE_SLACK = 8 };

static inline int gw_width64(uint64_t x) { return 64 - __builtin_clzll(x | 1); }

static inline int gw_delta_bits(uint64_t x)
{
    int width = gw_width64(x);
    return width - 1 + 2 * gw_width64((uint64_t)width) - 1;
}

/* How many keys from keys[i] on are consecutive. */
static inline int64_t gw_run_length(const uint32_t *keys, int64_t i, int64_t n)
{
    int64_t step = 1, length = 1; /* keys[i … i + length) are */
    while (length + step <= n - i && keys[i + length + step - 1] - keys[i] == (uint32_t)(length + step - 1)) {
        length += step;
        step *= 2;
    }
    for (; step; step /= 2)
        if (length + step <= n - i && keys[i + length + step - 1] - keys[i] == (uint32_t)(length + step - 1)) length += step;
    return length;
}

static int64_t gw_rle_bits(const uint32_t *keys, int64_t n, int64_t limit)
{
    int64_t bits = 0;
    for (int64_t i = 0, length; i < n && bits < limit; i += length) {
        int64_t more;
        length = gw_run_length(keys, i, n);
        more = (length - 1) / GW_RLE_LONGEST;
        bits += gw_delta_bits(i ? (uint64_t)keys[i] - keys[i - 1] - 1 : (uint64_t)keys[i] + 1);
        bits += more * gw_delta_bits(GW_RLE_LONGEST + 1) + gw_delta_bits((uint64_t)(length - more * GW_RLE_LONGEST));
    }
    return bits;
}

typedef struct {
    uint64_t pending; /* `fill` bits, fewer than 8, that p has not taken in yet */
    unsigned fill;
    uint8_t *p;
} gw_rle_writer;

static inline void gw_rle_put(gw_rle_writer *w, uint64_t x)
{
    int width = gw_width64(x), length = gw_width64((uint64_t)width);
    uint64_t low = (uint64_t)width & (((uint64_t)1 << (length - 1)) - 1), below = x & (((uint64_t)1 << (width - 1)) - 1);
    uint64_t code = (uint64_t)1 << (length - 1) | low << length | below << (2 * length - 1); /* at most 43 bits */
    w->pending |= code << w->fill;
    w->fill += (unsigned)(2 * length - 1 + width - 1);
    gw_store64(w->p, w->pending);
    w->p += w->fill >> 3;
    w->pending >>= w->fill & ~7u;
    w->fill &= 7;
}

static int64_t gw_rle_encode(const uint32_t *keys, int64_t n, uint8_t *out)
{
    gw_rle_writer w = {.p = out};
    for (int64_t i = 0, length; i < n; i += length) {
        int64_t rest = length = gw_run_length(keys, i, n);
        gw_rle_put(&w, i ? (uint64_t)keys[i] - keys[i - 1] - 1 : (uint64_t)keys[i] + 1);
        for (; rest > GW_RLE_LONGEST; rest -= GW_RLE_LONGEST) gw_rle_put(&w, GW_RLE_LONGEST + 1);
        gw_rle_put(&w, (uint64_t)rest);
    }
    return w.p + (w.fill != 0) - out;
}

/* The number whose code begins at bit *at, which moves past it; 0 if there is none: it has more than 33 bits or ends behind the payload. */
static inline uint64_t gw_rle_get(const uint8_t *payload, int64_t nbytes, int64_t *at)
{
    int64_t byte = *at >> 3;
    uint64_t word = 0, x;
    if (nbytes - byte >= 8) word = gw_load64(payload + byte);
    else memcpy(&word, payload + byte, (size_t)(nbytes - byte)), word = GW_LE64(word);
    word >>= *at & 7;
    int length = __builtin_ctzll(word | (uint64_t)1 << 6) + 1;
    if (length > 6) return 0;
    int width = (int)(word >> length & (((uint64_t)1 << (length - 1)) - 1)) | 1 << (length - 1);
    if (width > 33) return 0;
    *at += 2 * length - 1 + width - 1;
    if (*at > 8 * nbytes) return 0;
    x = word >> (2 * length - 1) & (((uint64_t)1 << (width - 1)) - 1);
    return x | (uint64_t)1 << (width - 1);
}

static int gw_rle_check(const uint8_t *payload, int64_t nbytes, int64_t n, uint64_t dim)
{
    int64_t at = 0, count = 0;
    uint64_t next = 0; /* the smallest number that has no bit yet */
    while (count < n) {
        uint64_t zeros = gw_rle_get(payload, nbytes, &at), ones;
        if (!zeros) return GW_KEYS_LENGTH;
        next += zeros - (count == 0);
        do {
            if (!(ones = gw_rle_get(payload, nbytes, &at))) return GW_KEYS_LENGTH;
            if (ones > GW_RLE_LONGEST + 1) return GW_KEYS_FLAG;
            int64_t keys = ones > GW_RLE_LONGEST ? GW_RLE_LONGEST : (int64_t)ones;
            count += keys;
            next += (uint64_t)keys;
        } while (ones > GW_RLE_LONGEST && count < n);
        if (ones > GW_RLE_LONGEST || count > n) return GW_KEYS_LENGTH;
        if (next > dim) return GW_KEYS_ORDER;
    }
    if (8 * nbytes - at >= 8) return GW_KEYS_LENGTH;
    return at < 8 * nbytes && payload[at >> 3] >> (at & 7) ? GW_KEYS_PADDING : GW_KEYS_OK;
}

static void gw_rle_decode(const uint8_t *payload, int64_t nbytes, int64_t n, uint32_t *out)
{
    int64_t at = 0, i = 0;
    uint32_t next = 0;
    while (i < n) {
        uint64_t ones;
        next += (uint32_t)(gw_rle_get(payload, nbytes, &at) - (i == 0));
        do {
            ones = gw_rle_get(payload, nbytes, &at);
            uint32_t keys = ones > GW_RLE_LONGEST ? GW_RLE_LONGEST : (uint32_t)ones;
            for (uint32_t j = 0; j < keys; j++) out[i + j] = next + j;
            i += keys;
            next += keys;
        } while (ones > GW_RLE_LONGEST);
    }
}
#endif
