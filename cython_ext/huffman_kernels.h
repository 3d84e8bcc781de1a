/* The loops of huffman.h, for one level. */
static int GW_AT(gw_huffman_count)(const uint16_t *codes, int64_t n, int64_t alphabet, int shift, uint32_t *counts)
{
    uint16_t largest = 0;
    for (int64_t i = 0; i < n; i++) largest = codes[i] > largest ? codes[i] : largest;
    if (n && largest >= alphabet) return -1;
    memset(counts, 0, 4 * GW_HUFFMAN_STREAMS * GW_HUFFMAN_SYMBOLS);
    int64_t q = gw_huffman_streams(n) == 1 ? 0 : n / GW_HUFFMAN_STREAMS, i = 0;
    uint32_t *c0 = counts, *c1 = c0 + GW_HUFFMAN_SYMBOLS, *c2 = c1 + GW_HUFFMAN_SYMBOLS, *c3 = c2 + GW_HUFFMAN_SYMBOLS;
    for (; i < q; i++) {
        c0[codes[i] >> shift]++;
        c1[codes[i + q] >> shift]++;
        c2[codes[i + 2 * q] >> shift]++;
        c3[codes[i + 3 * q] >> shift]++;
    }
    for (i = 4 * q; i < n; i++) (q ? c3 : c0)[codes[i] >> shift]++;
    return 0;
}

/* A stream that is being written: bits below `fill` of `word` wait for the bytes at `out`. */
typedef struct { uint64_t word; uint8_t *out; uint32_t fill; } GW_AT(gw_writer);

/* Four codes of at most 12 bits; the 8 bytes at out must belong to the stream. */
GW_INLINE void GW_AT(gw_put4)(GW_AT(gw_writer) *w, const uint16_t *codes, int shift, const uint32_t *entries)
{
    uint64_t a = entries[codes[0] >> shift], b = entries[codes[1] >> shift], c = entries[codes[2] >> shift], d = entries[codes[3] >> shift];
    uint64_t ab = a >> 16 | (b >> 16) << (a & 63), cd = c >> 16 | (d >> 16) << (c & 63), n = a + b;
    w->word |= (ab | cd << (n & 63)) << w->fill;
    w->fill += (uint32_t)(n + c + d) & 63;
    memcpy(w->out, &w->word, 8);
    w->out += w->fill >> 3;
    w->word >>= w->fill & 56;
    w->fill &= 7;
}

/* The last codes of a stream, byte by byte. */
static void GW_AT(gw_put_rest)(GW_AT(gw_writer) *w, const uint16_t *codes, int64_t n, int shift, const uint32_t *entries)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t entry = entries[codes[i] >> shift];
        w->word |= (uint64_t)(entry >> 16) << w->fill;
        for (w->fill += entry & 63; w->fill >= 8; w->fill -= 8, w->word >>= 8) *w->out++ = (uint8_t)w->word;
    }
    if (w->fill) *w->out++ = (uint8_t)w->word;
}

static void GW_AT(gw_huffman_encode)(const uint16_t *codes, int64_t n, int shift, const uint32_t *entries, const int64_t *bits,
                                     uint8_t *out)
{
    GW_AT(gw_writer) w[GW_HUFFMAN_STREAMS] = {{0, out, 0}};
    if (gw_huffman_streams(n) == 1) {
        GW_AT(gw_put_rest)(&w[0], codes, n, shift, entries);
        return;
    }
    uint8_t *end = out + gw_huffman_nbytes(n, bits[0] + bits[1] + bits[2] + bits[3]);
    w[0].out = out + 12;
    for (int k = 0; k < 3; k++) {
        uint32_t nbytes = (uint32_t)((bits[k] + 7) / 8);
        memcpy(out + 4 * k, &nbytes, 4);
        w[k + 1] = (GW_AT(gw_writer)){0, w[k].out + nbytes, 0};
    }
    /* A code has at least one bit: while more than 64 come after these four, 8 bytes belong to the stream. */
    GW_AT(gw_writer) a = w[0], b = w[1], c = w[2], d = w[3];
    int64_t q = n / GW_HUFFMAN_STREAMS, i = 0;
    for (; i + GW_HUFFMAN_TAIL <= q; i += 4) {
        GW_AT(gw_put4)(&a, codes + i, shift, entries);
        GW_AT(gw_put4)(&b, codes + i + q, shift, entries);
        GW_AT(gw_put4)(&c, codes + i + 2 * q, shift, entries);
        GW_AT(gw_put4)(&d, codes + i + 3 * q, shift, entries);
    }
    GW_AT(gw_put_rest)(&a, codes + i, q - i, shift, entries);
    GW_AT(gw_put_rest)(&b, codes + i + q, q - i, shift, entries);
    GW_AT(gw_put_rest)(&c, codes + i + 2 * q, q - i, shift, entries);
    GW_AT(gw_put_rest)(&d, codes + i + 3 * q, n - 3 * q - i, shift, entries);
    memset(d.out, 0, (size_t)(end - d.out));
}

