"""adagrad: a rate for each coordinate, h ← h + g², θ ← θ − η·g/(√h + ε). The diagonal form, without the paper's projection."""

from dataclasses import dataclass

from .._ext import optimizers as _optimizers
from .base import Optimizer, check_eps


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """State: h. Lazy and exact at once: a zero gradient leaves h and θ as they are."""

    eps: float = 1e-8

    name = "adagrad"
    summary = "h ← h + g², θ ← θ − η·g/(√h + ε)"
    paper = "Duchi, Hazan, Singer, JMLR 2011"
    arrays = ("h",)

    def __post_init__(self):
        super().__post_init__()
        check_eps(self.eps)

    def _update(self, params, state, keys, values, lr):
        _optimizers.adagrad(params, state["h"], keys, values, lr, self.eps)
