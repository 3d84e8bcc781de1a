"""minmax: quantile bucket numbers in MinMaxSketches, hash tables with fewer cells than values.

SketchML: Jiang et al., SIGMOD 2018, sections 3.2 and 3.3; Huffman-coded cells: SKCompress, its extension in the VLDB Journal 2020.
Buckets (buckets.py) are counted from zero outwards, apart for either sign, and divided into groups of w = ⌈q / groups⌉ neighbours; a
group never spans zero. Each group's pairs go into one sketch of `rows` rows and ⌈col_ratio · pairs⌉ columns: insertion keeps the
smallest index that met in a cell, a query takes the largest over the rows. So an index is never larger than the true one, is off by less
than w, and no value changes sign.

There are at most `groups` groups over both signs because either sign's share of the q buckets is rounded to whole groups; within
a sign buckets have equal mass. Exact zeros are the innermost bucket of the positive side and stay zero.

Payload of `encode_grouped`, empty for no values, else:

    0   4  seed of the hash functions (minmax.h)
    4   4  N, buckets below zero
    8   4  P, other buckets; 1 ≤ N + P ≤ q
    12  4  0
    16  …  the buckets' values, float32: N from zero outwards, P from zero outwards; zeros up to a multiple of 8
    …      for each group, negative ones first, from zero outwards: rows · columns cells (no cells for a group of one bucket), either
           "fixed": in ⌈log₂(buckets of the group)⌉ bits each, packed as in bitpack.h, every group up to a whole byte
           "huffman": the cells of all groups as one list for entropy.py, whose alphabet is the most buckets that a group has

A cell that nothing met holds the group's last index. Published cells are whole bytes; packed, 32 buckets per group take 5 bits.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import minmax as _minmax
from ..._ext import sparse as _sparse
from ...errors import ConfigError, CorruptMessage, unknown
from .. import entropy
from ..grouped import Grouped, GroupedValueCoder
from . import buckets as _buckets

_HEAD = 16
CODINGS = ("fixed", "huffman")


class _Layout(NamedTuple):
    """The groups of a message, each int64 (groups,): how many buckets it has, and in how many bits their indexes fit."""

    widths: np.ndarray
    bits: np.ndarray


@dataclass(frozen=True)
class MinMax(GroupedValueCoder):
    """buckets: q, 2 · groups … 65536. rows: hash functions, 1 … 16. col_ratio: columns per pair, above 0, at most 16. groups: 2 … 255,
    over both signs. center, signs, sketch: as for `quantile`. coding: of the cells, "fixed" or "huffman".
    """

    buckets: int = 256
    rows: int = 2
    col_ratio: float = 0.3
    groups: int = 8
    center: str = "midpoint"
    signs: str = "joint"
    sketch: str = "kll(k=200)"
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
        if not isinstance(self.groups, int) or not 2 <= self.groups <= min(255, self.buckets // 2):
            raise ConfigError(f"expected groups in 2 … {min(255, self.buckets // 2)} for {self.buckets} buckets, got {self.groups!r}")
        if self.coding not in CODINGS:
            raise ConfigError(unknown("coding", self.coding, CODINGS))

    @property
    def max_groups(self):
        return self.groups

    def encode_grouped(self, values, keys, step):
        if len(values) == 0:
            return Grouped(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.uint8))
        found = _buckets.bucketize(values, self, step.private("quantile"), self.groups)
        negative, count = found.negative, len(found.centers)
        layout = self._layout(negative, count - negative)
        keys, indexes, sizes = _sparse.split(keys, found.codes, self._places(negative, count), len(layout.widths))
        columns = self._columns(sizes, layout)
        cells = np.repeat((layout.widths - 1).astype(self._cell), self.rows * columns)
        seed = step.private("minmax") & 0xFFFFFFFF
        _minmax.insert(keys, indexes.astype(self._cell, copy=False), sizes, columns, seed, self.rows, cells)
        head = np.zeros(_tables_nbytes(count), np.uint8)
        head[:_HEAD].view("<u4")[:] = seed, negative, count - negative, 0
        outwards = np.concatenate([found.centers[:negative][::-1], found.centers[negative:]])
        head[_HEAD : _HEAD + 4 * count].view("<f4")[:] = outwards
        return Grouped(keys, sizes, np.concatenate([head, self._coded(cells, self.rows * columns, layout)]))

    def decode_grouped(self, payload, keys, sizes, step):
        payload = np.frombuffer(payload, np.uint8)
        if len(keys) == 0 and len(payload) == 0:
            return np.empty(0, np.float32)
        seed, negative, positive = self._header(payload)
        centers = _buckets.read_centers(payload, _HEAD, negative + positive)
        if (centers[:negative] > 0).any() or (centers[negative:] < 0).any():
            raise CorruptMessage("minmax values: a bucket value is on the wrong side of zero")
        layout = self._layout(negative, positive)
        groups = len(layout.widths)
        if np.any(sizes[groups:]):
            raise CorruptMessage(f"minmax values: expected keys in {groups} groups, got sizes {np.asarray(sizes).tolist()}")
        sizes = np.concatenate([sizes[:groups], np.zeros(max(0, groups - len(sizes)), np.int64)])
        columns = self._columns(sizes, layout)
        cells = self._decoded(payload[_tables_nbytes(len(centers)) :], self.rows * columns, layout)
        values = np.empty(len(keys), np.float32)
        _minmax.query(keys, sizes, columns, seed, self.rows, cells, centers, layout.widths, values)
        return values

    def tables_nbytes(self, payload, nnz):
        if nnz == 0:
            return 0
        _, negative, positive = self._header(np.frombuffer(payload, np.uint8))
        return _tables_nbytes(negative + positive)

    def _header(self, payload):
        """(seed, buckets below zero, other buckets), such that `groups` groups are enough for them."""
        head = payload[:_HEAD].view("<u4").tolist() if len(payload) >= _HEAD else [0] * 4
        seed, negative, positive, reserved = head
        fits = 1 <= negative + positive <= self.buckets and len(self._layout(negative, positive).widths) <= self.groups
        if reserved or not fits:
            raise CorruptMessage(f"minmax values: expected a header with at most {self.buckets} buckets, got {head}")
        return seed, negative, positive

    @property
    def _width(self):
        """Buckets of a whole group."""
        return -(-self.buckets // self.groups)

    @cached_property
    def _cell(self):
        """dtype of cells in memory."""
        return np.dtype(np.uint8 if self._width <= 256 else np.uint16)

    def _layout(self, negative, positive):
        """Of this many buckets on either side of zero."""
        width = self._width
        widths = [min(width, side - at) for side in (negative, positive) for at in range(0, side, width)]
        return _Layout(np.array(widths, np.int64), np.array([(w - 1).bit_length() for w in widths], np.int64))

    def _places(self, negative, count):
        """uint32 (count,): group << 16 | index in it, for each bucket in ascending order."""
        outwards = np.arange(count, dtype=np.uint32)
        outwards[:negative] = outwards[:negative][::-1]
        outwards[negative:] -= negative
        group, index = np.divmod(outwards, np.uint32(self._width))
        group[negative:] += -(-negative // self._width)
        return group << 16 | index

    def _columns(self, sizes, layout):
        """int64 (groups,): columns of each group's sketch, 0 for no pairs or one bucket."""
        columns = [min(math.ceil(self.col_ratio * size), 2**32 - 1) for size in sizes.tolist()]
        return np.where(layout.widths > 1, np.array(columns, np.int64), 0)

    def _coded(self, cells, counts, layout):
        """uint8: the cells of all groups, counts (groups,) of them, as `coding` says."""
        if self.coding == "huffman":
            return entropy.encode(cells.astype(np.uint16), int(layout.widths.max()))
        packed = np.empty(_packed_nbytes(counts, layout.bits), np.uint8)
        _minmax.pack(cells, counts, layout.bits, packed)
        return packed

    def _decoded(self, coded, counts, layout):
        """The reverse: every cell below the width of its group."""
        count = int(counts.sum())
        if self.coding == "huffman":
            cells = entropy.decode(coded, count, int(layout.widths.max())).astype(self._cell)
        else:
            nbytes = _packed_nbytes(counts, layout.bits)
            if len(coded) != nbytes:
                raise CorruptMessage(f"minmax values: expected {nbytes} bytes of cells, got {len(coded)}")
            cells = np.empty(count, self._cell)
            _minmax.unpack(coded, counts, layout.bits, cells)
        if not _minmax.all_below(cells, counts, layout.widths):
            raise CorruptMessage(f"minmax values: expected cells below {layout.widths.tolist()}")
        return cells


def _packed_nbytes(counts, bits):
    return sum(_bitpack.packed_nbytes(*group) for group in zip(counts.tolist(), bits.tolist()))


def _tables_nbytes(count):
    return _buckets.padded(_HEAD + 4 * count)
