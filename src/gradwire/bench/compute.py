"""`gradwire bench compute`: the gradient kernels and the libsvm parser, each beside scikit-learn in the same run."""

from .gradients import benchmark_gradient
from .parsing import benchmark_parser


def run():
    """Rows {"what", "median", "unit", "low", "high", "n", "baseline"}: medians with nonparametric 95% intervals."""
    return benchmark_gradient() + benchmark_parser()
