"""What `powersgd` computes: which blocks are matrices worth two thin factors, orthonormal columns, products of factors. Plain NumPy.

A factor of k columns of length n is kept as k rows, float32 (k, n). Where all ranks must get the same bits from the same numbers
(`orthonormal`, `product`) nothing goes through BLAS, whose rounding differs between processors: element-wise operations, and sums in
NumPy's fixed order.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from .._ext import rows as _rows
from ..errors import IncompatibleError

DEPENDENT = 1e-7
"""A column whose part beside the columns before it is at most so much of it: float32 cannot tell it from a combination of them."""
_AT_ONCE = 1 << 15
"""Values of a product that are made at once, so that they stay in the cache."""
_VECTOR, _MATRIX = 1 << 13, 1 << 18
"""Multiplications of one call of BLAS, for one column and for several. For more OpenBLAS takes threads, and threads of ranks that share
cores wait for each other: with two ranks on two cores a step then took 15 to 30 times as long."""


class Matrix(NamedTuple):
    """`size` parameters from `start` on, as a matrix of rows × cols, row by row, zeros at its end; two factors of `columns` columns."""

    name: str
    start: int
    size: int
    rows: int
    cols: int
    columns: int

    def of(self, values):
        """float32 (rows, cols): its part of values, float32 (dim,); a view unless it is padded."""
        part = values[self.start : self.start + self.size]
        if self.size < self.rows * self.cols:
            padded = np.zeros(self.rows * self.cols, np.float32)
            padded[: self.size] = part
            part = padded
        return part.reshape(self.rows, self.cols)

    def put(self, values, p, q):
        """Its part of values = the product of p, float32 (columns, rows), and q, float32 (columns, cols)."""
        part = values[self.start : self.start + self.size]
        if self.size == self.rows * self.cols:
            product(p, q, part.reshape(self.rows, self.cols))
        else:
            padded = np.empty((self.rows, self.cols), np.float32)
            product(p, q, padded)
            part[:] = padded.ravel()[: self.size]


class Layout(NamedTuple):
    """Of `dim` parameters: the matrices, and the (start, stop) of what lies between them, `plain_size` values in all."""

    dim: int
    matrices: tuple[Matrix, ...]
    plain: tuple[tuple[int, int], ...]

    @property
    def plain_size(self):
        return sum(stop - start for start, stop in self.plain)

    def split(self, buffer, side):
        """[float32 (columns, n)], views: the factor of each matrix in `buffer`, where they lie one behind the other; n is the matrix'
        `side`, "rows" or "cols"."""
        found, at = [], 0
        for matrix in self.matrices:
            n = getattr(matrix, side)
            found.append(buffer[at : at + matrix.columns * n].reshape(matrix.columns, n))
            at += matrix.columns * n
        return found

    def size(self, side):
        """Values of all factors of that side."""
        return sum(matrix.columns * getattr(matrix, side) for matrix in self.matrices)

    def take_plain(self, values, out):
        """out, float32 (plain_size,), = what of `values` is in no matrix."""
        at = 0
        for start, stop in self.plain:
            out[at : at + stop - start] = values[start:stop]
            at += stop - start

    def put_plain(self, values, plain):
        """The reverse of take_plain."""
        at = 0
        for start, stop in self.plain:
            values[start:stop] = plain[at : at + stop - start]
            at += stop - start

    def key_of_plain(self, at):
        """The key of value `at` of what take_plain gives."""
        for start, stop in self.plain:
            if at < stop - start:
                return start + at
            at -= stop - start
        raise IndexError(at)


def layout(dim, blocks, columns, min_compression):
    """Layout of `dim` parameters in `blocks` (blocks.Block, in order, without gaps).

    A block of two or more dimensions is a matrix, its first by the product of the others. One flat block of everything is a square one,
    or nearly so. Matrices whose factors of min(columns, rows, cols) columns are not min_compression times smaller stay plain.
    IncompatibleError if the blocks do not cover dim.
    """
    at = [0, *(block.stop for block in blocks)]
    if at[:-1] != [block.start for block in blocks] or at[-1] != dim:
        raise IncompatibleError(f"powersgd: expected blocks without gaps for dim {dim}, got {', '.join(map(str, blocks)) or 'none'}")
    matrices, plain = [], []
    for block in blocks:
        shape = _square(dim) if len(blocks) == 1 and len(block.shape) == 1 else block.shape
        rows, cols = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (0, 0)
        k = min(columns, rows, cols)
        if k and rows * cols >= min_compression * k * (rows + cols):
            matrices.append(Matrix(block.name, block.start, block.size, rows, cols, k))
        elif plain and plain[-1][1] == block.start:
            plain[-1] = plain[-1][0], block.stop
        elif block.size:
            plain.append((block.start, block.stop))
    return Layout(dim, tuple(matrices), tuple(plain))


def _square(dim):
    rows = math.isqrt(dim - 1) + 1
    return rows, -(-dim // rows)


def orthonormal(factor, step, name):
    """float32 (k, n), k ≤ n: orthonormal columns, each within the span of those of `factor`, float32 (k, n), up to it.

    Modified Gram–Schmidt in float64, each column twice ("twice is enough": Giraud et al., Numer. Math. 101, 2005). A column that is
    DEPENDENT on those before it, as zeros are, says nothing: a random one, equal on all ranks, of `step` and `name`, stands in for it.
    """
    found = np.empty(factor.shape)
    for j, column in enumerate(factor.astype(np.float64)):
        rest = _beside(column, found[:j])
        for attempt in itertools.count() if rest is None else ():
            seed = step.shared(f"powersgd/{name}/{j}/{attempt}")
            rest = _beside(_rows.random32(seed, np.arange(factor.shape[1])) * 2.0**-31 - (1 - 2.0**-32), found[:j])
            if rest is not None:
                break
        found[j] = rest
    return found.astype(np.float32)


def _beside(column, before):
    """float64 (n,): the direction of `column` that is orthogonal to the orthonormal columns `before`; None if there is none."""
    least = DEPENDENT * _norm(column)
    for _ in range(2):
        for each in before:
            column = column - (each * column).sum() * each
    norm = _norm(column)
    return column / norm if norm > least else None


def _norm(column):
    return math.sqrt((column * column).sum())


def left_factor(matrix, q, out):
    """out, float32 (k, n), = (M · Qᵀ)ᵀ for M, float32 (n, m), and q, float32 (k, m)."""
    for rows in _few_rows(matrix, len(q)):
        np.matmul(q, matrix[rows].T, out=out[:, rows])


def right_factor(matrix, p, out):
    """out, float32 (k, m), = p · M for M, float32 (n, m), and p, float32 (k, n)."""
    out[:] = 0
    for rows in _few_rows(matrix, len(p)):
        out += p[:, rows] @ matrix[rows]


def _few_rows(matrix, columns):
    """Slices of rows for one call of BLAS each."""
    n, m = matrix.shape
    count = max(1, (_MATRIX if columns > 1 else _VECTOR) // (columns * m))
    return (slice(start, min(start + count, n)) for start in range(0, n, count))


def product(p, q, out):
    """out, float32 (n, m), = Σ_j p[j] ⊗ q[j] for p, float32 (k, n), and q, float32 (k, m); operations are rounded one by one."""
    rows = max(1, _AT_ONCE // out.shape[1])
    for start in range(0, len(out), rows):
        part, left = out[start : start + rows], p[:, start : start + rows, None]
        np.multiply(left[0], q[0], out=part)
        for each, right in zip(left[1:], q[1:]):
            part += each * right
