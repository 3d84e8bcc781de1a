"""Hashed features of text: file paths with their packages, and n-grams of words. text.h defines every feature and its id."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "text.h" nogil:
    ctypedef struct gw_path_about:
        uint64_t section, package
    int64_t gw_path_features(const uint8_t *, int64_t, int, uint32_t *, gw_path_about *)
    int64_t gw_word_features(const uint8_t *, int64_t, int, int, uint32_t *)
    uint64_t gw_text_hash(int, const uint8_t *, int64_t)
    int GW_TEXT_SECTION


def section_hash(const unsigned char[::1] name not None):
    """The hash of a section's name, as `paths` gives it."""
    return gw_text_hash(GW_TEXT_SECTION, &name[0] if name.shape[0] else NULL, name.shape[0])


def paths(const unsigned char[::1] text, const int64_t[::1] starts, const int64_t[::1] stops, int bits):
    """(indptr int64, indices uint32, sections uint64, packages uint64, bad) of the lines text[starts[i]:stops[i]] of a Contents list.

    bad: the number of the first line without path or package, up to which everything holds; else -1. ids are below 2^bits, 1 … 32.
    """
    cdef int64_t i, found, nnz = 0, bad = -1, n = starts.shape[0]
    cdef gw_path_about about
    indptr, sections, packages = np.zeros(n + 1, np.int64), np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    indices = np.empty(_total(text.shape[0], starts, stops, bits) + 2 * n, np.uint32)
    cdef int64_t[::1] p = indptr
    cdef uint64_t[::1] s = sections, g = packages
    cdef uint32_t[::1] k = indices
    with nogil:
        for i in range(n):
            found = gw_path_features(&text[starts[i]], stops[i] - starts[i], bits, &k[nnz], &about) if stops[i] > starts[i] else -1
            if found < 0:
                bad = i
                break
            nnz += found
            p[i + 1], s[i], g[i] = nnz, about.section, about.package
    return indptr, indices[:nnz], sections, packages, bad


def words(const unsigned char[::1] text, const int64_t[::1] starts, const int64_t[::1] stops, int longest, int bits):
    """(indptr int64, indices uint32) of the 1 … longest-grams of words of text[starts[i]:stops[i]]; ids are below 2^bits, 1 … 32."""
    cdef int64_t i, nnz = 0, n = starts.shape[0]
    if longest < 1:
        raise ValueError(f"expected n-grams of 1 word or more, got {longest}")
    indptr = np.zeros(n + 1, np.int64)
    indices = np.empty(longest * (_total(text.shape[0], starts, stops, bits) + n) + 1, np.uint32)
    cdef int64_t[::1] p = indptr
    cdef uint32_t[::1] k = indices
    with nogil:
        for i in range(n):
            if stops[i] > starts[i]:
                nnz += gw_word_features(&text[starts[i]], stops[i] - starts[i], longest, bits, &k[nnz])
            p[i + 1] = nnz
    return indptr, indices[:nnz].copy()


cdef int64_t _total(int64_t n, const int64_t[::1] starts, const int64_t[::1] stops, int bits) except -1:
    """Bytes of all texts together, once they are known to lie inside and `bits` is legal."""
    cdef int64_t i, total = 0
    if not 1 <= bits <= 32 or starts.shape[0] != stops.shape[0]:
        raise ValueError(f"expected 1 to 32 bits and a stop for every start, got {bits}, {starts.shape[0]} and {stops.shape[0]}")
    for i in range(starts.shape[0]):
        if not 0 <= starts[i] <= stops[i] <= n:
            raise ValueError(f"expected texts inside 0 … {n}, got {starts[i]} … {stops[i]}")
        total += stops[i] - starts[i]
    return total
