"""gk: the Greenwald–Khanna summary. Its rank error is at most ε, always, for any order of the items.

Greenwald, Khanna: Space-Efficient Online Computation of Quantile Summaries, SIGMOD 2001. Batches enter sorted, and tuples are
absorbed greedily, without the paper's bands. After `merge` the error stays at most ε of all items (every tuple keeps
g + Δ ≤ 2εn), but merging many small summaries keeps more tuples than one summary of the whole would: only its size is not
bounded by the paper. An update with as many items again brings it back.
"""

import struct

import numpy as np

from ..._ext import gk as _gk
from ...errors import ConfigError
from ..base import Sketch
from . import common

# magic, reserved, epsilon, count, tuples; then g and delta (u64) and values (float32) of all tuples, ascending
_HEADER = struct.Struct("<4sIdQQ")
_MAGIC = b"GRGK"


class GK(Sketch):
    """epsilon: greatest rank error as a fraction of all items, 0 < epsilon ≤ 0.5. Some 1/(2ε) tuples and a buffer."""

    name = "gk"
    summary = "deterministic, rank error at most epsilon, always"
    paper = "Greenwald, Khanna, SIGMOD 2001"
    arguments = ("epsilon",)

    def __init__(self, epsilon=0.001):
        if not isinstance(epsilon, int | float) or not 0 < epsilon <= 0.5:
            raise ConfigError(f"expected 0 < epsilon ≤ 0.5, got {epsilon!r}")
        self.epsilon = float(epsilon)
        self._core = _gk.GK(self.epsilon)

    def update(self, values):
        self._core.update(common.finite(values))
        return self

    def merge(self, other):
        """Both must have the same epsilon. The rank error stays within it; the size may add up (see above)."""
        common.refuse_other(self, other, "epsilon")
        self._core.merge(GK.from_bytes(bytes(other))._core if other is self else other._core)
        return self

    def prune(self):
        """Move the buffered items into the summary."""
        self._core.flush()
        return self

    def quantiles(self, fractions):
        fractions = common.questions(self, fractions)
        values, g, delta = self._core.state()
        greatest = np.cumsum(g) + delta
        wanted = common.wanted_ranks(fractions, self.count)
        # The last value whose greatest possible rank is not beyond `wanted` by more than half the widest g + Δ:
        # its least possible rank is then not below by more (Greenwald and Khanna, proposition 1).
        reach = wanted + (g + delta).max() / 2
        found = values[np.searchsorted(greatest, reach, side="right") - 1]
        return np.where(fractions == 0, values[0], found)

    def rank(self, value):
        common.refuse_empty(self)
        asked = common.finite(value)
        values, g, delta = self._core.state()
        least = np.concatenate([[0], np.cumsum(g)])
        greatest = np.append(least[1:] + delta - 1, self.count)
        at = np.searchsorted(values, asked, side="right")
        return common.like(value, (least[at] + greatest[at]) / (2 * self.count))

    @property
    def rank_error(self):
        return self.epsilon

    @property
    def count(self):
        return self._core.count

    def __len__(self):
        return self._core.retained

    def __bytes__(self):
        values, g, delta = self._core.state()
        head = _HEADER.pack(_MAGIC, 0, self.epsilon, self.count, len(values))
        return head + g.astype("<u8").tobytes() + delta.astype("<u8").tobytes() + values.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data):
        (reserved, epsilon, count, tuples), rest = common.unpack_header(_HEADER, _MAGIC, data)
        common.corrupt_unless(0 < epsilon <= 0.5 and reserved == 0 and count < common.MAX_COUNT, f"epsilon {epsilon}, count {count}")
        common.corrupt_unless(len(rest) == 20 * tuples, f"expected {20 * tuples} bytes of tuples, got {len(rest)}")
        g, delta = np.frombuffer(rest, "<u8", 2 * tuples).reshape(2, tuples)
        values = np.frombuffer(rest, "<f4", offset=16 * tuples).astype(np.float32)
        _check_tuples(values, g, delta, count, max(1, int(2 * epsilon * count)))
        sketch = cls(epsilon)
        sketch._core.restore(count, values, g.astype(np.int64), delta.astype(np.int64))
        return sketch

    def __repr__(self):
        return f"GK(epsilon={self.epsilon}, count={self.count})"


def _check_tuples(values, g, delta, count, limit):
    """The invariant, values and greatest ranks in order, both ends exact, and g that sum to count."""
    common.corrupt_unless(np.isfinite(values).all() and (values[1:] >= values[:-1]).all(), "expected ascending values")
    common.corrupt_unless(((g >= 1) & (g <= limit) & (delta < limit)).all() and (g + delta <= limit).all(), f"expected g + Δ ≤ {limit}")
    # Python integers: a hostile sum must not wrap.
    common.corrupt_unless(sum(g.tolist()) == count, f"expected g that sum to {count}")
    if count:
        greatest = np.cumsum(g) + delta
        exact = g[0] == 1 and delta[0] == 0 and delta[-1] == 0
        common.corrupt_unless(bool(exact) and (greatest[1:] >= greatest[:-1]).all(), "expected exact ends and ordered ranks")
