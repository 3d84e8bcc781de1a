"""threshold: keep the entries whose magnitude reaches a fixed threshold (truncation). It is biased; error feedback is the remedy."""

from dataclasses import dataclass

import numpy as np

from ..._ext import topk as _topk
from ...errors import ConfigError
from ...gradient import Gradient
from ..base import Sparsifier


@dataclass(frozen=True)
class Threshold(Sparsifier):
    """Keeps |v| ≥ t. t > 0 is rounded to float32 first, so an entry that was set to t is kept. It may keep nothing."""

    t: float = 1e-3

    name = "threshold"
    summary = "the entries of magnitude t or more"
    paper = ""

    def __post_init__(self):
        if isinstance(self.t, bool) or not isinstance(self.t, int | float):
            raise ConfigError(f"expected a number t > 0, got {self.t!r}")
        with np.errstate(over="ignore"):
            rounded = np.float32(self.t)
        if not 0 < rounded < np.inf:
            raise ConfigError(f"expected t > 0 within the range of float32, got {self.t!r}")

    def sparsify(self, gradient, step):
        floor = int(np.float32(self.t).view(np.uint32))
        keys, kept = _topk.at_least(gradient.values, gradient.keys, floor)
        return Gradient.trusted(kept, gradient.dim, keys, gradient.fresh_nnz)
