"""randomk: keep q random coordinates, scaled so that the mean stays.

S^q of Horváth et al., "Natural Compression for Distributed Deep Learning", arXiv 1905.10988: unbiased, ω = dim/q − 1. With
scale="none" it is the random-k of Stich, Cordonnier, Jaggi, "Sparsified SGD with Memory", NeurIPS 2018, which needs error feedback.
"""

from dataclasses import dataclass

from ..._ext import randomk as _randomk
from ...errors import ConfigError, IncompatibleError
from ...gradient import Gradient
from .amount import RatioOrK

SCALES = ("unbiased", "none")
MAX_SHARED = 1 << 26


@dataclass(frozen=True)
class RandomK(RatioOrK):
    """Keeps q entries, every set of q equally likely; exact zeros among them are not sent.

    shared=False: every rank draws its own (the step's private stream), among its entries: all dim of a dense gradient, the nnz stored
    ones of a sparse one. q is min(k, nnz) or ⌈ratio · fresh_nnz⌉ ≤ nnz, the factor nnz/q.
    shared=True: all ranks draw the same (the step's shared stream), among all dim coordinates, of a sparse gradient too. q is
    min(k, dim) or ⌈ratio · dim⌉, the factor dim/q. The receiver knows the coordinates from the step, so no keys travel but all q
    values do, and with values that add (fp32, fp16, bf16) MPI can sum them. Value coders that drop or group values get keys. A q
    above 2²⁶ is refused: a ratio of a large dim is much for a sparse gradient; k is the remedy.

    scale="unbiased": kept values are multiplied by that factor (beyond float32's range they become its largest number, which is
    biased). scale="none": they stay as they are; biased, and never larger than the gradient. Costs O(nnz + q).

    ω = dim/q − 1 of a dense gradient and with k; with a private ratio the claim is 1/ratio − 1, which holds for every nnz of a
    gradient without residual.
    """

    shared: bool = False
    scale: str = "unbiased"

    name = "randomk"
    summary = "q random coordinates, scaled to be unbiased; the same on all ranks if shared"
    paper = "Horváth et al. 2019 (arXiv 1905.10988), S^q; Stich et al. 2018 (arXiv 1809.07599)"

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.shared, bool):
            raise ConfigError(f"expected shared=true or shared=false, got {self.shared!r}")
        if self.scale is None:  # the word none of a specification
            object.__setattr__(self, "scale", "none")
        if self.scale not in SCALES:
            raise ConfigError(f"expected scale as one of {', '.join(SCALES)}, got {self.scale!r}")

    @property
    def unbiased(self):
        return self.scale == "unbiased"

    def omega(self, dim):
        if not self.unbiased:
            return None
        if self.k is None and not self.shared:
            return min(dim, 1 / self.ratio) - 1
        return dim / min(dim, self.amount(dim)) - 1

    def sparsify(self, gradient, step):
        if self.shared:
            keys = self.shared_keys(gradient.dim, step)
            return Gradient.trusted(self._at(gradient, keys), gradient.dim, keys, gradient.fresh_nnz).without_zeros()
        q = min(gradient.nnz, self.amount(gradient.fresh_nnz))
        at = _randomk.subset(max(gradient.nnz, 1), q, step.private(self.name))
        keys, values = _randomk.pick(gradient.values, gradient.keys, at, self._factor(gradient.nnz, q))
        return Gradient.trusted(values, gradient.dim, keys, gradient.fresh_nnz)

    def shared_nnz(self, dim):
        q = min(dim, self.amount(dim))
        if q > MAX_SHARED:
            raise IncompatibleError(
                f"{self.spec}: expected at most 2²⁶ shared coordinates, got {q} for dim {dim}; use k=… instead of a ratio"
            )
        return q

    def shared_keys(self, dim, step):
        return _randomk.subset(dim, self.shared_nnz(dim), step.shared(self.name))

    def shared_values(self, gradient, step):
        return self._at(gradient, self.shared_keys(gradient.dim, step))

    def _at(self, gradient, keys):
        return _randomk.align(gradient.values, gradient.keys, keys, self._factor(gradient.dim, len(keys)))

    def _factor(self, entries, q):
        return entries / q if q and self.unbiased else 1.0
