"""sketchml-key: SketchML's keys with uncompressed values, a step of the ablation in its Figure 8. It loses nothing."""

from dataclasses import dataclass

from ..spec import one
from .composed import Composed, Preset


@dataclass(frozen=True)
class SketchMLKey(Preset):
    """nonzero + byteflag + fp32."""

    name = "sketchml-key"
    summary = "byte-flag delta keys, fp32 values"
    paper = "SketchML, Jiang et al., SIGMOD 2018, Figure 8"

    def compose(self):
        return Composed(one("sparsifiers", "nonzero"), one("keys", "byteflag"), one("values", "fp32"), self.spec)
