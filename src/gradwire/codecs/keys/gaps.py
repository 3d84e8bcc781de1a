"""Gaps of strictly increasing keys, and what several key coders want to know of them before they are coded.

Gap 0 is the first key; gap j is key j minus key j-1 minus 1, so a run of consecutive keys has gaps of 0.
"""

from functools import cached_property

import numpy as np

from ..._ext import bitflag as _bitflag
from ..._ext import partitioned as _partitioned

SAMPLE_SLICES, SAMPLE_SLICE = 8, 256
UNLIMITED = 1 << 59
"""A limit for estimate_below that no size reaches, and whose bits an int64 holds."""


def gaps_of(keys):
    """uint32 (nnz,)."""
    gaps = np.empty(len(keys), np.uint32)
    gaps[:1] = keys[:1]
    np.subtract(keys[1:], keys[:-1], out=gaps[1:])
    gaps[1:] -= 1
    return gaps


class GapStatistics:
    """Figures of one message's keys, each found when it is first asked for and kept, for KeyCoder.estimate_below.

    keys: uint32 (nnz,), strictly increasing and below dim, nnz ≥ 1.
    """

    def __init__(self, keys, dim):
        self.keys, self.dim = keys, dim

    @cached_property
    def widths(self):
        """uint8 (nnz,): how many bits each gap has; 0 for a gap of 0."""
        return _partitioned.widths(self.keys)[0]

    @cached_property
    def width_counts(self):
        """int64 (33,): how many gaps have 0, 1, … 32 bits."""
        counts = np.empty(_bitflag.WIDTHS, np.int64)
        _bitflag.histogram(self.keys, self.dim, counts)
        return counts

    @cached_property
    def runs(self):
        """How many runs of consecutive keys there are; a key without neighbours is one."""
        return len(self.keys) - int(self.width_counts[0]) + (self.keys[0] == 0)

    @cached_property
    def run_zero_bits(self):
        """Bits of the Elias delta codes of the numbers left out before each run; before the first, of that number plus 1."""
        counts = self.width_counts.copy()
        first = int(self.keys[0])
        counts[first.bit_length()] -= 1
        return int(counts @ _DELTA_BITS) + delta_bits((first + 1).bit_length())

    @cached_property
    def sample(self):
        """GapStatistics of 2,048 of the gaps, 8 stretches of 256 evenly spread and joined; None if there are fewer than twice as many."""
        n = len(self.keys)
        if n < 2 * SAMPLE_SLICES * SAMPLE_SLICE:
            return None
        starts = 1 + np.arange(SAMPLE_SLICES) * (n - SAMPLE_SLICE - 1) // (SAMPLE_SLICES - 1)
        at = starts[:, None] + np.arange(-1, SAMPLE_SLICE)
        keys = np.diff(self.keys[at], axis=1).cumsum(dtype=np.uint32)  # stretches are disjoint: the sum stays below 2³²
        return GapStatistics(keys - np.uint32(1), min(1 << 32, int(keys[-1])))


def delta_bits(width):
    """Bits of the Elias delta code of a number of `width` ≥ 1 bits."""
    return width - 1 + 2 * width.bit_length() - 1


_DELTA_BITS = np.array([0, *map(delta_bits, range(1, _bitflag.WIDTHS))])
