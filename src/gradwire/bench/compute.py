"""`gradwire bench compute`: the gradient kernels on the flights data and the libsvm parser, beside scikit-learn in the same run."""

from .. import data, spec
from .gradients import benchmark_gradient
from .parsing import benchmark_parser


def run():
    """Rows {"what", "median", "unit", "low", "high", "n", "baseline"}: medians with nonparametric 95% intervals."""
    return benchmark_gradient(data.load(spec.one("datasets", "flights")).train) + benchmark_parser()
