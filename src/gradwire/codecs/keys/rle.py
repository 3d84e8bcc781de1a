"""rle: the lengths of the runs of the keys' bitmap, zeros and ones in turn, in the Elias delta code.

SketchML (Jiang et al., SIGMOD 2018) names run-length encoding as a baseline without saying how lengths are coded; the delta code is
Elias 1975 (IEEE Trans. Inf. Theory 21). The cost is per run: tiny for long runs, more than any other coder's for keys that stand alone.
The format stands in cython_ext/rle.h.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import rle as _rle
from ...gradient import checked_keys
from ..base import KeyCoder
from . import check_decoded, check_room, no_keys
from .gaps import UNLIMITED


@dataclass(frozen=True)
class RunLength(KeyCoder):
    """Payload: two numbers for each run of consecutive keys. A decoder allocates at most 4 · 65,535 bytes of keys per 25 bits."""

    name = "rle"
    summary = "run lengths of the bitmap of the keys in the Elias delta code"
    paper = "SketchML's baseline, Jiang et al., SIGMOD 2018; delta code: Elias 1975"

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        out = np.empty(self.estimate(keys, dim) + _rle.SLACK, np.uint8)
        return out[: _rle.encode(keys, out)]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("rle", payload)
        check_room("rle", len(payload), max(1, (nnz // _rle.LONGEST - 1) * 25 // 8), nnz, dim)
        check_decoded("rle", _rle.check(payload, nnz, dim), len(payload), nnz, dim)
        keys = np.empty(nnz, np.uint32)
        _rle.decode(payload, keys)
        return keys

    def estimate(self, keys, dim):
        return (_rle.bits(keys, 8 * UNLIMITED) + 7) // 8 if len(keys) else 0

    def estimate_below(self, statistics, limit):
        """Every run has a code of zeros, whose cost the widths of the gaps tell, and at least 1 bit more: often that is enough."""
        least = statistics.run_zero_bits + statistics.runs
        if least >= 8 * limit:
            return (least + 7) // 8
        return (_rle.bits(statistics.keys, 8 * limit) + 7) // 8
