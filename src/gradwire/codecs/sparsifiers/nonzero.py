"""nonzero: drop exact zeros. It loses nothing."""

from dataclasses import dataclass

from ..base import Sparsifier


@dataclass(frozen=True)
class NonZero(Sparsifier):
    """Keeps every entry that is not ±0; a dense gradient becomes a sparse one."""

    name = "nonzero"
    summary = "drop exact zeros"
    paper = ""
    unbiased = True

    def sparsify(self, gradient, step):
        return gradient.without_zeros()

    def omega(self, dim):
        return 0.0
