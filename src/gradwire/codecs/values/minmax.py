"""minmax: quantile bucket numbers in MinMaxSketches, hash tables with fewer cells than values.

SketchML: Jiang et al., SIGMOD 2018, sections 3.2 and 3.3; Huffman-coded cells: SKCompress, its extension in the VLDB Journal 2020.
Buckets (buckets.py) are counted from zero outwards, apart for either sign, and divided into groups of w = ⌈q / groups⌉ neighbours; a
group never spans zero. Each group's pairs go into one sketch of `rows` rows and ⌈col_ratio · pairs⌉ columns: insertion keeps the
smallest index that met in a cell, a query takes the largest over the rows. So an index is never larger than the true one, is off by less
than w, and no value changes sign.

There are at most `groups` groups over both signs because either sign's share of the buckets is rounded to whole groups; within
a sign buckets have equal mass. Exact zeros are the innermost bucket of the positive side and stay zero.

exact_tail (ours): the pairs of largest magnitude, chosen as `quantile` does, are one more group, whose values travel as they are. It
takes one of the q buckets: with it, q is one less than `buckets` in all of this.

Payload of `encode_grouped`, empty for no values, else:

    0   4  seed of the hash functions (minmax.h)
    4   4  N, buckets below zero
    8   4  P, other buckets; 1 ≤ N + P ≤ q
    12  4  E, number of exact values; 0 without exact_tail
    16  …  the buckets' values, float32: N from zero outwards, P from zero outwards; zeros up to a multiple of 8
    …  4E  the exact values, float32, in the order of their keys
    …      for each group, negative ones first, from zero outwards: rows · columns cells (no cells for a group of one bucket), either
           "fixed": in ⌈log₂(buckets of the group)⌉ bits each, packed as in bitpack.h, every group up to a whole byte
           "huffman": the cells of all groups as one list for entropy.py, whose alphabet is the most buckets that a group has

A cell that nothing met holds the group's last index. Published cells are whole bytes; packed, 32 buckets per group take 5 bits.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import minmax as _minmax
from ..._ext import quantile as _quantile
from ..._ext import sparse as _sparse
from ...errors import ConfigError, CorruptMessage
from ..grouped import Grouped, GroupedValueCoder
from . import buckets as _buckets
from . import minmax_cells as _cells
from .payload import flat

_HEAD = 16


@dataclass(frozen=True)
class MinMax(GroupedValueCoder):
    """buckets: q, 2 · groups … 65536. rows: hash functions, 1 … 16. col_ratio: columns per pair, above 0, at most 16. groups: 2 … 255,
    over both signs. center, signs, sketch, exact_tail: as for `quantile`. coding: of the cells, "fixed" or "huffman".
    """

    buckets: int = 256
    rows: int = 2
    col_ratio: float = 0.3
    groups: int = 8
    center: str = "midpoint"
    signs: str = "joint"
    sketch: str = "histogram"
    exact_tail: float = 0.0
    coding: str = "fixed"

    name = "minmax"
    summary = "quantile bucket numbers in MinMaxSketches, fewer cells than values"
    paper = "SketchML: Jiang et al., SIGMOD 2018"

    def __post_init__(self):
        _buckets.check_options(self)
        if not isinstance(self.rows, int) or not 1 <= self.rows <= _minmax.MAX_ROWS:
            raise ConfigError(f"expected rows in 1 … {_minmax.MAX_ROWS}, got {self.rows!r}")
        if not isinstance(self.col_ratio, int | float) or not 0 < self.col_ratio <= 16:
            raise ConfigError(f"expected 0 < col_ratio ≤ 16, got {self.col_ratio!r}")
        if not isinstance(self.groups, int) or not 2 <= self.groups <= min(254, self._most_buckets // 2):
            raise ConfigError(f"expected groups in 2 … {min(254, self._most_buckets // 2)} for {self.buckets} buckets, got {self.groups!r}")

    @property
    def max_groups(self):
        return self.groups + (self.exact_tail > 0)

    def encode_grouped(self, values, keys, step):
        values = flat(values)
        if len(values) == 0:
            return Grouped(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.uint8))
        cut, centers, codes, exact = self._bucketize(values, step)
        layout = self._layout(cut.negative, cut.count - cut.negative)
        places, groups = _cells.places(cut.negative, cut.count, self._width), len(layout.widths)
        if len(exact):
            places = np.append(places, np.uint32(groups << 16))
        keys, indexes, sizes = _sparse.split(keys, codes, places, groups + (len(exact) > 0))
        counts = _cells.columns(sizes[:groups], self.col_ratio, layout)
        sketched, seed = slice(len(keys) - len(exact)), step.private("minmax") & 0xFFFFFFFF
        cells = _cells.empty(self.rows * counts, layout)
        _minmax.insert(keys[sketched], indexes[sketched].astype(cells.dtype, copy=False), sizes[:groups], counts, seed, self.rows, cells)
        head = np.zeros(_tables_nbytes(cut.count), np.uint8)
        head[:_HEAD].view("<u4")[:] = seed, cut.negative, cut.count - cut.negative, len(exact)
        head[_HEAD : _HEAD + 4 * cut.count].view("<f4")[:] = centers
        coded = _cells.encode(cells, self.rows * counts, layout, self.coding)
        return Grouped(keys, sizes, np.concatenate([head, exact.view(np.uint8), coded]))

    def decode_grouped(self, payload, keys, sizes, step):
        payload, nnz = np.frombuffer(payload, np.uint8), len(keys)
        if nnz == 0 and len(payload) == 0:
            return np.empty(0, np.float32)
        seed, negative, positive, exact = self._header(payload)
        centers, at = _buckets.read_centers(payload, _HEAD, negative + positive), _tables_nbytes(negative + positive)
        if (centers[:negative] > 0).any() or (centers[negative:] < 0).any():
            raise CorruptMessage("minmax values: a bucket value is on the wrong side of zero")
        layout = self._layout(negative, positive)
        groups, expected = len(layout.widths), np.zeros(self.max_groups + 1, np.int64)
        expected[: len(sizes)] = sizes
        if expected[groups] != exact or expected[groups + 1 :].any():
            raise CorruptMessage(f"minmax values: expected keys in {groups} groups and {exact} of exact values, got {expected.tolist()}")
        values, sketched, sizes = np.empty(nnz, np.float32), slice(nnz - exact), expected[:groups]
        values[nnz - exact :] = _buckets.read_centers(payload, at, exact)
        counts = _cells.columns(sizes, self.col_ratio, layout)
        cells = _cells.decode(payload[at + 4 * exact :], self.rows * counts, layout, self.coding)
        _minmax.query(keys[sketched], sizes, counts, seed, self.rows, cells, centers, layout.widths, values)
        return values

    def tables_nbytes(self, payload, nnz):
        if nnz == 0:
            return 0
        _, negative, positive, _ = self._header(np.frombuffer(payload, np.uint8))
        return _tables_nbytes(negative + positive)

    def _bucketize(self, values, step):
        """(Cut, centers from zero outwards on either side, bucket of each value, exact values, whose bucket is the one after the last)."""
        bound, rest = _buckets.tail(values, self.exact_tail, self.name)
        cut = _buckets.cut(rest, self, step.private("quantile"), self._most_buckets, self.groups)
        codes = np.empty(len(values), np.uint8 if self.buckets <= 256 else np.uint16)
        _quantile.assign(values, cut.splits, codes)
        exact = np.empty(len(values) - len(rest), np.float32)
        _quantile.mark(values, bound, cut.count, codes, exact)
        members = codes[codes != cut.count] if len(exact) and self.center == "mean" else codes
        centers = _buckets.centers(cut, self.center, rest, members)
        return cut, np.concatenate([centers[: cut.negative][::-1], centers[cut.negative :]]), codes, exact

    def _header(self, payload):
        """(seed, buckets below zero, other buckets, exact values), such that `groups` groups are enough for the buckets."""
        head = payload[:_HEAD].view("<u4").tolist() if len(payload) >= _HEAD else [0] * 4
        seed, negative, positive, exact = head
        fits = 1 <= negative + positive <= self._most_buckets and len(self._layout(negative, positive).widths) <= self.groups
        if not fits or (exact and not self.exact_tail):
            raise CorruptMessage(f"minmax values: expected a header with at most {self._most_buckets} buckets, got {head}")
        return seed, negative, positive, exact

    @property
    def _most_buckets(self):
        return self.buckets - (self.exact_tail > 0)

    @property
    def _width(self):
        """Buckets of a whole group."""
        return -(-self._most_buckets // self.groups)

    def _layout(self, negative, positive):
        return _cells.layout(negative, positive, self._width)


def _tables_nbytes(count):
    return _buckets.padded(_HEAD + 4 * count)
