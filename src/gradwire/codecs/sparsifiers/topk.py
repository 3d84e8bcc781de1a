"""topk: keep the k entries of largest magnitude, exactly. It is biased; error feedback is the remedy."""

from dataclasses import dataclass
from fractions import Fraction

from ..._ext import topk as _topk
from ...errors import ConfigError
from ...gradient import Gradient
from ..base import Sparsifier

_RATIO = 0.01


@dataclass(frozen=True)
class TopK(Sparsifier):
    """Keeps the k largest |v|, the lowest keys at a tie; exact zeros are dropped even when fewer than k are left.

    ratio: k is ⌈ratio · fresh_nnz⌉, in exact decimal arithmetic, at least 1: the ratio counts against the entries of the fresh
    gradient, not against those that a residual adds. k: a fixed number instead of a ratio.
    """

    ratio: float = _RATIO
    k: int | None = None

    name = "topk"
    summary = "the k entries of largest magnitude, exactly"
    paper = ""

    def __post_init__(self):
        if isinstance(self.ratio, bool) or not isinstance(self.ratio, int | float) or not 0 < self.ratio <= 1:
            raise ConfigError(f"expected 0 < ratio ≤ 1, got {self.ratio!r}")
        if self.k is None:
            return
        if type(self.k) is not int or self.k < 1:
            raise ConfigError(f"expected an integer k ≥ 1, got {self.k!r}")
        if self.ratio != _RATIO:
            raise ConfigError(f"expected ratio or k, got both: {self.ratio!r} and {self.k!r}")

    def sparsify(self, gradient, step):
        keys, kept = _topk.largest(gradient.values, gradient.keys, self._k(gradient.fresh_nnz))
        return Gradient.trusted(kept, gradient.dim, keys, gradient.fresh_nnz)

    def _k(self, fresh_nnz):
        if self.k is not None:
            return self.k
        ratio = Fraction(str(float(self.ratio)))  # 0.07 · 100 is 7 here, not the 7.000000000000001 of floating point
        return max(1, -(-ratio.numerator * fresh_nnz // ratio.denominator))
