"""Error feedback around any codec: what one message loses is added to the next gradient.

    decoded + new residual = gradient + old residual        (in exact arithmetic; float32 rounds each difference once)

Seide et al., Interspeech 2014; Karimireddy et al., ICML 2019. The residual of sparse gradients is kept as sorted pairs, so a
step costs O(nnz + stored residuals) and never O(dim).
"""

import numpy as np

from .._ext import sparse as _sparse
from ..errors import IncompatibleError
from ..gradient import Gradient


class ErrorFeedback:
    """One rank's residual for gradients of dimension `dim`.

    sent = feedback.compensate(gradient); message = codec.encode(sent, step); feedback.update(sent, codec.decode(message, step)).
    """

    def __init__(self, dim):
        self.dim = dim
        self._kept = Gradient(np.empty(0, np.float32), dim, np.empty(0, np.uint32))

    @property
    def residual(self):
        """float32 (dim,), a copy."""
        return np.array(self._kept.to_dense())

    def compensate(self, gradient):
        """gradient + residual; its fresh_nnz counts the entries of `gradient` alone. The residual stays until `update`."""
        self._check(gradient)
        total = _sum(gradient, self._kept, 1.0)
        total.fresh_nnz = gradient.nnz
        return total

    def update(self, sent, decoded):
        """residual = sent − decoded."""
        self._check(sent)
        self._check(decoded)
        rest = _sum(sent, decoded, -1.0)
        self._kept = rest if rest.is_dense else rest.without_zeros()

    def _check(self, gradient):
        if gradient.dim != self.dim:
            raise IncompatibleError(f"error feedback for dim {self.dim} got a gradient of dim {gradient.dim}")

    def state(self):
        """Arrays for a checkpoint: values, and keys unless the residual is dense."""
        return {"values": self._kept.values} | ({} if self._kept.is_dense else {"keys": self._kept.keys})

    def restore(self, state):
        """Continue from `state()`."""
        self._kept = Gradient(state["values"], self.dim, state.get("keys"))


def _sum(a, b, scale):
    """a + scale · b with scale ±1; dense if either is."""
    if a.is_dense or b.is_dense:
        total = np.array(a.to_dense())
        if b.is_dense:
            _sparse.axpy(total, b.values, scale)
        else:
            _sparse.scatter_add(total, b.keys, b.values, scale)
        return Gradient.trusted(total, a.dim)
    keys, values = _sparse.add(a.keys, a.values, b.keys, b.values if scale == 1.0 else -b.values)
    return Gradient.trusted(values, a.dim, keys)
