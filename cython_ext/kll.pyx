"""The KLL sketch's core. See kll.h; questions and bytes are in gradwire.codecs.sketches.kll."""

import numpy as np
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "kll.h" nogil:
    int GW_KLL_CHUNK
    int GW_KLL_LEVELS
    ctypedef struct gw_kll_level:
        uint32_t *items
        int64_t size
    ctypedef struct gw_kll:
        uint32_t k
        uint32_t min
        uint32_t max
        uint64_t seed
        uint64_t coins
        int64_t n
        int64_t retained
        int levels
        gw_kll_level level[60]
    float gw_unorder(uint32_t)
    uint32_t gw_order(float)
    void gw_kll_init(gw_kll *, uint32_t, uint64_t)
    void gw_kll_free(gw_kll *)
    int gw_kll_update(gw_kll *, const float *, int64_t)
    int gw_kll_merge(gw_kll *, const gw_kll *)
    int gw_kll_push(gw_kll *, int, const uint32_t *, int64_t)
    int gw_kll_prune(gw_kll *)

CHUNK = GW_KLL_CHUNK
MAX_LEVELS = GW_KLL_LEVELS


cdef class KLL:
    """Compactors of one sketch. Every method that adds items may raise MemoryError, after which the sketch is empty."""

    cdef gw_kll s

    def __cinit__(self, uint32_t k, uint64_t seed):
        gw_kll_init(&self.s, k, seed)

    def __dealloc__(self):
        gw_kll_free(&self.s)

    cdef _check(self, int failed):
        if failed:
            gw_kll_free(&self.s)
            raise MemoryError("no memory for the levels of a KLL sketch")

    def update(self, const float[::1] values):
        """Add finite values."""
        cdef int failed
        if values.shape[0]:
            with nogil:
                failed = gw_kll_update(&self.s, &values[0], values.shape[0])
            self._check(failed)

    def merge(self, KLL other):
        """Add the items of another sketch of the same k."""
        self._check(gw_kll_merge(&self.s, &other.s))

    def prune(self):
        """Compact every level that is above its capacity."""
        self._check(gw_kll_prune(&self.s))

    @property
    def count(self):
        return self.s.n

    @property
    def retained(self):
        return self.s.retained

    def state(self):
        """(coins tossed, min, max, sizes int64 (levels,), items float32 (retained,): those of level 0, then level 1, …)."""
        cdef int64_t h, i, at = 0
        sizes, items = np.empty(self.s.levels, np.int64), np.empty(self.s.retained, np.float32)
        cdef int64_t[::1] size = sizes
        cdef float[::1] out = items
        for h in range(self.s.levels):
            size[h] = self.s.level[h].size
            for i in range(self.s.level[h].size):
                out[at] = gw_unorder(self.s.level[h].items[i])
                at += 1
        return self.s.coins, gw_unorder(self.s.min), gw_unorder(self.s.max), sizes, items

    def restore(self, int64_t n, uint64_t coins, float least, float most, const int64_t[::1] sizes, const float[::1] items):
        """Make an empty sketch what `state` wrote. Levels above 0 are ordered, and sizes weighted by 2**level sum to n."""
        cdef int64_t h, i, at = 0
        ordered = np.empty(items.shape[0] + 1, np.uint32)
        cdef uint32_t[::1] u = ordered
        for i in range(items.shape[0]):
            u[i] = gw_order(items[i])
        for h in range(sizes.shape[0]):
            self._check(gw_kll_push(&self.s, <int>h, &u[at], sizes[h]))
            at += sizes[h]
        self.s.n, self.s.coins, self.s.min, self.s.max = n, coins, gw_order(least), gw_order(most)
