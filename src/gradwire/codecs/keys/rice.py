"""rice: gaps in Rice codes, the parameter chosen for each block of keys, quotients and low bits in separate streams.

Rice and Plaunt 1971; the exact choice of a block's parameter among three follows the bounds of Kiely 2004 (IPN Progress Report 42-159).
Gaps after the first are coded minus 1. Blocks follow gaps that change along the keys, runs of consecutive keys cost a byte a block, and
a few far keys in a block are stored apart. It has no model of the gaps beyond their mean. The format stands in cython_ext/rice.h.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import rice as _rice
from ...errors import ConfigError
from ...gradient import checked_keys
from ..base import KeyCoder
from . import check_decoded, check_room, no_keys

_BLOCKS = (32, 64, 128, 256)


@dataclass(frozen=True)
class Rice(KeyCoder):
    """Payload: a byte for each block of gaps, the far gaps, the low bits of all gaps, their quotients in unary.

    block: gaps that share a parameter: 32, 64, 128 or 256. Smaller blocks adapt sooner and cost more parameters: 8/block bits per key.
    """

    block: int = 256

    name = "rice"
    summary = "gaps in Rice codes, a parameter for each block of keys, run mode"
    paper = "Rice and Plaunt 1971; Kiely 2004"

    def __post_init__(self):
        if type(self.block) is not int or self.block not in _BLOCKS:
            raise ConfigError(f"expected block {', '.join(map(str, _BLOCKS[:-1]))} or {_BLOCKS[-1]}, got {self.block!r}")

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        plan = self._plan(keys)
        out = np.empty(plan.nbytes + _rice.SLACK, np.uint8)
        return out[: plan.encode(out)]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("rice", payload)
        check_room("rice", len(payload), -(-nnz // self.block), nnz, dim)
        reader = _rice.Reader(payload, nnz, self.block)
        check_decoded("rice", reader.error, len(payload), nnz, dim)
        keys = np.empty(nnz, np.uint32)
        check_decoded("rice", reader.decode(dim, keys), len(payload), nnz, dim)
        return keys

    def estimate(self, keys, dim):
        return self._plan(keys).nbytes if len(keys) else 0

    def _plan(self, keys):
        return _rice.Plan(keys, self.block, np.empty(-(-len(keys) // self.block), np.uint8))
