"""skcompress: quantile-bucket values in grouped MinMaxSketches with Huffman-coded cells, bit-flag delta keys coded group by group."""

from dataclasses import dataclass

from ..spec import one
from .composed import Composed
from .sketchml import SketchML


@dataclass(frozen=True)
class SKCompress(SketchML):
    """nonzero + bitflag per group + minmax(buckets, rows, col_ratio, groups, center, signs, sketch, exact_tail, coding=huffman)."""

    name = "skcompress"
    summary = "quantile buckets in MinMaxSketches with Huffman-coded cells, bit-flag delta keys"
    paper = "SKCompress, Jiang et al., VLDB Journal 2020"

    def compose(self):
        return Composed(one("sparsifiers", "nonzero"), one("keys", "bitflag"), self._values("huffman"), self.spec)
