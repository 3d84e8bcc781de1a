"""natural: unbiased rounding to powers of two, 9 bits per value."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class Natural(Preset):
    """natural(bits, rounding) values; a sparse gradient's keys go through the key coder `keys`."""

    bits: int = 9
    rounding: str = "stochastic"
    keys: str = "adaptive"

    name = "natural"
    summary = "random rounding to powers of two, 9 bits per value"
    paper = "Natural Compression, Horváth et al. 2019 (arXiv 1905.10988)"

    def compose(self):
        values = build("values", "natural", {"bits": self.bits, "rounding": self.rounding})
        return Composed(None, one("keys", self.keys), values, self.spec)
