"""The Greenwald–Khanna summary's core. See gk.h; questions and bytes are in gradwire.codecs.sketches.gk."""

import numpy as np
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc

cdef extern from "gk.h" nogil:
    int GW_GK_BATCH
    ctypedef struct gw_gk_tuple:
        int64_t g
        int64_t delta
        uint32_t value
    ctypedef struct gw_gk:
        int64_t n
        int64_t size
        int64_t buffered
        gw_gk_tuple *tuples
    float gw_unorder(uint32_t)
    uint32_t gw_order(float)
    void gw_gk_init(gw_gk *, double)
    void gw_gk_free(gw_gk *)
    int gw_gk_update(gw_gk *, const float *, int64_t)
    int gw_gk_flush(gw_gk *)
    int gw_gk_merge(gw_gk *, const gw_gk *)
    int gw_gk_join(gw_gk *, const gw_gk_tuple *, int64_t, int64_t)

BATCH = GW_GK_BATCH


cdef class GK:
    """Tuples and buffer of one summary. Every method that adds items may raise MemoryError, after which the summary is empty."""

    cdef gw_gk s

    def __cinit__(self, double epsilon):
        gw_gk_init(&self.s, epsilon)

    def __dealloc__(self):
        gw_gk_free(&self.s)

    cdef _check(self, int failed):
        if failed:
            gw_gk_free(&self.s)
            raise MemoryError("no memory for the tuples of a GK summary")

    def update(self, const float[::1] values):
        """Add finite values."""
        cdef int failed
        if values.shape[0]:
            with nogil:
                failed = gw_gk_update(&self.s, &values[0], values.shape[0])
            self._check(failed)

    def merge(self, GK other):
        """Add what another summary of the same epsilon stands for."""
        self._check(gw_gk_merge(&self.s, &other.s))

    def flush(self):
        """Move buffered items into the summary."""
        self._check(gw_gk_flush(&self.s))

    @property
    def count(self):
        return self.s.n + self.s.buffered

    @property
    def retained(self):
        return self.s.size + self.s.buffered

    def state(self):
        """(values float32, g int64, delta int64), each (tuples,), in ascending order. Flushes first."""
        self.flush()
        cdef int64_t i
        values, g, delta = np.empty(self.s.size, np.float32), np.empty(self.s.size, np.int64), np.empty(self.s.size, np.int64)
        cdef float[::1] v = values
        cdef int64_t[::1] gs = g, deltas = delta
        for i in range(self.s.size):
            v[i] = gw_unorder(self.s.tuples[i].value)
            gs[i] = self.s.tuples[i].g
            deltas[i] = self.s.tuples[i].delta
        return values, g, delta

    def restore(self, int64_t count, const float[::1] values, const int64_t[::1] g, const int64_t[::1] delta):
        """Make an empty summary what `state` wrote: ascending values, g >= 1, delta >= 0, both within the limit for `count` items."""
        cdef int64_t i, n = values.shape[0]
        cdef gw_gk_tuple *tuples = <gw_gk_tuple *> malloc((n + 1) * sizeof(gw_gk_tuple))
        self._check(tuples == NULL)
        for i in range(n):
            tuples[i].value, tuples[i].g, tuples[i].delta = gw_order(values[i]), g[i], delta[i]
        cdef int failed = gw_gk_join(&self.s, tuples, n, count)
        free(tuples)
        self._check(failed)
