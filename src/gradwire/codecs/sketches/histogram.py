"""histogram: 2¹⁶ bins over the top 16 bits of a float, refined where many items are. The fastest sketch; deterministic, mergeable.

A float32 is read as an integer that orders alike. Its top 16 bits (sign, exponent, 7 bits of mantissa) name a bin. A bin that
comes to hold more than refine · n of n items is opened: later items count in one of 16 cells by their next 4 bits, a cell of more
than refine · n / 2 is opened to 16 smaller ones, and such a one to 256 single floats. Up to 16,384 items are kept as they are:
until then all answers are exact.

The guarantee, always, for any items in any batches and merges: every answer is within refine · n ranks (so rank_error is refine).
For what an opened bin or cell held before is never more than its limit at the time, and n only grows; a merge adds counts of which
each is within the limit of its part, and ⌊x⌋ + ⌊y⌋ ≤ ⌊x + y⌋. So the number of items ≤ x is known up to what is left unsorted in one
bin and two cells, opened before or not yet: an interval of at most (1 + ½ + ½) refine · n. `rank` answers its middle. `quantiles`
answers the last float of a bin or cell, or a single float: of two neighbours of these kinds the one whose interval reaches less far
from the wanted rank. Both intervals together span at most 2 refine · n beside the items that are equal to the upper one, so the
better one is at most refine · n away. One batch in a fresh sketch leaves nothing unsorted above a bin or cell: an answer is within
refine · n / 2 then.

An answer of `quantiles` is a float between the least and the greatest item, not always an item: its rank is the number of items
that are not larger. This is our own construction; the trie is that of q-digest (Shrivastava et al., SenSys 2004), cut to 16 + 4 +
4 + 8 bits and filled by batches.
"""

import struct

import numpy as np

from ..._ext import histogram as _histogram
from ..._ext import sparse as _sparse
from ...errors import ConfigError, DataError
from ..base import Sketch
from . import common

# magic, reserved, refine, count, least, greatest, entries of the four levels; then the counts (histogram_bytes.h), or for at
# most 16,384 items, none of the levels, the items themselves: ascending, float32
_HEADER = struct.Struct("<4sIdQffIIII")
_MAGIC = b"GHIS"


