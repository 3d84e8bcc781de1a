"""adam-sparse: the papers' uncompressed baseline, nonzero pairs of a raw 32-bit key and a 32-bit float."""

from dataclasses import dataclass

from ..spec import one
from .composed import Composed, Preset


@dataclass(frozen=True)
class AdamSparse(Preset):
    """nonzero + raw + fp32: 8 bytes a pair (the SketchML paper counts 12: 4 + 8)."""

    name = "adam-sparse"
    summary = "uncompressed sparse pairs, 8 bytes each"
    paper = "SketchML's baseline, Jiang et al. 2018, section 4.1"

    def compose(self):
        return Composed(one("sparsifiers", "nonzero"), one("keys", "raw"), one("values", "fp32"), self.spec)