/* table[next `width` bits] = symbol << 16 | length. */
static void GW_AT(gw_huffman_table)(const uint8_t *lengths, int m, int width, uint32_t *table)
{
    uint32_t entries[GW_HUFFMAN_SYMBOLS];
    gw_huffman_codes(lengths, m, entries);
    for (int s = 0; s < m; s++)
        if (lengths[s])
            for (uint32_t at = entries[s] >> 16; at < 1u << width; at += 1u << lengths[s]) table[at] = (uint32_t)s << 16 | lengths[s];
}

/* many[next `width` bits] = the one to three symbols that they hold << 16 | how many << 8 | their length in all. */
static void GW_AT(gw_huffman_many)(const uint32_t *table, int width, uint64_t *many)
{
    for (uint32_t at = 0; at < 1u << width; at++) {
        uint64_t entry = table[at], symbols = entry >> 16, count = 1, length = entry & 63;
        for (; count < 3; count++) {
            entry = table[at >> length];
            if (length + (entry & 63) > (uint64_t)width) break;
            symbols |= entry >> 16 << 16 * count;
            length += entry & 63;
        }
        many[at] = symbols << 16 | count << 8 | length;
    }
}

/* At least 57 bits from bit `at` on; 0 beyond the end. */
GW_INLINE uint64_t GW_AT(gw_peek)(const uint8_t *in, int64_t nbytes, int64_t at)
{
    uint64_t word = 0;
    int64_t byte = at >> 3, left = nbytes - byte;
    if (left >= 8) memcpy(&word, in + byte, 8);
    else if (left > 0) memcpy(&word, in + byte, (size_t)left);
    return word >> (at & 7);
}

/* Symbols out … end of the stream at bit `at`, returns the bit behind them. */
static int64_t GW_AT(gw_get_rest)(const uint8_t *in, int64_t nbytes, int64_t at, const uint32_t *table, uint64_t mask, uint16_t *out,
                                  uint16_t *end)
{
    while (out < end) {
        uint64_t word = GW_AT(gw_peek)(in, nbytes, at), length = 0;
        for (int i = 0; i < 4 && out < end; i++) {
            uint32_t entry = table[word & mask];
            *out++ = (uint16_t)(entry >> 16);
            word >>= entry & 63;
            length += entry & 63;
        }
        at += (int64_t)length;
    }
    return at;
}

/* Four symbols, one after the other. The 8 bytes at bit `at` must be there. */
GW_INLINE void GW_AT(gw_get4)(const uint8_t *in, int64_t *at, const uint32_t *table, uint64_t mask, uint16_t *out)
{
    uint64_t word;
    memcpy(&word, in + (*at >> 3), 8);
    word >>= *at & 7;
    uint32_t a = table[word & mask];
    word >>= a & 63;
    uint32_t b = table[word & mask];
    word >>= b & 63;
    uint32_t c = table[word & mask];
    word >>= c & 63;
    uint32_t d = table[word & mask];
    uint64_t symbols = (uint64_t)(a >> 16 | (b & 0xFFFF0000u)) | (uint64_t)(c >> 16 | (d & 0xFFFF0000u)) << 32;
    memcpy(out, &symbols, 8);
    *at += (a + b + c + d) & 63;
}

/* Four look-ups of at most three symbols each; returns where the next symbol goes. 14 symbols must fit. */
GW_INLINE uint16_t *GW_AT(gw_get_many)(const uint8_t *in, int64_t *at, const uint64_t *many, uint64_t mask, uint16_t *out)
{
    uint64_t word, length = 0;
    memcpy(&word, in + (*at >> 3), 8);
    word >>= *at & 7;
    for (int i = 0; i < 4; i++) {
        uint64_t entry = many[word & mask], symbols = entry >> 16;
        memcpy(out, &symbols, 8);
        out += entry >> 8 & 255;
        word >>= entry & 63;
        length += entry;
    }
    *at += (int64_t)(length & 255);
    return out;
}

