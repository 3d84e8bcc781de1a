"""exact: all items, sorted. The reference that the other sketches are measured against; its size grows with the stream."""

import struct

import numpy as np

from ..base import Sketch
from . import common

_HEADER = struct.Struct("<4sIQ")  # magic, reserved, count; then the items, ascending, float32
_MAGIC = b"GEXA"


class Exact(Sketch):
    """Every item. Rank error 0."""

    name = "exact"
    summary = "all items, sorted: the reference"
    paper = ""

    def __init__(self):
        self._sorted, self._fresh = np.empty(0, np.float32), []

    def update(self, values):
        # Adding 0 turns −0 into +0, and copies: the caller may reuse its array.
        self._fresh.append(common.finite(values) + np.float32(0))
        return self

    def merge(self, other):
        common.refuse_other(self, other)
        self._fresh = [*self._fresh, other._sorted, *other._fresh]
        return self

    def prune(self):
        """Sort the new items in. None is dropped."""
        if self._fresh:
            self._sorted, self._fresh = np.sort(np.concatenate([self._sorted, *self._fresh])), []
        return self

    def quantiles(self, fractions):
        fractions = common.questions(self, fractions)
        return common.quantiles_of(*self._ranked(), fractions)

    def rank(self, value):
        common.refuse_empty(self)
        return common.like(value, common.rank_of(*self._ranked(), common.finite(value)))

    def _ranked(self):
        self.prune()
        return self._sorted, np.arange(1, len(self._sorted) + 1)

    @property
    def rank_error(self):
        return 0.0

    @property
    def count(self):
        return len(self._sorted) + sum(len(part) for part in self._fresh)

    def __len__(self):
        return self.count

    def __bytes__(self):
        self.prune()
        return _HEADER.pack(_MAGIC, 0, self.count) + self._sorted.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data):
        (reserved, count), rest = common.unpack_header(_HEADER, _MAGIC, data)
        common.corrupt_unless(reserved == 0 and len(rest) == 4 * count, f"expected {4 * count} bytes of items, got {len(rest)}")
        items = np.frombuffer(rest, "<f4").astype(np.float32)
        common.corrupt_unless(np.isfinite(items).all() and (items[1:] >= items[:-1]).all(), "expected finite, ascending items")
        return cls().update(items)

    def __repr__(self):
        return f"Exact(count={self.count})"
