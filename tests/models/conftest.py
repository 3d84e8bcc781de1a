"""Fixture `csr`: a CSR of its own for the tests of models, random or given, and its dense float64 form."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest


@dataclass
class CSR:
    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray | None
    labels: np.ndarray
    n_features: int


def random_csr(n_rows, dim, max_row, *, ones=False, seed=0, regression=False):
    """Rows of 0 … max_row entries with distinct sorted indices below dim."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, min(max_row, dim) + 1, n_rows)
    rows = [np.sort(rng.choice(dim, size, replace=False)) for size in sizes]
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    indices = np.concatenate([np.empty(0), *rows]).astype(np.uint32)
    values = None if ones else rng.normal(size=len(indices)).astype(np.float32)
    labels = rng.normal(size=n_rows) if regression else rng.choice([-1.0, 1.0], n_rows)
    return CSR(indptr, indices, values, labels.astype(np.float32), dim)


def dense(data):
    """float64 (n_rows, n_features)."""
    x = np.zeros((len(data.labels), data.n_features))
    for row in range(len(x)):
        span = slice(data.indptr[row], data.indptr[row + 1])
        x[row, data.indices[span]] = 1.0 if data.values is None else data.values[span]
    return x


def touched(data, rows):
    """Keys of these rows."""
    spans = [data.indices[data.indptr[row] : data.indptr[row + 1]] for row in rows]
    return np.unique(np.concatenate([np.empty(0, np.uint32), *spans])).astype(np.uint32)


@pytest.fixture(scope="session")
def csr():
    return SimpleNamespace(CSR=CSR, random=random_csr, dense=dense, touched=touched)
