"""adam: Adam in two forms, m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², then

    kingma    θ ← θ − η·m̂/(√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ), t the global step
    sketchml  θ ← θ − η·m/√(v + ε), not bias-corrected

Lazy on sparse gradients: m and v of a coordinate decay only when the gradient holds it, while t counts every step.
No AMSGrad, no decoupled weight decay.
"""

from dataclasses import dataclass

from .._ext import optimizers as _optimizers
from ..errors import ConfigError, unknown
from .base import Optimizer, check_eps, check_number

FORMS = ("kingma", "sketchml")


@dataclass(frozen=True)
class Adam(Optimizer):
    """State: m, v and the step t. form: "kingma" or "sketchml"."""

    lr: float | tuple[float, ...] = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    form: str = "kingma"

    name = "adam"
    summary = "first and second moment of the gradient, bias-corrected or as SketchML prints it"
    paper = "Kingma, Ba, ICLR 2015; SketchML (Jiang et al., SIGMOD 2018)"
    arrays = ("m", "v")

    def __post_init__(self):
        super().__post_init__()
        check_number("beta1", self.beta1, "in [0, 1)", lambda x: 0 <= x < 1)
        check_number("beta2", self.beta2, "in [0, 1)", lambda x: 0 <= x < 1)
        check_eps(self.eps)
        if self.form not in FORMS:
            raise ConfigError(unknown("form", self.form, FORMS))

    def _update(self, params, state, keys, values, lr):
        m, v, t = state["m"], state["v"], state["step"]
        if self.form == "kingma":
            rate, v_scale, inside, outside = lr / (1 - self.beta1**t), 1 / (1 - self.beta2**t), 0.0, self.eps
        else:
            rate, v_scale, inside, outside = lr, 1.0, self.eps, 0.0
        _optimizers.adam(params, m, v, keys, values, rate, self.beta1, self.beta2, v_scale, inside, outside)
