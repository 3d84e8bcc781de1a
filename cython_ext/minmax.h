/* MinMaxSketch (Jiang et al., SketchML, SIGMOD 2018): a hash table of small indexes, `rows` rows of `columns` cells. Insert keeps the
 * smallest index that met in a cell, a query takes the largest cell over the rows; so the answer for an inserted key is never above
 * its index.
 *
 * Row r of the sketch `seed` puts a key in column floor(h * columns / 2^32), where all arithmetic is modulo 2^32 and
 *
 *   x = key ^ key >> 16,  y = x * 0x21f0aaad,  z = y ^ y >> 15       mixes the bits of the key, one for one
 *   h = (z ^ gw_random32(seed, 2r)) * (gw_random32(seed, 2r + 1) | 1)   multiply-shift (Dietzfelbinger et al. 1997), one per row
 *
 * Cell (row, column) is cells[row * columns + column], columns at most 2^32 - 1. Cells are bytes, or uint16 if `wide`.
 *
 *   gw_minmax_insert  lowers the cells of keys[i] to indexes[i], which is as wide as the cells. columns >= 1 if n > 0.
 *   gw_minmax_query   out[i] = values[largest cell of keys[i]]: values has an entry for every cell. columns >= 1 if n > 0.
 *   gw_minmax_pack    n byte cells below 2^bits, bits in 1 … 8, to the format of bitpack.h: exactly ceil(n * bits / 8) bytes
 *   gw_minmax_unpack  the reverse
 *
 * Columns are computed for a block of keys at a time, by SIMD; then cells are visited one by one, without branches. A row of one group
 * of pairs should fit in the first or second level of cache: insert goes row by row, query all rows at a time. Nothing is allocated.
 */
#ifndef GW_MINMAX_H
#define GW_MINMAX_H
#include "random.h"
#include "simd.h"

enum { GW_MINMAX_BLOCK = 256, GW_MINMAX_ROWS = 16 };

typedef struct {
    uint32_t key, factor;
} gw_minmax_row;

GW_INLINE gw_minmax_row gw_minmax_row_of(uint32_t seed, int row)
{
    gw_minmax_row r = {gw_random32(seed, 2 * (uint64_t)row), gw_random32(seed, 2 * (uint64_t)row + 1) | 1};
    return r;
}

GW_INLINE uint32_t gw_minmax_hash(uint32_t key, gw_minmax_row r)
{
    uint32_t y = (key ^ key >> 16) * 0x21f0aaadu;
    return ((y ^ y >> 15) ^ r.key) * r.factor;
}

/* Eight cells of `bits` < 8 bits, one per byte of w, to the low 8 * bits bits, and back. */
GW_INLINE uint64_t gw_minmax_pack8(uint64_t w, int bits)
{
    w = (w & 0x00FF00FF00FF00FFu) | (w & 0xFF00FF00FF00FF00u) >> (8 - bits);
    w = (w & 0x0000FFFF0000FFFFu) | (w & 0xFFFF0000FFFF0000u) >> (16 - 2 * bits);
    return (w & 0x00000000FFFFFFFFu) | w >> 32 << 4 * bits;
}

GW_INLINE uint64_t gw_minmax_unpack8(uint64_t w, int bits)
{
    uint64_t four = ((uint64_t)1 << 4 * bits) - 1;
    uint64_t two = (((uint64_t)1 << 2 * bits) - 1) * 0x0000000100000001u, one = (((uint64_t)1 << bits) - 1) * 0x0001000100010001u;
    w = (w & four) | (w >> 4 * bits & four) << 32;
    w = (w & two) | (w >> 2 * bits & two) << 16;
    return (w & one) | (w >> bits & one) << 8;
}

static void gw_minmax_pack(const uint8_t *cells, int64_t n, int bits, uint8_t *out)
{
    int64_t i = 0, left;
    uint8_t last[8] = {0};
    uint64_t word;
    if (bits == 8) {
        memcpy(out, cells, (size_t)n);
        return;
    }
    /* writes 8 bytes where `bits` are new, as long as all 8 are inside */
    for (; i + 8 <= n && (n - i) * bits >= 64; i += 8, out += bits) {
        memcpy(&word, cells + i, 8);
        word = gw_minmax_pack8(word, bits);
        memcpy(out, &word, 8);
    }
    for (; i < n; i += 8, out += bits) {
        left = n - i < 8 ? n - i : 8;
        memset(last, 0, 8);
        memcpy(last, cells + i, (size_t)left);
        memcpy(&word, last, 8);
        word = gw_minmax_pack8(word, bits);
        memcpy(out, &word, (size_t)((left * bits + 7) / 8));
    }
}

static void gw_minmax_unpack(const uint8_t *in, int64_t n, int bits, uint8_t *cells)
{
    int64_t i = 0, left;
    uint64_t word;
    if (bits == 8) {
        memcpy(cells, in, (size_t)n);
        return;
    }
    for (; i + 8 <= n && (n - i) * bits >= 64; i += 8, in += bits) {
        memcpy(&word, in, 8);
        word = gw_minmax_unpack8(word, bits);
        memcpy(cells + i, &word, 8);
    }
    for (; i < n; i += 8, in += bits) {
        left = n - i < 8 ? n - i : 8;
        word = 0;
        memcpy(&word, in, (size_t)((left * bits + 7) / 8));
        word = gw_minmax_unpack8(word, bits);
        memcpy(cells + i, &word, (size_t)left);
    }
}

#define GW_KERNELS "minmax_kernels.h"
#include "levels.h"

GW_DISPATCH(void, gw_minmax_insert,
            (const uint32_t *keys, const void *indexes, int64_t n, uint32_t seed, int rows, uint32_t columns, int wide, void *cells),
            (keys, indexes, n, seed, rows, columns, wide, cells))
GW_DISPATCH(void, gw_minmax_query,
            (const uint32_t *keys, int64_t n, uint32_t seed, int rows, uint32_t columns, int wide, const void *cells, const float *values,
             float *out),
            (keys, n, seed, rows, columns, wide, cells, values, out))
#endif
