"""How many entries a sparsifier keeps: the fields `ratio` and `k`, which topk, sampled_topk and randomk share."""

from dataclasses import dataclass
from fractions import Fraction

from ...errors import ConfigError
from ..base import Sparsifier

RATIO = 0.01


@dataclass(frozen=True)
class RatioOrK(Sparsifier):
    """ratio: ⌈ratio · entries⌉, in exact decimal arithmetic, at least 1. k: a fixed number instead of a ratio."""

    ratio: float = RATIO
    k: int | None = None

    def __post_init__(self):
        if isinstance(self.ratio, bool) or not isinstance(self.ratio, int | float) or not 0 < self.ratio <= 1:
            raise ConfigError(f"expected 0 < ratio ≤ 1, got {self.ratio!r}")
        if self.k is None:
            return
        if type(self.k) is not int or not 1 <= self.k <= 1 << 32:
            raise ConfigError(f"expected an integer k in 1 … 2³², got {self.k!r}")
        if self.ratio != RATIO:
            raise ConfigError(f"expected ratio or k, got both: {self.ratio!r} and {self.k!r}")

    def amount(self, entries):
        """k, or ⌈ratio · entries⌉ ≥ 1."""
        if self.k is not None:
            return self.k
        ratio = Fraction(str(float(self.ratio)))  # 0.07 · 100 is 7 here, not the 7.000000000000001 of floating point
        return max(1, -(-ratio.numerator * entries // ratio.denominator))
