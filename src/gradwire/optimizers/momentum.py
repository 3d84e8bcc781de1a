"""momentum: the heavy ball, u ← β·u + g, θ ← θ − η·u. Not Nesterov's variant, no dampening of g."""

from dataclasses import dataclass

from .._ext import optimizers as _optimizers
from .base import Optimizer, check_number


@dataclass(frozen=True)
class Momentum(Optimizer):
    """State: u. A constant gradient moves θ by η/(1 − β) per step in the end, hence the smaller default rate."""

    lr: float | tuple[float, ...] = 0.01
    beta: float = 0.9

    name = "momentum"
    summary = "heavy ball: u ← β·u + g, θ ← θ − η·u"
    paper = "Polyak 1964"
    arrays = ("u",)

    def __post_init__(self):
        super().__post_init__()
        check_number("beta", self.beta, "in [0, 1)", lambda x: 0 <= x < 1)

    def _update(self, params, state, keys, values, lr):
        _optimizers.momentum(params, state["u"], keys, values, lr, self.beta)
