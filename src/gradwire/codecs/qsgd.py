"""qsgd: unbiased random rounding to multiples of the norm."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class QSGD(Preset):
    """dithering(levels, p, group_size, coding) values; a sparse gradient's keys go through the key coder `keys`. p = 2 is the paper's
    analysis, p = inf with a group_size of 512 what its experiments run.
    """

    levels: int = 127
    p: float = 2.0
    group_size: int = 0
    coding: str = "fixed"
    keys: str = "adaptive"

    name = "qsgd"
    summary = "random rounding to multiples of the norm, 8 bits per value"
    paper = "QSGD: Alistarh et al., NIPS 2017 (arXiv 1610.02132)"

    def compose(self):
        arguments = {"levels": self.levels, "p": self.p, "group_size": self.group_size, "coding": self.coding}
        return Composed(None, one("keys", self.keys), build("values", "dithering", arguments), self.spec)
