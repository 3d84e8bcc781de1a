"""sketchml: quantile-bucket values in grouped MinMaxSketches, byte-flag delta keys coded group by group."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset


@dataclass(frozen=True)
class SketchML(Preset):
    """nonzero + byteflag per group + minmax(buckets, rows, col_ratio, groups, center, sketch)."""

    buckets: int = 256
    rows: int = 2
    col_ratio: float = 0.3
    groups: int = 8
    center: str = "midpoint"
    sketch: str = "kll(k=200)"

    name = "sketchml"
    summary = "quantile buckets in MinMaxSketches, byte-flag delta keys"
    paper = "SketchML, Jiang et al., SIGMOD 2018"

    def compose(self):
        names = ("buckets", "rows", "col_ratio", "groups", "center", "sketch")
        values = build("values", "minmax", {name: getattr(self, name) for name in names})
        return Composed(one("sparsifiers", "nonzero"), one("keys", "byteflag"), values, self.spec)
