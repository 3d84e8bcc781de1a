"""Neural networks: PyTorch computes loss and gradient, everything else is as for linear models.

The parameters stay one float32 NumPy vector: the network's tensors are views of it, and so are the tensors that its backward pass adds
gradients to, so nothing is copied between PyTorch and codecs. Networks here have no buffers (group and layer norms, no running means) and
no dropout: a gradient is a function of parameters and rows alone. PyTorch is optional and imported when a network is made.
"""

import importlib.util
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..blocks import Block
from ..errors import ConfigError, IncompatibleError
from ..gradient import Gradient
from .base import Model

INSTALL = 'PyTorch, which is not installed: pip install "gradwire[torch]"'


def require_torch(who):
    """The module torch. ConfigError saying how to get it if it is not there."""
    if missing := NeuralModel.missing():
        raise ConfigError(f"{who} needs {missing}")
    import torch

    return torch


@dataclass(frozen=True)
class NeuralModel(Model):
    """l2: weight decay on all parameters. threads: PyTorch's threads on each rank; other numbers of them may give other bits, and what they
    compute is not in the processor times, which are those of the rank's own thread.

    A subclass says what its network is (`network`), what its rows are (`batch`) and what its scores are (`scores`).
    """

    threads: int = 1

    n_features: ClassVar[int]
    """Of the data that its network is made for."""
    evaluation_rows: ClassVar[int] = 1000
    """Rows that are evaluated at once."""

    def __post_init__(self):
        super().__post_init__()
        check_count("threads", self.threads)

    def network(self, torch):
        """A torch.nn.Module, parameters drawn from PyTorch's generator: inputs of `batch` → logits (…, classes)."""
        raise NotImplementedError

    def batch(self, torch, data, rows):
        """(inputs, targets int64): tensors of these rows of a Table."""
        raise NotImplementedError

    def scores(self, torch, logits, targets, losses):
        """float32 (rows,): what the metric wants of each row. losses: of each target, in nats."""
        raise NotImplementedError

    @staticmethod
    def missing():
        """What is missing to make the network, and how to get it; None if nothing is."""
        return None if importlib.util.find_spec("torch") else INSTALL

    def blocks(self, n_features):
        if n_features != self.n_features:
            raise IncompatibleError(f"model {self.name} is for data of {self.n_features} features, got {n_features}")
        return self._bound.blocks

    def init(self, dim, seed):
        """Parameters as PyTorch draws them after torch.manual_seed(seed), whose generator is left as it was."""
        torch = self._torch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            drawn = [parameter.detach().reshape(-1) for parameter in self.network(torch).parameters()]
        params = torch.cat(drawn).numpy().astype(np.float32, copy=False)
        if len(params) != dim:
            raise ConfigError(f"model {self.name} has {len(params)} parameters, got a dimension of {dim}")
        return params

    def gradient(self, params, data, rows):
        rows = np.asarray(rows, np.int64)
        if not len(rows):
            return Gradient.trusted(params * np.float32(self.l2), len(params)), 0.0
        torch, bound = self._torch, self._bound
        inputs, targets = self.batch(torch, data, rows)
        values = bound.fresh_gradient(params)
        loss = _cross_entropy(torch, bound.module(inputs), targets, "mean")
        loss.backward()
        if self.l2:
            values += params * np.float32(self.l2)
        return Gradient.trusted(values, len(params)), loss.item()

    def evaluate(self, params, data, start, stop):
        torch, total, scores = self._torch, 0.0, [np.empty(0, np.float32)]
        self._bound.use(params)
        with torch.inference_mode():
            for at in range(start, stop, self.evaluation_rows):
                inputs, targets = self.batch(torch, data, np.arange(at, min(at + self.evaluation_rows, stop)))
                logits = self._bound.module(inputs)
                losses = _cross_entropy(torch, logits, targets, "none").reshape(targets.shape)
                total += float(losses.reshape(len(targets), -1).mean(1).sum(dtype=torch.float64))
                scores.append(self.scores(torch, logits, targets, losses).numpy())
        return total, np.concatenate(scores)

    @cached_property
    def _torch(self):
        torch = require_torch(f"model {self.name}")
        torch.set_num_threads(self.threads)
        return torch

    @cached_property
    def _bound(self):
        return _Bound(self._torch, self.network(self._torch))


class _Bound:
    """A network whose tensors are views of a flat vector."""

    def __init__(self, torch, module):
        self._torch, self.module, self._used = torch, module, None
        blocks, start = [], 0
        for name, parameter in module.named_parameters():
            blocks.append(Block(name, start, tuple(parameter.shape)))
            start = blocks[-1].stop
        self.blocks = tuple(blocks)
        self.dim = start

    def use(self, params):
        """Make `params`, float32 (dim,), the network's parameters; changes of the array are changes of them."""
        if self._used is not params:
            for parameter, view in zip(self.module.parameters(), self._views(params)):
                parameter.data = view
            self._used = params

    def fresh_gradient(self, params):
        """float32 (dim,) zeros, to which the next backward pass adds the gradient at `params`."""
        self.use(params)
        values = np.zeros(self.dim, np.float32)
        for parameter, view in zip(self.module.parameters(), self._views(values)):
            parameter.grad = view
        return values

    def _views(self, array):
        flat = self._torch.from_numpy(array)
        return [flat[block.start : block.stop].view(block.shape) for block in self.blocks]


def _cross_entropy(torch, logits, targets, reduction):
    return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), reduction=reduction)


def check_count(name, value, least=1, most=1 << 16):
    """ConfigError unless `value` is an integer in least … most."""
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(f"expected {name} as an integer in {least} … {most}, got {value!r}")
