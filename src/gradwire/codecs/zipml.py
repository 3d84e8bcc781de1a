"""zipml: uniform fixed-point values between the message's least and largest, raw keys."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class ZipML(Preset):
    """nonzero + raw + uniform(bits, rounding, coding): ZipML as the SketchML paper runs it."""

    bits: int = 16
    rounding: str = "nearest"
    coding: str = "fixed"

    name = "zipml"
    summary = "uniform fixed point between min and max, raw keys"
    paper = "Zhang et al., ICML 2017; as compared in Jiang et al. 2018, section 4.1"

    def compose(self):
        values = build("values", "uniform", {"bits": self.bits, "rounding": self.rounding, "coding": self.coding})
        return Composed(one("sparsifiers", "nonzero"), one("keys", "raw"), values, self.spec)
