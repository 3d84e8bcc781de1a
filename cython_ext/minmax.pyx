"""MinMaxSketches of groups of pairs: insertion, queries, packed cells. See minmax.h for the hash functions and the layout of cells.

Pairs and cells stand group after group: group g has sizes[g] pairs and rows · columns[g] cells, both none or both some. cells is
uint8, or uint16 where a group may have more than 256 indexes.
"""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "bitpack.h" nogil:
    int64_t gw_packed_nbytes(int64_t, int)
    void gw_pack(const uint16_t *, int64_t, int, uint8_t *, int64_t)
    void gw_unpack(const uint8_t *, int64_t, int, uint16_t *, int64_t)

cdef extern from "minmax.h" nogil:
    int GW_MINMAX_ROWS
    void gw_minmax_insert(const uint32_t *, const void *, int64_t, uint32_t, int, uint32_t, int, void *)
    void gw_minmax_query(const uint32_t *, int64_t, uint32_t, int, uint32_t, int, const void *, const float *, float *)
    void gw_minmax_pack(const uint8_t *, int64_t, int, uint8_t *)
    void gw_minmax_unpack(const uint8_t *, int64_t, int, uint8_t *)

gw_import_simd()
MAX_ROWS = GW_MINMAX_ROWS

ctypedef fused cell_t:
    uint8_t
    uint16_t


def insert(const uint32_t[::1] keys, const cell_t[::1] indexes, const int64_t[::1] sizes, const int64_t[::1] columns, uint32_t seed,
           int rows, cell_t[::1] cells):
    """Lower the cells of keys[i] to indexes[i], in every group that has cells."""
    cdef int64_t g, pair = 0, cell = 0
    _check(keys.shape[0], sizes, columns, rows, cells.shape[0])
    if indexes.shape[0] != keys.shape[0]:
        raise ValueError(f"expected {keys.shape[0]} indexes, got {indexes.shape[0]}")
    with nogil:
        for g in range(sizes.shape[0]):
            if sizes[g] and columns[g]:
                gw_minmax_insert(&keys[pair], &indexes[pair], sizes[g], seed, rows, <uint32_t>columns[g], cell_t is uint16_t, &cells[cell])
            pair += sizes[g]
            cell += rows * columns[g]


def query(const uint32_t[::1] keys, const int64_t[::1] sizes, const int64_t[::1] columns, uint32_t seed, int rows,
          const cell_t[::1] cells, const float[::1] values, const int64_t[::1] widths, float[::1] out):
    """out[i] = the value of the largest cell of keys[i] over the rows of its group; its first value where the group has no cells.

    values: widths[g] of group 0, then of group 1, …; a group's cells are below widths[g] (see `unpack`).
    """
    cdef int64_t g, i, pair = 0, cell = 0, value = 0
    _check(keys.shape[0], sizes, columns, rows, cells.shape[0])
    if out.shape[0] < keys.shape[0] or widths.shape[0] != sizes.shape[0] or np.sum(widths) > values.shape[0]:
        raise ValueError(f"expected room for {keys.shape[0]} values and {sizes.shape[0]} widths, got {out.shape[0]} and {widths.shape[0]}")
    with nogil:
        for g in range(sizes.shape[0]):
            if sizes[g] and columns[g]:
                gw_minmax_query(&keys[pair], sizes[g], seed, rows, <uint32_t>columns[g], cell_t is uint16_t, &cells[cell], &values[value],
                                &out[pair])
            else:
                for i in range(pair, pair + sizes[g]):
                    out[i] = values[value]
            pair += sizes[g]
            cell += rows * columns[g]
            value += widths[g]


def pack(const cell_t[::1] cells, const int64_t[::1] counts, const int64_t[::1] bits, uint8_t[::1] out):
    """counts[g] cells of bits[g] ≥ 1 bits each, packed as in bitpack.h; each group begins at a whole byte."""
    cdef int64_t g, cell = 0, at = 0
    _check_packed(cells.shape[0], counts, bits, out.shape[0])
    with nogil:
        for g in range(counts.shape[0]):
            if counts[g]:
                if cell_t is uint8_t:
                    gw_minmax_pack(&cells[cell], counts[g], <int>bits[g], &out[at])
                else:
                    gw_pack(&cells[cell], counts[g], <int>bits[g], &out[at], out.shape[0] - at)
            cell += counts[g]
            at += gw_packed_nbytes(counts[g], <int>bits[g])


def unpack(const uint8_t[::1] packed, const int64_t[::1] counts, const int64_t[::1] bits, cell_t[::1] cells):
    """The reverse of `pack`."""
    cdef int64_t g, cell = 0, at = 0
    _check_packed(cells.shape[0], counts, bits, packed.shape[0])
    with nogil:
        for g in range(counts.shape[0]):
            if counts[g]:
                if cell_t is uint8_t:
                    gw_minmax_unpack(&packed[at], counts[g], <int>bits[g], &cells[cell])
                else:
                    gw_unpack(&packed[at], counts[g], <int>bits[g], &cells[cell], packed.shape[0] - at)
            cell += counts[g]
            at += gw_packed_nbytes(counts[g], <int>bits[g])


def all_below(const cell_t[::1] cells, const int64_t[::1] counts, const int64_t[::1] widths):
    """Whether all counts[g] cells of each group are below widths[g]."""
    cdef int64_t g, i, cell = 0
    cdef cell_t most
    if np.sum(counts) != cells.shape[0]:
        raise ValueError(f"expected {np.sum(counts)} cells, got {cells.shape[0]}")
    for g in range(counts.shape[0]):
        most = 0
        for i in range(cell, cell + counts[g]):
            most = cells[i] if cells[i] > most else most
        if counts[g] and most >= widths[g]:
            return False
        cell += counts[g]
    return True


cdef int _check(int64_t pairs, const int64_t[::1] sizes, const int64_t[::1] columns, int rows, int64_t cells) except -1:
    if not 1 <= rows <= GW_MINMAX_ROWS or np.max(columns, initial=0) >> 32:
        raise ValueError(f"expected at most {GW_MINMAX_ROWS} rows and fewer than 2**32 columns, got {rows} and {np.max(columns, initial=0)}")
    if columns.shape[0] != sizes.shape[0] or np.sum(sizes) != pairs or rows * np.sum(columns) != cells:
        raise ValueError(f"expected {np.sum(sizes)} pairs and {rows * np.sum(columns)} cells, got {pairs} and {cells}")
    return 0


cdef int _check_packed(int64_t cells, const int64_t[::1] counts, const int64_t[::1] bits, int64_t nbytes) except -1:
    cdef int64_t g, total = 0
    if bits.shape[0] != counts.shape[0] or np.sum(counts) != cells:
        raise ValueError(f"expected {np.sum(counts)} cells, got {cells}")
    for g in range(counts.shape[0]):
        if counts[g]:
            total += gw_packed_nbytes(counts[g], <int>bits[g])
    if total != nbytes:
        raise ValueError(f"expected {total} packed bytes, got {nbytes}")
    return 0
