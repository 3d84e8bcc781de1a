"""fastsgd: reciprocal map, logarithmic quantisation and threshold filter for the values, bit-level adaptive delta keys."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class FastSGD(Preset):
    """bitflag + logquant(tau, base, rounding, scale, coding), whose filter drops pairs below base^−(tau − ½) of the largest value."""

    tau: int = 128
    base: float = 2**0.25
    rounding: str = "nearest"
    scale: str = "max"
    coding: str = "fixed"

    name = "fastsgd"
    summary = "log-quantised values with a threshold filter, bit-flag delta keys"
    paper = "FastSGD, Yang et al. 2021 (arXiv 2112.04291)"

    def compose(self):
        return Composed(None, one("keys", "bitflag"), self._values(), self.spec)

    def _values(self):
        names = ("tau", "base", "rounding", "scale", "coding")
        return build("values", "logquant", {name: getattr(self, name) for name in names})
