"""nonzero: drop exact zeros. It loses nothing."""

from dataclasses import dataclass

import numpy as np

from ..._ext import sparse as _sparse
from ...gradient import Gradient
from ..base import Sparsifier


@dataclass(frozen=True)
class NonZero(Sparsifier):
    """Keeps every entry that is not ±0; a dense gradient becomes a sparse one."""

    name = "nonzero"
    summary = "drop exact zeros"
    paper = ""
    unbiased = True

    def sparsify(self, gradient, step):
        if gradient.is_dense:
            return gradient.to_sparse()
        mask = (gradient.values != 0).view(np.uint8)
        if mask.all():
            return gradient
        keys, values = _sparse.compress(mask, gradient.keys, gradient.values)
        return Gradient.trusted(values, gradient.dim, keys, gradient.fresh_nnz)

    def omega(self, dim):
        return 0.0
