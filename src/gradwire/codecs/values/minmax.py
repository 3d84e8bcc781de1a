"""minmax: quantile bucket numbers in MinMaxSketches, hash tables with fewer cells than values.

SketchML: Jiang et al., SIGMOD 2018, sections 3.2 and 3.3. Buckets (buckets.py) are counted from zero outwards, apart for either
sign, and divided into groups of w = ⌈q / groups⌉ neighbours; a group never spans zero. Each group's pairs go into one sketch of
`rows` rows and ⌈col_ratio · pairs⌉ columns: insertion keeps the smallest index that met in a cell, a query takes the largest over
the rows. So an index is never larger than the true one, is off by less than w, and no value changes sign. It does not entropy-code
the cells (SKCompress's Huffman codes).

There are at most `groups` groups over both signs because either sign's share of the q buckets is rounded to whole groups; within
a sign buckets have equal mass. Exact zeros are the innermost bucket of the positive side and stay zero.

Payload of `encode_grouped`, empty for no values, else:

    0   4  seed of the hash functions (minmax.h)
    4   4  N, buckets below zero
    8   4  P, other buckets; 1 ≤ N + P ≤ q
    12  4  0
    16  …  the buckets' values, float32: N from zero outwards, P from zero outwards; zeros up to a multiple of 8
    …      for each group, negative ones first, from zero outwards: rows · columns cells of ⌈log₂(buckets of the group)⌉ bits, packed
           as in bitpack.h, up to a whole byte (no cells for a group of one bucket)

A cell that nothing met holds the group's last index. Published cells are whole bytes; packed, 32 buckets per group take 5 bits.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import minmax as _minmax
from ..._ext import quantile as _quantile
from ...errors import ConfigError, CorruptMessage
from ..base import GroupedValueCoder
from . import buckets as _buckets

_HEAD = 16


class _Group(NamedTuple):
    """One group: the position of its first bucket value, and how many buckets it has."""

    first: int
    width: int

    @property
    def bits(self):
        return (self.width - 1).bit_length()


@dataclass(frozen=True)
class MinMax(GroupedValueCoder):
    """buckets: q, 2 · groups … 65536. rows: hash functions, 1 … 16. col_ratio: columns per pair, above 0, at most 16. groups: 2 … 255,
    over both signs. center, signs, sketch: as for `quantile`.
    """

    buckets: int = 256
    rows: int = 2
    col_ratio: float = 0.3
    groups: int = 8
    center: str = "midpoint"
    signs: str = "joint"
    sketch: str = "kll(k=200)"

    name = "minmax"
    summary = "quantile bucket numbers in MinMaxSketches, fewer cells than values"
    paper = "SketchML: Jiang et al., SIGMOD 2018"

    def __post_init__(self):
        _buckets.check_options(self)
        if not isinstance(self.rows, int) or not 1 <= self.rows <= 16:
            raise ConfigError(f"expected rows in 1 … 16, got {self.rows!r}")
        if not isinstance(self.col_ratio, int | float) or not 0 < self.col_ratio <= 16:
            raise ConfigError(f"expected 0 < col_ratio ≤ 16, got {self.col_ratio!r}")
        if not isinstance(self.groups, int) or not 2 <= self.groups <= min(255, self.buckets // 2):
            raise ConfigError(f"expected groups in 2 … {min(255, self.buckets // 2)} for {self.buckets} buckets, got {self.groups!r}")

    @property
    def max_groups(self):
        return self.groups

    def encode_grouped(self, values, keys, step):
        if len(values) == 0:
            return np.empty(0, np.uint8), np.empty(0, np.uint8)
        found = _buckets.bucketize(values, self, step.private("quantile"), self.groups)
        negative, count = found.negative, len(found.centers)
        groups = self._groups(negative, count - negative)
        bucket_group, bucket_index = _bucket_tables(groups, negative)
        group = bucket_group[found.codes]
        columns = self._columns(np.bincount(group, minlength=len(groups)))
        seed = step.private("minmax") & 0xFFFFFFFF
        first = np.concatenate([[0], np.cumsum(self.rows * columns)])
        cells = np.repeat(np.array([g.width - 1 for g in groups], np.uint16), self.rows * columns)
        _minmax.insert(keys, found.codes, bucket_group, bucket_index, seed, self.rows, first, columns, cells)
        head = np.zeros(_tables_nbytes(count), np.uint8)
        head[:_HEAD].view("<u4")[:] = seed, negative, count - negative, 0
        outwards = np.concatenate([found.centers[:negative][::-1], found.centers[negative:]])
        head[_HEAD : _HEAD + 4 * count].view("<f4")[:] = outwards
        packed = [_pack(cells[first[i] : first[i + 1]], g.bits) for i, g in enumerate(groups)]
        return group, np.concatenate([head, *packed])

    def decode_grouped(self, payload, keys, sizes, step):
        payload = np.frombuffer(payload, np.uint8)
        if len(keys) == 0 and len(payload) == 0:
            return np.empty(0, np.float32)
        seed, negative, positive = self._header(payload)
        centers = _buckets.read_centers(payload, _HEAD, negative + positive)
        if (centers[:negative] > 0).any() or (centers[negative:] < 0).any():
            raise CorruptMessage("minmax values: a bucket value is on the wrong side of zero")
        groups, sizes = self._groups(negative, positive), np.asarray(sizes)
        if sizes[len(groups) :].any():
            raise CorruptMessage(f"minmax values: expected keys in {len(groups)} groups, got sizes {sizes.tolist()}")
        columns = self._columns(sizes[: len(groups)]).tolist()
        nbytes = [_bitpack.packed_nbytes(self.rows * t, g.bits) for g, t in zip(groups, columns)]
        at = _tables_nbytes(len(centers))
        if len(payload) != at + sum(nbytes):
            raise CorruptMessage(f"minmax values: expected {sum(nbytes)} bytes of cells, got {len(payload) - at}")
        values, start = np.empty(len(keys), np.float32), 0
        for group, size, t, length in zip(groups, sizes.tolist(), columns, nbytes):
            stop, of_group = start + size, centers[group.first : group.first + group.width]
            indexes = self._query(payload[at : at + length], keys[start:stop], seed, t, group.bits)
            if not _quantile.lookup(indexes, of_group, values[start:stop]):
                raise CorruptMessage(f"minmax values: expected cells below {group.width}")
            start, at = stop, at + length
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
        fits = 1 <= negative + positive <= self.buckets and len(self._groups(negative, positive)) <= self.groups
        if reserved or not fits:
            raise CorruptMessage(f"minmax values: expected a header with at most {self.buckets} buckets, got {head}")
        return seed, negative, positive

    def _groups(self, negative, positive):
        """The groups of this many buckets on either side of zero."""
        width = -(-self.buckets // self.groups)
        sides = (0, negative), (negative, negative + positive)
        return [_Group(at, min(width, stop - at)) for start, stop in sides for at in range(start, stop, width)]

    def _columns(self, sizes):
        """int64: columns of each group's sketch, 0 for no pairs."""
        return np.array([math.ceil(self.col_ratio * size) for size in sizes.tolist()], np.int64)

    def _query(self, packed, keys, seed, columns, bits):
        """uint16: the index that the packed sketch answers for each key."""
        indexes = np.zeros(len(keys), np.uint16)
        if bits and len(keys):
            cells = np.empty(self.rows * columns, np.uint16)
            _bitpack.unpack(packed, len(cells), bits, cells)
            _minmax.query(keys, seed, self.rows, columns, cells, indexes)
        return indexes


def _bucket_tables(groups, negative):
    """uint8 group and uint16 index in it, for each bucket in ascending order."""
    group = np.repeat(np.arange(len(groups), dtype=np.uint8), [g.width for g in groups])
    index = np.concatenate([np.arange(g.width, dtype=np.uint16) for g in groups])
    return tuple(np.concatenate([outwards[:negative][::-1], outwards[negative:]]) for outwards in (group, index))


def _pack(cells, bits):
    out = np.empty(_bitpack.packed_nbytes(len(cells), bits), np.uint8)
    if bits:
        _bitpack.pack(cells, bits, out)
    return out


def _tables_nbytes(count):
    return _buckets.padded(_HEAD + 4 * count)
