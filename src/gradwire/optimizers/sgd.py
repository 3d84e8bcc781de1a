"""sgd: θ ← θ − η·g. Plain, without momentum (that is `momentum`)."""

from dataclasses import dataclass

from .._ext import optimizers as _optimizers
from .base import Optimizer


@dataclass(frozen=True)
class SGD(Optimizer):
    """No state besides the step counter."""

    name = "sgd"
    summary = "θ ← θ − η·g"
    paper = "Robbins, Monro 1951"

    def _update(self, params, state, keys, values, lr):
        _optimizers.sgd(params, keys, values, lr)
