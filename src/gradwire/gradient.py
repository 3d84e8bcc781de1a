"""Gradient: float32 values with strictly increasing uint32 keys, or dense float32 values without keys."""

import itertools

import numpy as np

from ._ext import sparse as _sparse
from .errors import DataError, Diverged

MAX_DIM = 1 << 32


class Gradient:
    """One gradient vector of dimension `dim`.

    values: float32, shape (nnz,) beside keys, else (dim,). dim: 1 … 2³². keys: None (dense) or strictly increasing
    integers below dim, shape (nnz,), kept as uint32. fresh_nnz: entries of the gradient before a residual was added to it;
    a sparsifier's ratio counts against it (default: the number of values).

    Raises DataError (a ValueError) for a wrong shape, dtype, order or range. NaN and inf are refused later, by encode.
    The arrays are not copied when they already have the right type: treat them as read-only.
    """

    __slots__ = ("dim", "fresh_nnz", "keys", "values")

    def __init__(self, values, dim, keys=None, *, fresh_nnz=None):
        self.dim = _checked_dim(dim)
        self.values = _checked_values(values)
        self.keys = None if keys is None else checked_keys(keys, self.dim)
        expected = self.dim if keys is None else len(self.keys)
        if len(self.values) != expected:
            what = "a dense gradient has one value for each of its" if keys is None else "one value for each key:"
            raise DataError(f"{what} {expected}, got {len(self.values)} values")
        self.fresh_nnz = len(self.values) if fresh_nnz is None else int(fresh_nnz)

    @classmethod
    def trusted(cls, values, dim, keys=None, fresh_nnz=None):
        """The same without any check, for arrays that a kernel of ours has just made."""
        self = object.__new__(cls)
        self.values, self.dim, self.keys = values, dim, keys
        self.fresh_nnz = len(values) if fresh_nnz is None else fresh_nnz
        return self

    @property
    def nnz(self):
        """Number of values: stored entries of a sparse gradient, dim of a dense one."""
        return len(self.values)

    @property
    def is_dense(self):
        return self.keys is None

    def to_dense(self):
        """float32 (dim,): a new array for a sparse gradient, the values themselves for a dense one."""
        if self.keys is None:
            return self.values
        dense = np.zeros(self.dim, np.float32)
        dense[self.keys] = self.values
        return dense

    def to_sparse(self):
        """The same gradient with keys, exact zeros dropped; a sparse gradient is returned as it is."""
        if self.keys is not None:
            return self
        keys, values = _sparse.nonzero(self.values)
        return Gradient.trusted(values, self.dim, keys, self.fresh_nnz)

    def without_zeros(self):
        """A sparse gradient with the entries that are not ±0; fresh_nnz stays."""
        if self.keys is None:
            return self.to_sparse()
        kept = _sparse.drop_zeros(self.keys, self.values)
        return self if kept is None else Gradient.trusted(kept[1], self.dim, kept[0], self.fresh_nnz)

    def check_finite(self, rank):
        """Raise Diverged, a DataError, naming key and rank if a value is NaN or infinite."""
        at = _sparse.first_nonfinite(self.values)
        if at >= 0:
            key = at if self.keys is None else int(self.keys[at])
            raise Diverged(f"expected finite values, got {self.values[at]} at key {key} on rank {rank}")

    def __repr__(self):
        return f"Gradient(nnz={self.nnz}, dim={self.dim}, {'dense' if self.is_dense else 'sparse'})"


def cut(gradient, edges):
    """[(Gradient, first key)] of the ranges between `edges` that are not empty; keys count from the range's first, nothing is copied.

    edges: integers that rise from 0 to gradient.dim.
    """
    if not gradient.is_dense:
        inner = [edge for edge in edges if edge < MAX_DIM]
        places = np.searchsorted(gradient.keys, np.array(inner, np.uint32)).tolist() + [gradient.nnz] * (len(edges) - len(inner))
    parts = []
    for i, (first, last) in enumerate(itertools.pairwise(edges)):
        if first == last:
            continue
        if gradient.is_dense:
            part = Gradient.trusted(gradient.values[first:last], last - first)
        else:
            at = slice(places[i], places[i + 1])
            part = Gradient.trusted(gradient.values[at], last - first, gradient.keys[at] - np.uint32(first))
        parts.append((part, first))
    return parts


def joined(parts, dim):
    """Gradient of (Gradient, first key) pairs, in order: dense if all are and they cover dim, else sparse. What `cut` has cut apart."""
    if all(part.is_dense for part, _ in parts) and sum(part.dim for part, _ in parts) == dim:
        return Gradient.trusted(np.concatenate([part.values for part, _ in parts]), dim)
    sparse = [(part.to_sparse(), start) for part, start in parts]
    keys = np.concatenate([np.empty(0, np.uint32), *(part.keys + np.uint32(start) for part, start in sparse)])
    return Gradient.trusted(np.concatenate([np.empty(0, np.float32), *(part.values for part, _ in sparse)]), dim, keys)


def _checked_dim(dim):
    if not isinstance(dim, int | np.integer) or isinstance(dim, bool):
        raise DataError(f"expected an integer dim, got {dim!r}")
    if not 1 <= dim <= MAX_DIM:
        raise DataError(f"expected 1 ≤ dim ≤ 2³², got {dim}")
    return int(dim)


def _checked_values(values):
    if not isinstance(values, np.ndarray):
        values = np.asarray(values, dtype=np.float32)
    if values.ndim != 1:
        raise DataError(f"expected values of shape (nnz,), got shape {values.shape}")
    if values.dtype != np.float32:
        raise DataError(f"expected float32 values, got {values.dtype}; convert with .astype(numpy.float32)")
    return np.ascontiguousarray(values)


def checked_keys(keys, dim):
    """`keys` as contiguous uint32, copied only when they are not; DataError unless strictly increasing integers below dim."""
    keys = np.asarray(keys) if len(keys) else np.empty(0, np.uint32)
    if keys.ndim != 1:
        raise DataError(f"expected keys of shape (nnz,), got shape {keys.shape}")
    if keys.dtype.kind not in "iu":
        raise DataError(f"expected integer keys, got {keys.dtype}")
    if keys.dtype != np.uint32:
        if len(keys) and not 0 <= int(keys.min()) <= int(keys.max()) < dim:
            raise DataError(f"expected keys in 0 … {dim - 1}, got {int(keys.min())} … {int(keys.max())}")
        keys = keys.astype(np.uint32)
    keys = np.ascontiguousarray(keys)
    at = _sparse.first_unsorted(keys, dim)
    if at >= 0:
        before = f" after {keys[at - 1]}" if at else ""
        raise DataError(f"expected strictly increasing keys below dim {dim}, got key {keys[at]}{before} at position {at}")
    return keys
