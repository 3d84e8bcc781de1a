"""intsgd: dense gradients as integers that an allreduce adds, scaled so that no sum wraps."""

from dataclasses import dataclass

from ..spec import build, one
from .base import Reduction
from .composed import Composed, Preset
from .none import check_dense, densify


@dataclass(frozen=True)
class IntSGD(Preset):
    """integer(bits, rounding) values of a dense gradient. force: densify a sparse gradient above 2²⁶ too."""

    bits: int = 8
    rounding: str = "stochastic"
    force: bool = False

    name = "intsgd"
    summary = "random rounding to integers of 8, 16 or 32 bits, which an allreduce adds"
    paper = "IntSGD: Mishchenko et al., ICLR 2022 (arXiv 2102.08374)"
    reduction = Reduction.SUM

    def compose(self):
        return Composed(None, one("keys", "raw"), build("values", "integer", {"bits": self.bits, "rounding": self.rounding}), self.spec)

    def check_gradient(self, gradient):
        check_dense(gradient, self.force, self.name)

    def sparsify(self, gradient, step):
        return densify(gradient, self.force, self.name)

    def encode(self, gradient, step):
        return self.composed.encode(densify(gradient, self.force, self.name), step)
