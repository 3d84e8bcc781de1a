"""nonzero: drop exact zeros. It loses nothing."""

from dataclasses import dataclass

from ..._ext import topk as _topk
from ...gradient import Gradient
from ..base import Sparsifier

SMALLEST = 1  # the integer view of the least positive float


@dataclass(frozen=True)
class NonZero(Sparsifier):
    """Keeps every entry that is not ±0; a dense gradient becomes a sparse one."""

    name = "nonzero"
    summary = "drop exact zeros"
    paper = ""
    unbiased = True

    def sparsify(self, gradient, step):
        keys, kept = _topk.at_least(gradient.values, gradient.keys, SMALLEST)
        return Gradient.trusted(kept, gradient.dim, keys, gradient.fresh_nnz)

    def omega(self, dim):
        return 0.0
