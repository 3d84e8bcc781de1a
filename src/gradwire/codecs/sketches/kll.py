"""kll: the Karnin–Lang–Liberty sketch. Small, fast, mergeable; right with high probability.

Karnin, Lang, Liberty: Optimal Quantile Approximation in Streams, FOCS 2016; capacities as in Apache DataSketches.
It is for float32 items only and does not read DataSketches' own bytes.
"""

import struct

import numpy as np

from ..._ext import kll as _kll
from ...errors import ConfigError
from ..base import Sketch
from . import common

# magic, k, seed, coins, count, min, max, levels, reserved; then u32 sizes of the levels, then the items, level 0 first, float32
_HEADER = struct.Struct("<4sIQQQffII")
_MAGIC = b"GKLL"


class KLL(Sketch):
    """About 3k items at most. k: accuracy, 8 … 65535. seed: 64 bits that decide the coins; equal seed and input, equal sketch."""

    name = "kll"
    summary = "randomised, mergeable, rank error 1.65% at 99% confidence for k = 200"
    paper = "Karnin, Lang, Liberty, FOCS 2016"
    arguments = ("k", "seed")

    def __init__(self, k=200, seed=0):
        if not isinstance(k, int) or not 8 <= k <= 65535:
            raise ConfigError(f"expected an integer k in 8 … 65535, got {k!r}")
        if not isinstance(seed, int) or not 0 <= seed < 1 << 64:
            raise ConfigError(f"expected an integer seed in 0 … 2⁶⁴ − 1, got {seed!r}")
        self.k, self.seed = k, seed
        self._core = _kll.KLL(k, seed)

    def update(self, values):
        self._core.update(common.finite(values))
        return self

    def merge(self, other):
        """Both must have the same k. The guarantee is that of one sketch that saw all items."""
        common.refuse_other(self, other, "k")
        self._core.merge(KLL.from_bytes(bytes(other))._core if other is self else other._core)
        return self

    def prune(self):
        """Bring every level, not only their sum, down to its capacity."""
        self._core.prune()
        return self

    def quantiles(self, fractions):
        fractions = common.questions(self, fractions)
        least, most, items, ranks = self._weighted()
        found = common.quantiles_of(items, ranks, fractions)
        return np.where(fractions == 0, least, np.where(fractions == 1, most, found)).astype(np.float32)

    def rank(self, value):
        common.refuse_empty(self)
        values = common.finite(value)
        least, most, items, ranks = self._weighted()
        found = common.rank_of(items, ranks, values)
        return common.like(value, np.where(values < least, 0.0, np.where(values >= most, 1.0, found)))

    def _weighted(self):
        """min, max, and the items in order, each with how many it and those before it stand for."""
        _, least, most, sizes, items = self._core.state()
        order = np.argsort(items, kind="stable")
        weights = np.repeat(np.int64(1) << np.arange(len(sizes)), sizes)
        return least, most, items[order], np.cumsum(weights[order])

    @property
    def rank_error(self):
        """At 99% confidence, for both ends of an interval together: DataSketches' fit to its measurements, 1.65% for k = 200."""
        return 2.446 / self.k**0.9433

    @property
    def count(self):
        return self._core.count

    def __len__(self):
        return self._core.retained

    def __bytes__(self):
        coins, least, most, sizes, items = self._core.state()
        least, most = (least, most) if self.count else (0.0, 0.0)
        head = _HEADER.pack(_MAGIC, self.k, self.seed, coins, self.count, least, most, len(sizes), 0)
        return head + sizes.astype("<u4").tobytes() + items.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data):
        (k, seed, coins, count, least, most, levels, reserved), rest = common.unpack_header(_HEADER, _MAGIC, data)
        common.corrupt_unless(8 <= k <= 65535 and 1 <= levels <= _kll.MAX_LEVELS - 1 and reserved == 0, f"k {k}, {levels} levels")
        common.corrupt_unless(len(rest) >= 4 * levels, f"expected {levels} sizes, got {len(rest)} bytes")
        sizes = np.frombuffer(rest, "<u4", levels).astype(np.int64)
        common.corrupt_unless(len(rest) == 4 * (levels + int(sizes.sum())), f"expected {int(sizes.sum())} items, got {len(rest)} bytes")
        total = sum(size << level for level, size in enumerate(sizes.tolist()))
        common.corrupt_unless(total == count < common.MAX_COUNT, f"expected a count of {total}, got {count}")
        items = np.frombuffer(rest, "<f4", offset=4 * levels).astype(np.float32)
        _check_items(items, sizes, least, most)
        sketch = cls(k, seed)
        sketch._core.restore(count, coins, least, most, sizes, items)
        return sketch

    def __repr__(self):
        return f"KLL(k={self.k}, seed={self.seed}, count={self.count})"


def _check_items(items, sizes, least, most):
    """Finite, between min and max, every level above 0 in order."""
    finite = np.isfinite(items).all() and np.isfinite([least, most]).all()
    inside = len(items) == 0 or least <= items.min() <= items.max() <= most
    common.corrupt_unless(finite and inside, f"expected items in {least} … {most}")
    level = np.repeat(np.arange(len(sizes)), sizes)
    falls = (items[1:] < items[:-1]) & (level[1:] == level[:-1]) & (level[1:] > 0)
    common.corrupt_unless(not falls.any(), "expected ordered levels")
