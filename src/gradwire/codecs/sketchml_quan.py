"""sketchml-quan: SketchML's values without its sketch and its keys, a step of the ablation in its Figure 8."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset
from .values.quantile import Quantile


@dataclass(frozen=True)
class SketchMLQuan(Preset):
    """nonzero + raw + quantile(buckets, center, signs, sketch, exact_tail)."""

    buckets: int = Quantile.buckets
    center: str = Quantile.center
    signs: str = Quantile.signs
    sketch: str = Quantile.sketch
    exact_tail: float = Quantile.exact_tail

    name = "sketchml-quan"
    summary = "quantile-bucket values, raw keys"
    paper = "SketchML, Jiang et al., SIGMOD 2018, Figure 8"

    def compose(self):
        names = ("buckets", "center", "signs", "sketch", "exact_tail")
        values = build("values", "quantile", {name: getattr(self, name) for name in names})
        return Composed(one("sparsifiers", "nonzero"), one("keys", "raw"), values, self.spec)
