"""The histogram sketch's core. See histogram.h; questions and bytes are in gradwire.codecs.sketches.histogram."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef extern from "simd.h":
    int gw_import_simd() except -1

cdef extern from "histogram.h" nogil:
    int GW_HIST_BUFFER
    ctypedef struct gw_hist_trie:
        int64_t nodes
        int64_t leaves
    ctypedef struct gw_hist:
        int64_t n
        int64_t buffered
        gw_hist_trie trie
        uint32_t min
        uint32_t max
        float *buffer
    float gw_unorder(uint32_t)
    uint32_t gw_order(float)
    void gw_hist_init(gw_hist *, double)
    void gw_hist_free(gw_hist *)
    int gw_hist_update(gw_hist *, const float *, int64_t)
    int gw_hist_flush(gw_hist *)
    int gw_hist_merge(gw_hist *, const gw_hist *)
    int gw_hist_prune(gw_hist *)
    int gw_hist_sort(gw_hist *)
    int64_t gw_hist_knots(const gw_hist *, uint32_t *, int64_t *, int64_t *)
    int64_t gw_hist_write(const gw_hist *, uint8_t *, int64_t *)
    int gw_hist_read(gw_hist *, int64_t, const uint8_t *, int64_t, const int64_t *)

gw_import_simd()

BUFFER = GW_HIST_BUFFER


cdef class Histogram:
    """Bins, nodes and buffer of one sketch. Every method that adds items may raise MemoryError, after which the sketch is empty."""

    cdef gw_hist s

    def __cinit__(self, double refine):
        gw_hist_init(&self.s, refine)

    def __dealloc__(self):
        gw_hist_free(&self.s)

    cdef _check(self, int failed):
        if failed < 0:
            gw_hist_free(&self.s)
            raise MemoryError("no memory for the bins of a histogram sketch")

    def update(self, const float[::1] values):
        """Add values. False, and nothing is added, if one is not finite."""
        cdef int failed = 0
        if values.shape[0]:
            with nogil:
                failed = gw_hist_update(&self.s, &values[0], values.shape[0])
            self._check(failed)
        return failed == 0

    def merge(self, Histogram other):
        """Add what another histogram of the same `refine` stands for."""
        self._check(gw_hist_merge(&self.s, &other.s))

    def flush(self):
        """Move buffered items into the bins."""
        self._check(gw_hist_flush(&self.s))

    def prune(self):
        """Close bins and cells that have become too small to be open."""
        self._check(gw_hist_prune(&self.s))

    @property
    def count(self):
        return self.s.n + self.s.buffered

    @property
    def binned(self):
        """How many items are in the bins; the others are buffered."""
        return self.s.n

    @property
    def nodes(self):
        """How many bins, and how many cells, are open."""
        return max(self.s.trie.nodes + self.s.trie.leaves - 2, 0)

    @property
    def range(self):
        """(least, greatest) item in the bins, which are not empty."""
        return gw_unorder(self.s.min), gw_unorder(self.s.max)

    def items(self):
        """float32: the buffered items in ascending order."""
        cdef int64_t i
        self._check(gw_hist_sort(&self.s))
        out = np.empty(self.s.buffered, np.float32)
        cdef float[::1] o = out
        for i in range(self.s.buffered):
            o[i] = self.s.buffer[i]
        return out

    def knots(self):
        """(edge uint32, low int64, slack int64) of histogram_knots.h. There are items, none of them buffered."""
        cdef int64_t n = gw_hist_knots(&self.s, NULL, NULL, NULL)
        edge, low, slack = np.empty(n, np.uint32), np.empty(n, np.int64), np.empty(n, np.int64)
        cdef uint32_t[::1] e = edge
        cdef int64_t[::1] l = low, s = slack
        gw_hist_knots(&self.s, &e[0], &l[0], &s[0])
        return edge, low, slack

    def write(self):
        """(levels int64 (4,), bytes uint8) of histogram_bytes.h."""
        levels = np.zeros(4, np.int64)
        cdef int64_t[::1] l = levels
        cdef int64_t n = gw_hist_write(&self.s, NULL, &l[0])
        out = np.empty(n, np.uint8)
        cdef uint8_t[::1] o = out
        if n:
            gw_hist_write(&self.s, &o[0], &l[0])
        return levels, out

    def read(self, int64_t n, float least, float most, const int64_t[::1] levels, const uint8_t[::1] data):
        """Make an empty sketch what `write` wrote, of n ≥ 1 items. False if the bytes are not that; then the sketch is of no use."""
        cdef int failed = 1
        if data.shape[0]:
            failed = gw_hist_read(&self.s, n, &data[0], data.shape[0], &levels[0])
            self._check(failed)
            self.s.min, self.s.max = gw_order(least), gw_order(most)
        return failed == 0
