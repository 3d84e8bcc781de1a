"""zipml_optimal: rounding to the 2^bits levels that give the message's own values the least variance.

"Data-optimal encoding" of Zhang, Li, Kara, Alistarh, Liu, Zhang, "ZipML: Training Linear Models with End-to-End Low Precision", ICML 2017,
section 3: levels minimise Σ (b − x)(x − a) over the values x between neighbouring levels a ≤ x ≤ b, the variance of unbiased rounding.
The paper's exact dynamic programme takes O(levels · n²); its other way, merging adjacent intervals, is within a factor 2 of the optimum.
Here the optimum itself is found, faster: the costs satisfy the quadrangle inequality (used for this problem by Ben Basat et al.,
"Optimal and Near-Optimal Adaptive Vector Quantization", arXiv 2402.03158), so a search for a shortest path with a price on each
edge finds it (Aggarwal, Schieber, Tokuyama 1994). The optimum is exact for up to 1024 values; more are first gathered in a fine histogram.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import extent as _extent
from ..._ext import optimal as _optimal
from ...errors import ConfigError, CorruptMessage
from ..base import ValueCoder
from .payload import checked, count, flat, refuse_nonfinite

ROUNDINGS = ("stochastic", "nearest")


def optimal_levels(values, bits):
    """float32 (2^bits,): nondecreasing levels from the smallest to the largest of `values` (float32, finite); unused ones repeat the last.

    Up to 1024 values: the optimum. More: they are gathered in at most 16384 bins, on a logarithmic scale of 24 octaves below the largest
    magnitude (a bin is at most 0.4% of the value wide; all smaller values share one), each bin counts as one of its values, and the
    levels are the optimum over 1024 to 2048 of these, denser where levels belong. O(n) and about half a millisecond. DataError if a
    value is not finite.
    """
    values = flat(values)
    found = _extent.value_range(values)
    if found is None:
        refuse_nonfinite(ZipMLOptimal.name, values)
    if len(values) <= _optimal.EXACT:
        points, counts = np.unique(values + np.float32(0), return_counts=True)
        counts = counts.astype(np.uint32)
    else:
        points, (counts, scratch) = np.empty(_optimal.BINS, np.float32), np.empty((2, _optimal.BINS), np.uint32)
        bins = _optimal.histogram(values, *found, points, counts, scratch)
        points, counts = points[:bins], counts[:bins]
    levels = np.empty(1 << bits, np.float32)
    _optimal.levels(points, counts, np.empty(_optimal.SCRATCH, np.uint8), levels)
    return levels


@dataclass(frozen=True)
class ZipMLOptimal(ValueCoder):
    """2^bits levels made for the message, bits = 1 … 8; the smallest and the largest value are levels.

    rounding="stochastic" is unbiased between neighbouring levels; there is no ω below the trivial one of any two levels. "nearest" goes to
    the nearer of the same two levels, the lower one at a tie, so its squared error is at most the variance that the levels minimise.

    Payload: the levels (2^bits float32, the tables), then the codes in `bits` bits, packed least significant bit first.
    """

    bits: int = 8
    rounding: str = "stochastic"

    name = "zipml_optimal"
    summary = "levels of least variance for the data, 1 to 8 bits"
    paper = "Zhang et al., ZipML, ICML 2017"

    def __post_init__(self):
        if type(self.bits) is not int or not 1 <= self.bits <= 8:
            raise ConfigError(f"expected bits as an integer in 1 … 8, got {self.bits!r}")
        if self.rounding not in ROUNDINGS:
            raise ConfigError(f"expected rounding as one of {', '.join(ROUNDINGS)}, got {self.rounding!r}")

    @property
    def unbiased(self):
        return self.rounding == "stochastic"

    def tables_nbytes(self, payload, nnz):
        return 4 << self.bits

    def encode(self, values, keys, step):
        values = flat(values)
        levels, at = optimal_levels(values, self.bits), self.tables_nbytes(None, len(values))
        payload = np.empty(self._nbytes(len(values)), np.uint8)
        payload[:at] = levels.view(np.uint8)
        stochastic = self.rounding == "stochastic"
        _optimal.encode(values, levels, step.private("zipml_optimal") if stochastic else 0, stochastic, payload[at:])
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload, at = checked(self.name, payload, self._nbytes(nnz)), self.tables_nbytes(None, nnz)
        levels = payload[:at].view("<f4")
        if _extent.peak(levels) is None:
            raise CorruptMessage("zipml_optimal values: expected finite levels")
        values = np.empty(nnz, np.float32)
        _optimal.decode(payload[at:], levels, values)
        return values

    def _nbytes(self, nnz):
        return self.tables_nbytes(None, nnz) + _bitpack.packed_nbytes(nnz, self.bits)
