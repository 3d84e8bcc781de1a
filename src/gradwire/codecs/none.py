"""none: dense 32-bit floats, what an uncompressed allreduce sends. It does not look at sparsity: that is adam-sparse."""

from dataclasses import dataclass

from ..errors import IncompatibleError
from ..gradient import Gradient
from ..spec import one
from .base import Reduction
from .composed import Composed, Preset

MAX_DENSE_DIM = 1 << 26


def densify(gradient, force=False, who="none"):
    """The same gradient, dense. O(dim), so IncompatibleError above 2²⁶ unless forced."""
    if gradient.is_dense:
        return gradient
    if gradient.dim > MAX_DENSE_DIM and not force:
        raise IncompatibleError(
            f"{who}: expected dim ≤ 2²⁶ to make a sparse gradient dense, got {gradient.dim}; "
            "use adam-sparse (uncompressed, sparse), or none(force=true)"
        )
    return Gradient.trusted(gradient.to_dense(), gradient.dim, fresh_nnz=gradient.fresh_nnz)


@dataclass(frozen=True)
class Uncompressed(Preset):
    """Dense fp32. force: densify a sparse gradient above 2²⁶ too."""

    force: bool = False

    name = "none"
    summary = "dense 32-bit floats, uncompressed"
    paper = ""
    reduction = Reduction.SUM

    def compose(self):
        return Composed(None, one("keys", "raw"), one("values", "fp32"), self.spec)

    def sparsify(self, gradient, step):
        return densify(gradient, self.force)

    def encode(self, gradient, step):
        return self.composed.encode(densify(gradient, self.force), step)
