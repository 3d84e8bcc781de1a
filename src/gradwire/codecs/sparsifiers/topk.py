"""topk: keep the k entries of largest magnitude, exactly. It is biased; error feedback is the remedy."""

from dataclasses import dataclass

from ..._ext import topk as _topk
from ...gradient import Gradient
from .amount import RatioOrK


@dataclass(frozen=True)
class TopK(RatioOrK):
    """Keeps the k largest |v|, the lowest keys at a tie; exact zeros are dropped even when fewer than k are left.

    ratio: k is ⌈ratio · fresh_nnz⌉, in exact decimal arithmetic, at least 1: the ratio counts against the entries of the fresh
    gradient, not against those that a residual adds. k: a fixed number instead of a ratio.
    """

    name = "topk"
    summary = "the k entries of largest magnitude, exactly"
    paper = ""

    def sparsify(self, gradient, step):
        keys, kept = _topk.largest(gradient.values, gradient.keys, self.amount(gradient.fresh_nnz))
        return Gradient.trusted(kept, gradient.dim, keys, gradient.fresh_nnz)
