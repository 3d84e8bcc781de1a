/* The loops of optimal.h, for one level. */
#include "random_block.h"

/* Neighbours are often in one bin: they are counted in two tables, so that an increment need not wait for the one before. */
static int64_t GW_AT(gw_optimal_histogram)(const float *values, int64_t n, float low, float high, float *points, uint32_t *counts,
                                           uint32_t *scratch)
{
    gw_optimal_map map = gw_optimal_map_of(low, high);
    int64_t found = 0, i = 0;
    memset(counts, 0, GW_OPTIMAL_BINS * sizeof *counts);
    memset(scratch, 0, GW_OPTIMAL_BINS * sizeof *counts);
    for (; i + GW_OPTIMAL_BLOCK <= n; i += GW_OPTIMAL_BLOCK) {
        uint16_t bin[GW_OPTIMAL_BLOCK];
        for (int j = 0; j < GW_OPTIMAL_BLOCK; j++) bin[j] = (uint16_t)gw_optimal_bin(&map, values + i + j);
        for (int j = 0; j < GW_OPTIMAL_BLOCK; j += 2) {
            points[bin[j]] = values[i + j];
            points[bin[j + 1]] = values[i + j + 1];
            counts[bin[j]]++;
            scratch[bin[j + 1]]++;
        }
    }
    for (; i < n; i++) {
        int32_t bin = gw_optimal_bin(&map, values + i);
        points[bin] = values[i];
        counts[bin]++;
    }
    points[0] = low;
    points[gw_optimal_bin(&map, &high)] = high;
    for (int64_t bin = 0; bin < GW_OPTIMAL_BINS; bin++) {
        uint32_t count = counts[bin] + scratch[bin];
        points[found] = points[bin];
        counts[found] = count;
        found += count != 0;
    }
    return found;
}

/* The level below each value of one block, by table, and the one above. Levels that share a bin are told apart one by one. */
GW_INLINE void GW_AT(gw_optimal_find)(const gw_optimal *q, const float *values, int crowded, uint16_t *restrict codes, float *restrict below,
                                      float *restrict above)
{
    uint16_t bin[GW_OPTIMAL_BLOCK];
    gw_optimal_map map = q->map;
    for (int j = 0; j < GW_OPTIMAL_BLOCK; j++) bin[j] = (uint16_t)gw_optimal_bin(&map, values + j);
    for (int j = 0; j < GW_OPTIMAL_BLOCK; j += 2) {
        uint32_t at[2];
        for (int k = 0; k < 2; k++) {
            uint32_t code = q->start[bin[j + k]];
            if (crowded)
                while (values[j + k] < q->level[code]) code--;
            else code -= gw_bits_of(values[j + k] - q->level[code] + 0.0f) >> 31;       /* no branch, which would be a coin toss */
            at[k] = code;
        }
        uint32_t both = at[0] | at[1] << 16;
        uint64_t low = gw_bits_of(q->level[at[0]]) | (uint64_t)gw_bits_of(q->level[at[1]]) << 32;
        uint64_t high = gw_bits_of(q->above[at[0]]) | (uint64_t)gw_bits_of(q->above[at[1]]) << 32;
        memcpy(codes + j, &both, 4);
        memcpy(below + j, &low, 8);
        memcpy(above + j, &high, 8);
    }
}

/* One block, every value in the range of the levels. */
GW_INLINE void GW_AT(gw_optimal_block)(const gw_optimal *q, const float *values, uint32_t first, uint16_t *restrict codes)
{
    float below[GW_OPTIMAL_BLOCK], above[GW_OPTIMAL_BLOCK];
    if (q->crowded) GW_AT(gw_optimal_find)(q, values, 1, codes, below, above);
    else GW_AT(gw_optimal_find)(q, values, 0, codes, below, above);
    if (!q->stochastic) {
        for (int j = 0; j < GW_OPTIMAL_BLOCK; j++)
            codes[j] = (uint16_t)(codes[j] + ((double)above[j] - values[j] < (double)values[j] - below[j]));
        return;
    }
    for (int part = 0; part < GW_OPTIMAL_BLOCK; part += GW_RANDOM_BLOCK) {
        uint32_t random[GW_RANDOM_BLOCK];
        GW_AT(gw_random_block)(q->seed, first + (uint32_t)part, random);
        for (int j = 0; j < GW_RANDOM_BLOCK; j++) {
            double u = ((double)(int32_t)(random[j] >> 1) + 0.5) * 0x1p-31, low = below[part + j];
            codes[part + j] = (uint16_t)(codes[part + j] + (u * (above[part + j] - low) < values[part + j] - low));
        }
    }
}

static void GW_AT(gw_optimal_encode)(const gw_optimal *q, const float *values, int64_t n, int wide, uint8_t *out)
{
    int bits = wide ? 16 : q->bits;
    int64_t total = gw_packed_nbytes(n, bits);
    for (int64_t i = 0; i < n; i += GW_OPTIMAL_BLOCK) {
        uint16_t codes[GW_OPTIMAL_BLOCK];
        float last[GW_OPTIMAL_BLOCK];
        int64_t left = n - i < GW_OPTIMAL_BLOCK ? n - i : GW_OPTIMAL_BLOCK;
        const float *block = values + i;
        if (left < GW_OPTIMAL_BLOCK) {
            memcpy(last, block, (size_t)left * 4);
            for (int64_t j = left; j < GW_OPTIMAL_BLOCK; j++) last[j] = q->level[0];
            block = last;
        }
        GW_AT(gw_optimal_block)(q, block, (uint32_t)i, codes);
        GW_AT(gw_pack)(codes, left, bits, out + i / 8 * bits, total - i / 8 * bits);
    }
}

static void GW_AT(gw_optimal_decode)(const uint8_t *in, int64_t n, int bits, int wide, const float *levels, float *out)
{
    int width = wide ? 16 : bits;
    int64_t total = gw_packed_nbytes(n, width);
    for (int64_t i = 0; i < n; i += GW_PACK_BLOCK) {
        uint16_t codes[GW_PACK_BLOCK];
        int64_t left = n - i < GW_PACK_BLOCK ? n - i : GW_PACK_BLOCK;
        GW_AT(gw_unpack)(in + i / 8 * width, left, width, codes, total - i / 8 * width);
        for (int64_t j = 0; j < left; j++) out[i + j] = levels[codes[j]];
    }
}
