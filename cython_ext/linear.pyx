"""Linear models on CSR mini-batches. See linear.h for what each kernel computes and checks."""

import numpy as np
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from gradwire.errors import DataError

cdef extern from "linear.h" nogil:
    ctypedef struct gw_csr:
        const int64_t *indptr
        const uint32_t *indices
        const float *values
        const float *labels
        int64_t n_rows
        int64_t nnz
    int64_t gw_linear_count(const gw_csr *, const int64_t *, int64_t)
    int64_t gw_linear_evaluate(const gw_csr *, int64_t, int64_t, const float *, uint64_t, int, float *, double *)
    int64_t gw_linear_forward(const gw_csr *, const int64_t *, int64_t, const float *, uint64_t, int, uint32_t *, float *, double *)
    uint64_t *gw_linear_backward(const gw_csr *, const int64_t *, int64_t, const uint32_t *, const float *, int64_t, uint64_t,
                                 uint64_t *, uint64_t *)
    int64_t gw_sum_runs(const uint64_t *, int64_t, const float *, double, uint32_t *, float *)

LOGISTIC, HINGE, SQUARED = range(3)


cdef gw_csr _csr(const int64_t[::1] indptr, const uint32_t[::1] indices, const float[::1] values, const float[::1] labels) except *:
    """The C view of the arrays; DataError if their lengths do not fit together."""
    cdef gw_csr data
    if indptr.shape[0] != labels.shape[0] + 1:
        raise DataError(f"expected {labels.shape[0] + 1} row offsets for {labels.shape[0]} labels, got {indptr.shape[0]}")
    if values is not None and values.shape[0] != indices.shape[0]:
        raise DataError(f"expected {indices.shape[0]} values, one for each index, got {values.shape[0]}")
    data.indptr = &indptr[0]
    data.indices = &indices[0] if indices.shape[0] else NULL
    data.values = &values[0] if values is not None and values.shape[0] else NULL
    data.labels = &labels[0] if labels.shape[0] else NULL
    data.n_rows = labels.shape[0]
    data.nnz = indices.shape[0]
    return data


cdef _refuse(const gw_csr *data, int64_t row, uint64_t dim):
    """Raise the DataError that says why a kernel refused this row."""
    if not 0 <= row < data.n_rows:
        raise DataError(f"expected a row in 0 … {data.n_rows - 1}, got {row}")
    start, stop = data.indptr[row], data.indptr[row + 1]
    if not 0 <= start <= stop <= data.nnz:
        raise DataError(f"row {row}: expected increasing offsets up to {data.nnz}, got {start} … {stop}")
    raise DataError(f"row {row}: expected indices below the dimension {dim}, got {max([data.indices[i] for i in range(start, stop)])}")


def gradient(int loss, const float[::1] params, const int64_t[::1] indptr, const uint32_t[::1] indices, const float[::1] values,
             const float[::1] labels, const int64_t[::1] rows, double l2):
    """(keys, values, loss sum) of the mini-batch `rows`: the mean gradient + l2 · params at the keys that the batch touches.

    values None stands for all ones. Allocates 20 bytes for each entry of the batch, besides the result.
    """
    cdef gw_csr data = _csr(indptr, indices, values, labels)
    cdef int64_t batch = rows.shape[0], entries, runs = 0, bad
    cdef uint64_t dim = params.shape[0]
    cdef double loss_sum = 0
    cdef uint64_t *a
    cdef uint64_t *b
    cdef uint64_t *pairs
    cdef uint32_t *keys
    cdef float *coefficients
    cdef float *sums = NULL
    cdef uint32_t[::1] out_keys
    cdef float[::1] out_values
    if batch == 0:
        return np.empty(0, np.uint32), np.empty(0, np.float32), 0.0
    entries = gw_linear_count(&data, &rows[0], batch)
    if entries < 0:
        _refuse(&data, rows[-1 - entries], dim)
    # one block: two buffers of pairs, the keys in row order, a coefficient for each row
    a = <uint64_t *> malloc(entries * 20 + batch * 4)
    if a == NULL:
        raise MemoryError(f"cannot allocate {entries * 20 + batch * 4} bytes for a mini-batch of {entries} entries")
    b = a + entries
    keys = <uint32_t *> (b + entries)
    coefficients = <float *> (keys + entries)
    try:
        with nogil:
            bad = gw_linear_forward(&data, &rows[0], batch, &params[0], dim, loss, keys, coefficients, &loss_sum)
            if bad < 0:
                pairs = gw_linear_backward(&data, &rows[0], batch, keys, coefficients, entries, dim, a, b)
                sums = <float *> (a if pairs == b else b)  # the other buffer is free
                runs = gw_sum_runs(pairs, entries, &params[0], l2, keys, sums)
        if bad >= 0:
            _refuse(&data, bad, dim)
        out_keys, out_values = np.empty(runs, np.uint32), np.empty(runs, np.float32)
        if runs:
            memcpy(&out_keys[0], keys, runs * 4)
            memcpy(&out_values[0], sums, runs * 4)
    finally:
        free(a)
    return np.asarray(out_keys), np.asarray(out_values), loss_sum


def evaluate(int loss, const float[::1] params, const int64_t[::1] indptr, const uint32_t[::1] indices, const float[::1] values,
             const float[::1] labels, int64_t start, int64_t stop):
    """(loss sum, scores float32) of rows start … stop-1, start ≤ stop. values None stands for all ones."""
    cdef gw_csr data = _csr(indptr, indices, values, labels)
    cdef int64_t bad = -1
    cdef uint64_t dim = params.shape[0]
    cdef double loss_sum = 0
    scores = np.empty(stop - start, np.float32)
    cdef float[::1] s = scores
    if stop > start:
        with nogil:
            bad = gw_linear_evaluate(&data, start, stop, &params[0], dim, loss, &s[0], &loss_sum)
    if bad >= 0:
        _refuse(&data, bad, dim)
    return loss_sum, scores
