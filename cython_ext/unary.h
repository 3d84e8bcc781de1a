/* The two streams of Rice-like key coders: low bits in a fixed width, and quotients in unary. rice, golomb and elias_fano use them.
 *
 * Low bits: number i of n takes bits [i*w, (i+1)*w) of the stream, w = 0 … 32, so eight numbers are w whole bytes. ceil(n*w/8) bytes.
 * Unary: quotient q is q zeros and a one; quotients follow each other without gaps.
 * Streams are filled from the low bit of byte 0 upwards; unused bits of the last byte are 0.
 *
 * Numbers are handled in blocks of at most GW_UNARY_BLOCK. A block of quotients travels as `sums`, its inclusive prefix sums: sums[j] is
 * the number of zeros between the start of the block and its j-th one. Arrays of a block have room for GW_UNARY_ROOM numbers: kernels
 * work on whole vectors, and what they leave behind the block means nothing.
 *
 *   gw_low_pack(x, n, w, out)        packs the low w bits of x[0 … n); reads x up to the next multiple of 16 (bits of numbers behind n
 *                                    must be 0); writes the stream and up to GW_UNARY_SLACK bytes after it.
 *   gw_low_unpack(in, n, w, x)       reads the stream and up to GW_UNARY_SLACK bytes after it; writes x.
 *   gw_low_pack_within(x, n, w, out, end)   the same without a byte behind `end`; returns the end of the stream.
 *   gw_prefix_sums(x, n)             x[j] += x[j-1], j = 1 … n-1, modulo 2^32.
 *   gw_unary_write(writer, sums, n)  appends a block of n >= 1 quotients; writes up to 8 bytes after the end of the stream.
 *   gw_unary_finish(writer)          end of the stream: the byte after the last one in use.
 *   gw_unary_read(reader, n, sums)   reads n >= 1 quotients; returns their sum, -1 if the stream ends before. Sums of 2^32 and more wrap
 *                                    in `sums`, not in the result. Reads no byte outside the stream.
 *   gw_unary_done(reader)            whether nothing but the unused bits of the last byte is left, and these are 0.
 *
 *   gw_unary_keys(next, sums, lows, zeros, n, m, k, out)
 *       the n >= 1 keys whose gaps, less 1, have the quotients `sums` (which sum up to `zeros`) and the remainders of prefix sums `lows`
 *       by m < 2^32: m = 2^k, or k < 0. *next: the key before plus 1, then the last key plus 1. -1 if a key is not below 2^32.
 *
 * gw_unary_init() fills the tables of this file; once, before anything else.
 */
#ifndef GW_UNARY_H
#define GW_UNARY_H
#include "keys_bits.h"
#include "keys_error.h"
#include "simd.h"

enum {
    GW_UNARY_BLOCK = 256,
    GW_UNARY_ROOM = GW_UNARY_BLOCK + 80,
    GW_UNARY_SLACK = 64,
    GW_LOW_NBYTES = 4 * GW_UNARY_BLOCK + GW_UNARY_SLACK, /* room for the low bits of a block */
    GW_UNARY_SPAN = 4096, /* a block of at most so many bits takes the writer's quick way */
};

/* The next 8 bytes; zeros for those that are not among the `left` that there are. */
GW_INLINE uint64_t gw_load_tail(const uint8_t *p, int64_t left)
{
    uint64_t word = 0;
    if (left >= 8) return gw_load64(p);
    for (int64_t i = 0; i < left; i++) word |= (uint64_t)p[i] << 8 * i;
    return word;
}

/* A block of a stream of low bits that ends at `end`, somewhere with room for GW_UNARY_SLACK bytes after it: there or in `copy`. */
GW_INLINE const uint8_t *gw_low_block(const uint8_t *low, const uint8_t *end, int64_t nbytes, uint8_t *copy)
{
    return end - low < nbytes + GW_UNARY_SLACK ? memcpy(copy, low, (size_t)nbytes) : low;
}

typedef struct {
    uint8_t *p;
    uint64_t pending; /* bits that p has not taken in yet, `fill` < 64 of them */
    int fill;
    uint8_t marks[GW_UNARY_SPAN + 64]; /* zeros between two calls */
} gw_unary_writer;

typedef struct {
    const uint8_t *stream;
    int64_t nbytes;
    int64_t at, start; /* position of the first bit of `word`, and of the first bit that is not consumed */
    uint64_t word;     /* 64 bits of the stream, zeros behind its end, without the ones that are consumed */
} gw_unary_reader;

static GW_UNUSED gw_unary_reader gw_unary_open(const uint8_t *stream, int64_t nbytes)
{
    gw_unary_reader r = {.stream = stream, .nbytes = nbytes, .at = -64};
    return r;
}

/* Goes on to the next 64 bits; -1 if there are none. */
GW_INLINE int gw_unary_next(gw_unary_reader *r)
{
    int64_t first = (r->at += 64) >> 3, left = r->nbytes - first;
    if (left <= 0) return -1;
    r->word = gw_load_tail(r->stream + first, left);
    return 0;
}

static GW_UNUSED int gw_unary_done(const gw_unary_reader *r)
{
    int64_t left = 8 * r->nbytes - r->start;
    return left >= 0 && left < 8 && r->word == 0;
}

static GW_UNUSED uint8_t *gw_unary_finish(gw_unary_writer *w)
{
    gw_store64(w->p, w->pending);
    return w->p + (w->fill + 7) / 8;
}

/* Of each byte: how many ones it has, and how many zeros stand before each of them. */
static uint8_t gw_unary_count[256], gw_unary_zeros[256][8];

/* How 16 numbers of w = 2 … 28 bits become 2w bytes: pairs of them are 64-bit lanes, shifted to where they start in a byte; byte t of the
 * result is a byte of an even lane or one of an odd lane or both. */
typedef struct {
    uint8_t from[2][64];
    uint64_t has[2]; /* the bytes of the result that have a part of an even lane, of an odd one */
    uint64_t shift[8];
} gw_low_table;

static gw_low_table gw_low_tables[29];

static GW_UNUSED void gw_unary_init(void)
{
    for (int byte = 0; byte < 256; byte++) {
        int ones = 0;
        for (int i = 0; i < 8; i++)
            if (byte >> i & 1) gw_unary_zeros[byte][ones] = (uint8_t)(i - ones), ones++;
        gw_unary_count[byte] = (uint8_t)ones;
    }
    for (int w = 2; w <= 28; w++)
        for (int lane = 0; lane < 8; lane++) {
            gw_low_table *t = gw_low_tables + w;
            int bit = 2 * w * lane, last = bit + 2 * w - 1;
            t->shift[lane] = (uint64_t)(bit % 8);
            for (int byte = bit / 8; byte <= last / 8; byte++) {
                t->from[lane % 2][byte] = (uint8_t)(8 * lane + byte - bit / 8);
                t->has[lane % 2] |= (uint64_t)1 << byte;
            }
        }
}
#endif
