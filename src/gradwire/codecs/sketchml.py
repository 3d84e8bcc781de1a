"""sketchml: quantile-bucket values in grouped MinMaxSketches, byte-flag delta keys coded group by group."""

from dataclasses import dataclass

from ..spec import build, one
from .composed import Composed, Preset
from .values.minmax import MinMax


@dataclass(frozen=True)
class SketchML(Preset):
    """nonzero + byteflag per group + minmax(buckets, rows, col_ratio, groups, center, signs, sketch, exact_tail)."""

    buckets: int = MinMax.buckets
    rows: int = MinMax.rows
    col_ratio: float = MinMax.col_ratio
    groups: int = MinMax.groups
    center: str = MinMax.center
    signs: str = MinMax.signs
    sketch: str = MinMax.sketch
    exact_tail: float = MinMax.exact_tail

    name = "sketchml"
    summary = "quantile buckets in MinMaxSketches, byte-flag delta keys"
    paper = "SketchML, Jiang et al., SIGMOD 2018"

    def compose(self):
        return Composed(one("sparsifiers", "nonzero"), one("keys", "byteflag"), self._values("fixed"), self.spec)

    def _values(self, coding):
        names = ("buckets", "rows", "col_ratio", "groups", "center", "signs", "sketch", "exact_tail")
        return build("values", "minmax", {name: getattr(self, name) for name in names} | {"coding": coding})
