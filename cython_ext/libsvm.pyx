"""Parser for svmlight / libsvm text. See libsvm.h for the grammar and for what the kernel reads and writes."""

import numpy as np
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "libsvm.h" nogil:
    ctypedef struct gw_svm_rows:
        float *labels
        int64_t *line_at
        int64_t *indptr
        uint32_t *indices
        float *values
        int64_t rows, nnz
        int all_ones
        int64_t error_at, error_key
    int gw_svm_parse(const char *, int64_t, uint64_t, int, gw_svm_rows *)
    int GW_SVM_PAD, GW_SVM_OK, GW_SVM_LABEL, GW_SVM_PAIR, GW_SVM_VALUE, GW_SVM_INFINITE, GW_SVM_RANGE, GW_SVM_TWICE

PAD = GW_SVM_PAD
OK, LABEL, PAIR, VALUE = GW_SVM_OK, GW_SVM_LABEL, GW_SVM_PAIR, GW_SVM_VALUE
INFINITE, RANGE, TWICE = GW_SVM_INFINITE, GW_SVM_RANGE, GW_SVM_TWICE


cdef class Parser:
    """Parses blocks of whole lines into arrays that it owns and reuses: what `parse` returns holds until the next call."""

    cdef uint64_t n_features
    cdef int zero_based
    cdef int64_t room
    cdef object arrays

    def __init__(self, uint64_t n_features, bint zero_based):
        self.n_features, self.zero_based, self.room = n_features, zero_based, -1

    def parse(self, const unsigned char[::1] text, int64_t n):
        """(error, error_at, error_key, labels, line_at, indptr, indices, values) of text[:n], whose last byte is a line end.

        Behind it `text` has PAD bytes or more, whatever they hold.
        error is OK or what libsvm.h says, at byte error_at (error_key: the index that stands twice); the rows before its line are
        returned. values is None when all are 1.
        """
        if n < 1 or n > text.shape[0] - GW_SVM_PAD or text[n - 1] != 10:
            raise ValueError(f"expected whole lines and {GW_SVM_PAD} bytes behind them")
        if n > self.room:
            self.arrays = (np.empty(n // 2 + 1, np.float32), np.empty(n // 2 + 1, np.int64), np.empty(n // 2 + 2, np.int64),
                           np.empty(n // 4 + 1, np.uint32), np.empty(n // 4 + 1, np.float32))
            self.room = n
        labels, line_at, indptr, indices, values = self.arrays
        cdef float[::1] y = labels
        cdef int64_t[::1] at = line_at
        cdef int64_t[::1] p = indptr
        cdef uint32_t[::1] k = indices
        cdef float[::1] v = values
        cdef gw_svm_rows out
        cdef int error
        out.labels, out.line_at, out.indptr, out.indices, out.values = &y[0], &at[0], &p[0], &k[0], &v[0]
        with nogil:
            error = gw_svm_parse(<const char *>&text[0], n, self.n_features, self.zero_based, &out)
        kept = None if out.all_ones else values[: out.nnz]
        rows = labels[: out.rows], line_at[: out.rows], indptr[: out.rows + 1], indices[: out.nnz], kept
        return error, out.error_at, out.error_key, *rows
