"""Local SGD: a rank takes several steps of its own before the ranks exchange what these changed.

    θ_r ← θ, H steps of the rank's own optimizer on θ_r;  θ ← θ − mean over ranks of what the codec makes of (θ − θ_r)

Stich, Local SGD Converges Fast and Communicates Little, ICLR 2019 (arXiv 1805.09767). The other remedy for a slow network: 1/H of the
exchanges. What compression gains must be compared with it. Each rank's optimizer keeps its state to itself; it is not averaged.

Sparse gradients cost O(their entries) a step and O(touched keys) an exchange; a dense one costs a copy of the parameters.
"""

import numpy as np

from ._ext import sparse as _sparse
from .gradient import Gradient


class LocalSteps:
    """Parameters (float32 (dim,), changed in place) that leave the common ones and come back to them."""

    def __init__(self, params):
        self.params = params
        self._touched = []
        """(keys, old values) of each step since the exchange; keys None: all of them, and no step after it needs an entry."""

    def keep(self, keys):
        """Note the values that the next step may change: at `keys`, uint32 (nnz,), or everywhere for None."""
        if keys is not None:
            self._touched.append((keys, _sparse.gather(self.params, keys)))
        elif not self._touched or self._touched[0][0] is not None:
            whole = self.params.copy()
            for each, before in reversed(self._touched):  # sparse steps so far
                _sparse.scatter(whole, each, before)
            self._touched = [(None, whole)]

    def difference(self):
        """Gradient: common parameters − own ones, without zeros if all steps were sparse. The parameters are the common ones again."""
        touched, self._touched = self._touched, []
        dim = len(self.params)
        if touched[0][0] is None:
            own, self.params[:] = self.params.copy(), touched[0][1]
            return Gradient.trusted(self.params - own, dim)
        keys, _ = _sparse.sort_reduce(*(np.concatenate(arrays) for arrays in zip(*touched)), dim)
        own = _sparse.gather(self.params, keys)
        for each, before in reversed(touched):  # the oldest value of a key comes last, and stays
            _sparse.scatter(self.params, each, before)
        return Gradient.trusted(_sparse.gather(self.params, keys) - own, dim, keys).without_zeros()

    def move(self, mean):
        """common parameters −= mean, a Gradient."""
        if mean.is_dense:
            _sparse.axpy(self.params, mean.values, -1.0)
        else:
            _sparse.scatter_add(self.params, mean.keys, mean.values, -1.0)
