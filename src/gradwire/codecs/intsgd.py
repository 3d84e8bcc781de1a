"""intsgd: dense gradients as integers that an allreduce adds, scaled so that no sum wraps."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed
from .none import DensePreset


@dataclass(frozen=True)
class IntSGD(DensePreset):
    """integer(bits, rounding) values of a dense gradient. force: densify a sparse gradient above 2²⁶ too."""

    bits: int = 8
    rounding: str = "stochastic"
    force: bool = False

    name = "intsgd"
    summary = "random rounding to integers of 8, 16 or 32 bits, which an allreduce adds"
    paper = "IntSGD: Mishchenko et al., ICLR 2022 (arXiv 2102.08374)"

    def compose(self):
        return Composed(None, one("keys", "raw"), build("values", "integer", {"bits": self.bits, "rounding": self.rounding}), self.spec)
