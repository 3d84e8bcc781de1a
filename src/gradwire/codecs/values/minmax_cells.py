"""The groups of `minmax` and the cells of their sketches: where buckets go, how many cells there are, how they travel."""

import math
from typing import NamedTuple

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import minmax as _minmax
from ...errors import CorruptMessage
from .. import entropy as _entropy


class Layout(NamedTuple):
    """The groups of a message, each int64 (groups,): how many buckets it has, and in how many bits their indexes fit."""

    widths: np.ndarray
    bits: np.ndarray

    @property
    def cell(self):
        """dtype of cells in memory."""
        return np.dtype(np.uint8 if self.widths.max() <= 256 else np.uint16)


def layout(negative, positive, width):
    """Layout of so many buckets on either side of zero, at most `width` in a group."""
    widths = [min(width, side - at) for side in (negative, positive) for at in range(0, side, width)]
    return Layout(np.array(widths, np.int64), np.array([(w - 1).bit_length() for w in widths], np.int64))


def places(negative, count, width):
    """uint32 (count,): group << 16 | index in it, for each bucket in ascending order."""
    outwards = np.arange(count, dtype=np.uint32)
    outwards[:negative] = outwards[:negative][::-1]
    outwards[negative:] -= np.uint32(negative)
    group, index = np.divmod(outwards, np.uint32(width))
    group[negative:] += np.uint32(-(-negative // width))
    return group << 16 | index


def columns(sizes, ratio, layout):
    """int64 (groups,): columns of each group's sketch, 0 for no pairs or one bucket."""
    found = [min(math.ceil(ratio * size), 2**32 - 1) for size in sizes.tolist()]
    return np.where(layout.widths > 1, np.array(found, np.int64), 0)


def empty(counts, layout):
    """Cells that nothing has met: the last index of their group. counts: int64 (groups,)."""
    return np.repeat((layout.widths - 1).astype(layout.cell), counts)


def encode(cells, counts, layout, coding):
    """uint8: the cells of all groups."""
    if coding == "huffman":
        return _entropy.encode(cells.astype(np.uint16), int(layout.widths.max()))
    packed = np.empty(_nbytes(counts, layout), np.uint8)
    _minmax.pack(cells, counts, layout.bits, packed)
    return packed


def decode(coded, counts, layout, coding):
    """Cells, each below the width of its group, or CorruptMessage."""
    if coding == "huffman":
        cells = _entropy.decode(coded, int(counts.sum()), int(layout.widths.max())).astype(layout.cell)
    else:
        nbytes = _nbytes(counts, layout)
        if len(coded) != nbytes:
            raise CorruptMessage(f"minmax values: expected {nbytes} bytes of cells, got {len(coded)}")
        cells = np.empty(int(counts.sum()), layout.cell)
        _minmax.unpack(coded, counts, layout.bits, cells)
    if not _minmax.all_below(cells, counts, layout.widths):
        raise CorruptMessage(f"minmax values: expected cells below {layout.widths.tolist()}")
    return cells


def _nbytes(counts, layout):
    return sum(_bitpack.packed_nbytes(*group) for group in zip(counts.tolist(), layout.bits.tolist()))
