"""What a model must offer, and the base of the linear ones: mini-batch gradients of CSR data in O(entries of the batch).

The objective is the mean loss of the rows + (l2/2)‖θ‖² (SketchML, Section 4.1). With l2_mode "lazy" a linear model's gradient holds l2·θ on
the coordinates that its mini-batch touches (as the authors' code does), with "full" on all of them, which makes it dense.

`data` is what gradwire.data gives: for linear models a CSR, for neural ones (neural.py) a Table. A model holds no state: parameters come as
an argument, float32 (dim,). It does not sample mini-batches and does not split data.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._ext import linear as _linear
from .._ext import sparse as _sparse
from ..blocks import Block
from ..codecs.base import Configured
from ..errors import ConfigError, DataError, unknown
from ..gradient import Gradient
from .metrics import METRICS

L2_MODES = ("lazy", "full")
MAX_DENSE_DIM = 1 << 26
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Model(Configured):
    """Parameters and mini-batch → gradient and loss. l2: the regulariser's weight λ ≥ 0.

    task: what data it is for (gradwire.data.base.TASKS). metric_name: what `metric` computes, one of metrics.METRICS.
    """

    l2: float = 0.0

    task: ClassVar[str]
    metric_name: ClassVar[str]

    def __post_init__(self):
        if isinstance(self.l2, bool) or not isinstance(self.l2, int | float) or not 0 <= self.l2 < float("inf"):
            raise ConfigError(f"expected a finite l2 ≥ 0, got {self.l2!r}")

    @classmethod
    def takes(cls, task):
        """Whether data of this task can be learnt: its own."""
        return task == cls.task

    @property
    def sparse_gradients(self):
        """True if `gradient` returns gradients with keys."""
        return False

    def blocks(self, n_features):
        """The parameters for data of so many features, a tuple of Blocks without gaps: here one."""
        return (Block("", 0, (n_features,)),)

    def check(self, data):
        """DataError or ConfigError for rows, of the model's task and number of features, that it cannot learn."""

    def init(self, dim, seed):
        """Parameters to start from, float32 (dim,). ConfigError if the model cannot have this dimension."""
        raise NotImplementedError

    def gradient(self, params, data, rows):
        """(Gradient, loss) of the mini-batch `rows`, int64 row numbers in any order: means over the batch.

        The gradient includes the regulariser, the loss does not. No rows: loss 0. DataError for a row that does not exist.
        """
        raise NotImplementedError

    def evaluate(self, params, data, start, stop):
        """(sum of the losses without regulariser, scores float32 (stop − start,)) of the rows start … stop − 1."""
        raise NotImplementedError

    def penalty(self, params):
        """(l2/2)‖θ‖², summed in float64."""
        if self.l2 == 0:
            return 0.0
        chunks = (params[at : at + _CHUNK].astype(np.float64) for at in range(0, len(params), _CHUNK))
        return self.l2 / 2 * sum(float(chunk @ chunk) for chunk in chunks)

    def metric(self, scores, labels):
        """The metric `metric_name` of scores (n,) against labels (n,)."""
        return METRICS[self.metric_name](scores, labels)


@dataclass(frozen=True)
class LinearModel(Model):
    """Score θᵀx and a loss of score and label; a subclass names the kernel's loss. The compiled kernel is linear.h.

    l2_mode: "lazy" or "full". Keys of a gradient are exactly the coordinates that the mini-batch touches, also those whose value is 0
    (rows beyond the hinge's margin); the sparsifier `nonzero` drops these.
    """

    l2_mode: str = "lazy"

    loss: ClassVar[int]

    def __post_init__(self):
        super().__post_init__()
        if self.l2_mode not in L2_MODES:
            raise ConfigError(unknown("l2_mode", self.l2_mode, L2_MODES))

    @property
    def sparse_gradients(self):
        return self.l2_mode == "lazy"

    def init(self, dim, seed):
        """Zeros: the losses are convex, so `seed` is not used. Pages that no gradient touches cost no memory."""
        self._check_dim(dim)
        return np.zeros(dim, np.float32)

    def gradient(self, params, data, rows):
        dim = len(params)
        self._check_dim(dim)
        _check_features(data, dim)
        rows = np.ascontiguousarray(rows, np.int64)
        lazy_l2 = self.l2 if self.l2_mode == "lazy" else 0.0
        keys, values, loss_sum = _linear.gradient(self.loss, params, data.indptr, data.indices, data.values, data.labels, rows, lazy_l2)
        loss = loss_sum / max(len(rows), 1)
        if self.l2_mode == "lazy":
            return Gradient.trusted(values, dim, keys), loss
        dense = params * np.float32(self.l2)
        _sparse.scatter_add(dense, keys, values, 1.0)
        return Gradient.trusted(dense, dim), loss

    def evaluate(self, params, data, start, stop):
        _check_features(data, len(params))
        if not 0 <= start <= stop <= len(data.labels):
            raise DataError(f"expected 0 ≤ start ≤ stop ≤ {len(data.labels)}, got {start} and {stop}")
        return _linear.evaluate(self.loss, params, data.indptr, data.indices, data.values, data.labels, start, stop)

    def _check_dim(self, dim):
        if self.l2_mode == "full" and dim > MAX_DENSE_DIM:
            expected = f"expected a dimension of at most {MAX_DENSE_DIM}, got {dim}"
            raise ConfigError(f'l2_mode "full" makes dense gradients: {expected}; l2_mode "lazy" has no limit')


def _check_features(data, dim):
    if not 0 < data.n_features <= dim:
        raise DataError(f"expected data of 1 … {dim} features for {dim} parameters, got {data.n_features}")