class Histogram(Sketch):
    """refine: greatest rank error as a fraction of all items, 0.0002 … 0.5; a bin with more than this fraction is refined.
    Once there are more than 16,384 items it takes 1.3 MB, 160 bytes for each open bin and 2 KB for each group of single floats.
    """

    name = "histogram"
    summary = "bins by the float's top 16 bits, refined where many items are; rank error at most refine, always"
    paper = ""
    arguments = ("refine",)

    def __init__(self, refine=0.001):
        if not isinstance(refine, int | float) or not 0.0002 <= refine <= 0.5:
            raise ConfigError(f"expected 0.0002 ≤ refine ≤ 0.5, got {refine!r}")
        self.refine = float(refine)
        self._core = _histogram.Histogram(self.refine)

    def update(self, values):
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(values, np.float32).reshape(-1)
        if not self._core.update(values):
            at = _sparse.first_nonfinite(values)
            raise DataError(f"expected finite float32 values, got {values[at]} at position {at}")
        return self

    def merge(self, other):
        """Both must have the same refine. The guarantee is that of one sketch that saw all items."""
        common.refuse_other(self, other, "refine")
        self._core.merge(Histogram.from_bytes(bytes(other))._core if other is self else other._core)
        return self

    def prune(self):
        """Put buffered items into the bins, if there are bins, and close those that hold no more than refine · n items now."""
        if self._core.binned:
            self._core.flush()
            self._core.prune()
        return self

    def quantiles(self, fractions):
        fractions = common.questions(self, fractions)
        if not self._core.binned:
            items = self._core.items()
            return common.quantiles_of(items, np.arange(1, len(items) + 1), fractions)
        self._core.flush()
        edge, low, slack = self._core.knots()
        wanted = common.wanted_ranks(fractions, self.count)
        # The two knots around the wanted rank, and how far from it the rank of either may be. The rank of a single float is a range.
        upper = np.searchsorted(2 * low + slack, 2 * wanted - 1, side="left")
        single = edge[upper] - edge[upper - 1] == 1
        ahead = np.where(single, (low + slack)[upper - 1] + 1, (low + slack)[upper]) - wanted
        error = np.maximum(ahead, wanted - low[upper])
        found = _floats(edge[np.where(error <= wanted - low[upper - 1], upper, upper - 1)])
        least, most = self._core.range
        return np.where(fractions == 0, np.float32(least), np.clip(found, least, most)).astype(np.float32)

    def rank(self, value):
        common.refuse_empty(self)
        values = common.finite(value)
        if not self._core.binned:
            items = self._core.items()
            return common.like(value, common.rank_of(items, np.arange(1, len(items) + 1), values))
        self._core.flush()
        edge, low, slack = self._core.knots()
        asked = _ordered(values)
        after = np.searchsorted(edge, asked, side="left").clip(max=len(edge) - 1)
        before = np.where(edge[after] > asked, after - 1, after).clip(min=0)
        found = (low[before] + (low + slack)[after]) / (2 * self.count)
        least, most = self._core.range
        return common.like(value, np.where(values < least, 0.0, np.where(values >= most, 1.0, found)))

    @property
    def rank_error(self):
        return self.refine

    @property
    def count(self):
        return self._core.count

    def __len__(self):
        """Items, counts of bins, cells and floats that are stored."""
        self.prune()
        return int(self._core.write()[0].sum()) if self._core.binned else self.count

    def __bytes__(self):
        """Prunes first."""
        self.prune()
        if not self._core.binned:
            return _HEADER.pack(_MAGIC, 0, self.refine, self.count, 0, 0, 0, 0, 0, 0) + self._core.items().astype("<f4").tobytes()
        levels, counts = self._core.write()
        return _HEADER.pack(_MAGIC, 0, self.refine, self.count, *self._core.range, *levels.tolist()) + counts.tobytes()

    @classmethod
    def from_bytes(cls, data):
        (reserved, refine, count, least, most, *levels), rest = common.unpack_header(_HEADER, _MAGIC, data)
        head_fits = 0.0002 <= refine <= 0.5 and count < common.MAX_COUNT and reserved == 0
        common.corrupt_unless(head_fits, f"refine {refine}, count {count}")
        sketch = cls(refine)
        if sum(levels) == 0:
            common.corrupt_unless(count <= _histogram.BUFFER and len(rest) == 4 * count and least == most == 0, f"expected {count} items")
            items = np.frombuffer(rest, "<f4").astype(np.float32)
            common.corrupt_unless(np.isfinite(items).all() and (items[1:] >= items[:-1]).all(), "expected finite, ascending items")
            return sketch.update(items)
        common.corrupt_unless(2 * sum(levels) <= len(rest) and count > 0, f"expected {sum(levels)} counts, got {len(rest)} bytes")
        common.corrupt_unless(bool(np.isfinite([least, most]).all()) and least <= most, f"expected a range, got {least} … {most}")
        read = sketch._core.read(count, least, most, np.array(levels, np.int64), np.frombuffer(rest, np.uint8))
        common.corrupt_unless(read, f"expected {sum(levels)} counts that sum to {count}, none above its limit")
        _check_range(sketch._core, *_ordered(np.array([least, most], np.float32)).tolist())
        return sketch

    def __repr__(self):
        return f"Histogram(refine={self.refine}, count={self.count})"


def _check_range(core, least, most):
    """The least and the greatest item must lie in the first and the last interval between knots that holds items."""
    edge, low, _ = core.knots()
    last = np.searchsorted(low, low[-1])
    common.corrupt_unless(int(edge[0]) < least and int(edge[last - 1]) < most <= int(edge[-1]), "expected items from least to greatest")


def _ordered(values):
    """order.h in NumPy: integers that compare like the floats, −0 as +0."""
    bits = (values + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | 0x80000000).astype(np.uint32)


def _floats(ordered):
    """The inverse. The integer of −0, which no item has, stands for the greatest float below 0."""
    ordered = np.where(ordered == 0x7FFFFFFF, np.uint32(0x7FFFFFFE), ordered)
    return np.where(ordered >> 31, ordered ^ 0x80000000, ~ordered).astype(np.uint32).view(np.float32)
