"""natural_dithering: unbiased random rounding to the norm times a power of two, 5 bits per value."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class NaturalDithering(Preset):
    """natural_dithering(levels, p, group_size, norm, coding) values; a sparse gradient's keys go through the key coder `keys`."""

    levels: int = 8
    p: float = 2.0
    group_size: int = 0
    norm: str = "fp32"
    coding: str = "fixed"
    keys: str = "adaptive"

    name = "natural_dithering"
    summary = "random rounding to the norm times a power of two, 5 bits per value"
    paper = "Natural Compression, Horváth et al. 2019 (arXiv 1905.10988)"

    def compose(self):
        names = ("levels", "p", "group_size", "norm", "coding")
        values = build("values", "natural_dithering", {name: getattr(self, name) for name in names})
        return Composed(None, one("keys", self.keys), values, self.spec)
