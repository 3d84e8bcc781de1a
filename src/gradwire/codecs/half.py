"""fp16 and bf16: the honest baselines. A dense gradient is 16 bits per value; a sparse one a raw key and 16 bits per value."""

from dataclasses import dataclass

from ..spec import one
from .base import Reduction
from .composed import Composed, Preset


@dataclass(frozen=True)
class Float16(Preset):
    """IEEE binary16, round to nearest even; overflow to the largest finite value."""

    name = "fp16"
    summary = "16-bit floats (IEEE half), raw keys if sparse"
    paper = ""
    reduction = Reduction.SUM

    def compose(self):
        return Composed(None, one("keys", "raw"), one("values", "fp16"), self.spec)


@dataclass(frozen=True)
class BFloat16(Preset):
    """bfloat16, round to nearest even; overflow to the largest finite value."""

    name = "bf16"
    summary = "16-bit floats (bfloat16), raw keys if sparse"
    paper = ""
    reduction = Reduction.SUM

    def compose(self):
        return Composed(None, one("keys", "raw"), one("values", "bf16"), self.spec)
