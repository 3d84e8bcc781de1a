/* MinMaxSketch (Jiang et al., SketchML, SIGMOD 2018): a hash table of small indexes, `rows` rows of `columns` cells for each group of
 * pairs. Insert keeps the smallest index that met in a cell, a query takes the largest cell over the rows; so the answer for an inserted
 * key is never above its index.
 *
 * Row `row` of the sketch `seed` puts a key in column floor(h * columns / 2^32), h = gw_random32(gw_minmax_row(seed, row), key).
 * Cell (group, row, column) is cells[first[group] + row * columns[group] + column]; columns are below 2^32.
 *
 *   gw_minmax_insert  pair i has key keys[i], and group and index of its bucket: bucket_group[codes[i]], bucket_index[codes[i]].
 *                     Cells hold at least the group's largest index at first. columns is at least 1 for every group that has pairs.
 *   gw_minmax_query   out[i] = largest cell of keys[i] over the rows of one group, whose cells begin at `cells`; columns >= 1
 */
#ifndef GW_MINMAX_H
#define GW_MINMAX_H
#include "random.h"

static inline uint64_t gw_minmax_row(uint32_t seed, int row)
{
    return (uint64_t)gw_random32(seed, 2 * (uint64_t)row) << 32 | gw_random32(seed, 2 * (uint64_t)row + 1);
}

static inline int64_t gw_minmax_column(uint64_t row_seed, uint32_t key, uint64_t columns)
{
    return (int64_t)(gw_random32(row_seed, key) * columns >> 32);
}

static void gw_minmax_insert(const uint32_t *keys, const uint16_t *codes, int64_t n, const uint8_t *bucket_group,
                             const uint16_t *bucket_index, uint32_t seed, int rows, const int64_t *first, const int64_t *columns,
                             uint16_t *cells)
{
    for (int row = 0; row < rows; row++) {
        uint64_t row_seed = gw_minmax_row(seed, row);
        for (int64_t i = 0; i < n; i++) {
            uint32_t group = bucket_group[codes[i]];
            uint16_t index = bucket_index[codes[i]];
            uint16_t *cell = cells + first[group] + row * columns[group] + gw_minmax_column(row_seed, keys[i], (uint64_t)columns[group]);
            *cell = index < *cell ? index : *cell;
        }
    }
}

static void gw_minmax_query(const uint32_t *keys, int64_t n, uint32_t seed, int rows, int64_t columns, const uint16_t *cells, uint16_t *out)
{
    for (int row = 0; row < rows; row++) {
        uint64_t row_seed = gw_minmax_row(seed, row);
        const uint16_t *of_row = cells + row * columns;
        for (int64_t i = 0; i < n; i++) {
            uint16_t cell = of_row[gw_minmax_column(row_seed, keys[i], (uint64_t)columns)];
            out[i] = row && out[i] > cell ? out[i] : cell;
        }
    }
}
#endif
