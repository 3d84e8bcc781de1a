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
    check_dense(gradient, force, who)
    if gradient.is_dense:
        return gradient
    return Gradient.trusted(gradient.to_dense(), gradient.dim, fresh_nnz=gradient.fresh_nnz)


def check_dense(gradient, force=False, who="none"):
    """IncompatibleError if `densify` would refuse it."""
    if not gradient.is_dense and gradient.dim > MAX_DENSE_DIM and not force:
        raise IncompatibleError(
            f"{who}: expected dim ≤ 2²⁶ to make a sparse gradient dense, got {gradient.dim}; "
            "use adam-sparse (uncompressed, sparse), or none(force=true)"
        )


class DensePreset(Preset):
    """A preset of dense gradients, with a field `force`: densify a sparse gradient above 2²⁶ too. Its encodings add."""

    reduction = Reduction.SUM

    def check_gradient(self, gradient):
        check_dense(gradient, self.force, self.name)

    def sparsify(self, gradient, step):
        return densify(gradient, self.force, self.name)

    def encode(self, gradient, step):
        return self.composed.encode(densify(gradient, self.force, self.name), step)


@dataclass(frozen=True)
class Uncompressed(DensePreset):
    """Dense fp32. force: densify a sparse gradient above 2²⁶ too."""

    force: bool = False

    name = "none"
    summary = "dense 32-bit floats, uncompressed"
    paper = ""

    def compose(self):
        return Composed(None, one("keys", "raw"), one("values", "fp32"), self.spec)