GW_INLINE int64_t GW_AT(gw_least)(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How many rounds every stream can surely take: a round reads 8 bytes, advances by less, and fills at most 16 symbols. */
GW_INLINE int64_t GW_AT(gw_rounds)(int64_t nbytes, const int64_t *at, uint16_t *const *out, uint16_t *const *end)
{
    int64_t rounds = INT64_MAX;
    for (int k = 0; k < GW_HUFFMAN_STREAMS; k++)
        rounds = GW_AT(gw_least)(rounds, GW_AT(gw_least)((nbytes - (at[k] >> 3)) / 8, (end[k] - out[k]) / 16));
    return rounds;
}

static void GW_AT(gw_get_streams)(const uint8_t *in, int64_t nbytes, int64_t *bit, const uint64_t *many, const uint32_t *table,
                                  uint64_t mask, uint16_t **out, uint16_t *const *end)
{
    for (int64_t rounds; (rounds = GW_AT(gw_rounds)(nbytes, bit, out, end)) > 0;) {
        int64_t a = bit[0], b = bit[1], c = bit[2], d = bit[3];
        uint16_t *o0 = out[0], *o1 = out[1], *o2 = out[2], *o3 = out[3];
        if (many)
            for (; rounds > 0; rounds--) {
                o0 = GW_AT(gw_get_many)(in, &a, many, mask, o0);
                o1 = GW_AT(gw_get_many)(in, &b, many, mask, o1);
                o2 = GW_AT(gw_get_many)(in, &c, many, mask, o2);
                o3 = GW_AT(gw_get_many)(in, &d, many, mask, o3);
            }
        else
            for (; rounds > 0; rounds--, o0 += 4, o1 += 4, o2 += 4, o3 += 4) {
                GW_AT(gw_get4)(in, &a, table, mask, o0);
                GW_AT(gw_get4)(in, &b, table, mask, o1);
                GW_AT(gw_get4)(in, &c, table, mask, o2);
                GW_AT(gw_get4)(in, &d, table, mask, o3);
            }
        bit[0] = a, bit[1] = b, bit[2] = c, bit[3] = d;
        out[0] = o0, out[1] = o1, out[2] = o2, out[3] = o3;
    }
}

/* Nonzero if the bits from `at` to the end of the byte `stop` are not all 0, or `at` does not lie in the last byte before `stop`. */
GW_INLINE int GW_AT(gw_bad_end)(const uint8_t *in, int64_t at, int64_t stop)
{
    return (at + 7) / 8 != stop || (at & 7 && in[at >> 3] >> (at & 7));
}

static int GW_AT(gw_huffman_decode)(const uint8_t *in, int64_t nbytes, int64_t n, const uint8_t *lengths, int m, uint16_t *out)
{
    uint32_t table[1 << GW_HUFFMAN_LIMIT];
    uint64_t many[1 << GW_HUFFMAN_LIMIT];
    int width = 1;
    for (int s = 0; s < m; s++) width = lengths[s] > width ? lengths[s] : width;
    uint64_t mask = ((uint64_t)1 << width) - 1;
    GW_AT(gw_huffman_table)(lengths, m, width, table);
    if (gw_huffman_streams(n) == 1) {
        int64_t at = GW_AT(gw_get_rest)(in, nbytes, 0, table, mask, out, out + n);
        return GW_AT(gw_bad_end)(in, at, nbytes) ? -1 : 0;
    }
    int64_t start[GW_HUFFMAN_STREAMS + 1] = {12}, bit[GW_HUFFMAN_STREAMS], total = 0;
    uint16_t *to[GW_HUFFMAN_STREAMS], *end[GW_HUFFMAN_STREAMS];
    if (nbytes < 12) return -1;
    for (int k = 0; k < GW_HUFFMAN_STREAMS; k++) {
        uint32_t size = 0;
        if (k < 3) memcpy(&size, in + 4 * k, 4);
        start[k + 1] = start[k] + size;
        if (start[k] > nbytes) return -1;
        bit[k] = 8 * start[k];
        to[k] = out + gw_huffman_first(n, k);
        end[k] = out + gw_huffman_first(n, k + 1);
    }
    int several = n >= GW_HUFFMAN_MANY && nbytes < n / 8 * GW_HUFFMAN_FEW_BITS;
    if (several) GW_AT(gw_huffman_many)(table, width, many);
    GW_AT(gw_get_streams)(in, nbytes, bit, several ? many : NULL, table, mask, to, end);
    for (int k = 0; k < GW_HUFFMAN_STREAMS; k++) {
        bit[k] = GW_AT(gw_get_rest)(in, nbytes, bit[k], table, mask, to[k], end[k]);
        total += bit[k] - 8 * start[k];
        if (k == 3) start[4] = (bit[3] + 7) / 8;
        if (start[k + 1] > nbytes || GW_AT(gw_bad_end)(in, bit[k], start[k + 1])) return -1;
    }
    if (nbytes != gw_huffman_nbytes(n, total)) return -1;
    for (int64_t i = start[4]; i < nbytes; i++)
        if (in[i]) return -1;
    return 0;
}
