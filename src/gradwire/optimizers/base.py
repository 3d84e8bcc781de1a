"""What an optimizer must offer: learning rates, a state that can be checkpointed, an update in place.

A sparse gradient updates the coordinates that it holds and no others ("lazy": state of untouched coordinates does not decay),
in O(nnz); a dense one updates all. Parameters and state are float32. An optimizer holds no state itself: `init` returns a plain
dict of arrays and the integer "step", the caller keeps it.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..codecs.base import Configured
from ..errors import ConfigError, IncompatibleError


@dataclass(frozen=True)
class Optimizer(Configured):
    """lr: the learning rate, or a list of them, one for each epoch (the last one repeats; in a specification string
    lr="0.1,0.05"). lr_decay: factor on a single rate for every epoch after the first, in (0, 1]. warmup_epochs W: the rate of epoch
    e < W is (e + 1)/(W + 1) of what these say (Goyal et al. 2017, arXiv 1706.02677, in steps of an epoch)."""

    lr: float | tuple[float, ...] = 0.1
    lr_decay: float = 1.0
    warmup_epochs: int = field(default=0, kw_only=True)

    arrays: ClassVar[tuple[str, ...]] = ()
    """Names of the state arrays, each float32 (dim,), zero at the start."""

    def __post_init__(self):
        object.__setattr__(self, "lr", _rates(self.lr))
        check_number("lr_decay", self.lr_decay, "in (0, 1]", lambda x: 0 < x <= 1)
        if type(self.warmup_epochs) is not int or self.warmup_epochs < 0:
            raise ConfigError(f"expected warmup_epochs as an integer ≥ 0, got {self.warmup_epochs!r}")
        if isinstance(self.lr, tuple) and self.lr_decay != 1:
            raise ConfigError(f"expected either a list of rates or lr_decay, got lr={list(self.lr)} and lr_decay={self.lr_decay}")

    def lr_at(self, epoch):
        """Learning rate of epoch 0, 1, …"""
        rate = self.lr[min(epoch, len(self.lr) - 1)] if isinstance(self.lr, tuple) else self.lr * self.lr_decay**epoch
        return rate * (epoch + 1) / (self.warmup_epochs + 1) if epoch < self.warmup_epochs else rate

    def init(self, dim):
        """State for parameters float32 (dim,). Pages that no gradient touches cost no memory."""
        return {"step": 0, **{name: np.zeros(dim, np.float32) for name in self.arrays}}

    def update(self, params, state, gradient, lr):
        """One step, in place on params and state. IncompatibleError if their lengths are not the gradient's dimension."""
        for name, array in [("params", params), *((name, state[name]) for name in self.arrays)]:
            if len(array) != gradient.dim:
                raise IncompatibleError(f"expected {name} of the gradient's dimension {gradient.dim}, got {len(array)}")
        state["step"] += 1
        self._update(params, state, gradient.keys, gradient.values, lr)

    def _update(self, params, state, keys, values, lr):
        """The rule: keys uint32 (nnz,) and values float32 (nnz,), or keys None and values float32 (dim,)."""
        raise NotImplementedError


def check_number(name, value, expected, holds):
    """Raise ConfigError unless `value` is a number for which `holds`; `expected` says so in words."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not holds(value):
        raise ConfigError(f"expected {name} {expected}, got {value!r}")


def check_eps(eps):
    """Raise ConfigError unless eps is a number that float32 holds, above 0: without it 0/0 is possible."""
    check_number("eps", eps, "above 0 and finite in float32", lambda x: 1e-45 < x < 3e38)


def _rates(lr):
    """lr as a float, or as a tuple of floats."""
    if isinstance(lr, str):
        try:
            lr = [float(word) for word in lr.split(",")]
        except ValueError:
            raise ConfigError(f'expected rates such as "0.1,0.05", got {lr!r}') from None
    several = isinstance(lr, list | tuple)
    rates = tuple(lr) if several else (lr,)
    if not rates:
        raise ConfigError("expected at least one learning rate, got an empty list")
    for rate in rates:
        check_number("lr", rate, "finite and above 0", lambda x: 0 < x < float("inf"))
    rates = tuple(map(float, rates))
    return rates if several else rates[0]
