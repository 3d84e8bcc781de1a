"""MinMaxSketch: insertion and queries. See minmax.h for the hash functions and the layout of cells."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef extern from "minmax.h" nogil:
    void gw_minmax_insert(const uint32_t *, const uint16_t *, int64_t, const uint8_t *, const uint16_t *, uint32_t, int, const int64_t *,
                          const int64_t *, uint16_t *)
    void gw_minmax_query(const uint32_t *, int64_t, uint32_t, int, int64_t, const uint16_t *, uint16_t *)


def insert(const uint32_t[::1] keys, const uint16_t[::1] codes, const uint8_t[::1] bucket_group, const uint16_t[::1] bucket_index,
           uint32_t seed, int rows, const int64_t[::1] first, const int64_t[::1] columns, uint16_t[::1] cells):
    """Lower the cells of every pair to the index of its bucket. first, columns (groups,): where a group's cells begin, cells per row."""
    cdef int64_t n = keys.shape[0]
    if n:
        with nogil:
            gw_minmax_insert(&keys[0], &codes[0], n, &bucket_group[0], &bucket_index[0], seed, rows, &first[0], &columns[0], &cells[0])


def query(const uint32_t[::1] keys, uint32_t seed, int rows, int64_t columns, const uint16_t[::1] cells, uint16_t[::1] out):
    """out[i] = largest cell of keys[i] over the rows of one group of rows * columns cells."""
    cdef int64_t n = keys.shape[0]
    if cells.shape[0] != rows * columns or out.shape[0] < n:
        raise ValueError(f"expected {rows * columns} cells and room for {n} indexes, got {cells.shape[0]} and {out.shape[0]}")
    if n:
        with nogil:
            gw_minmax_query(&keys[0], n, seed, rows, columns, &cells[0], &out[0])
