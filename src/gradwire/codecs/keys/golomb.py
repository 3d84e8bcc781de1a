"""golomb: gaps in one Golomb code, any divisor, truncated binary remainders.

Golomb 1966; Gallager and van Voorhis 1975. Gaps after the first are coded minus 1. One divisor serves the whole message, so it does not
follow gaps that change along the keys: that is `rice`. The divisor is the optimum itself where the mean gap is below 767 and no gap
above 8191; else the optimum among 128 or more for each doubling (cython_ext/golomb_divisor.h). The format stands in cython_ext/golomb.h.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import golomb as _golomb
from ...gradient import checked_keys
from ..base import KeyCoder
from . import check_decoded, check_room, no_keys


@dataclass(frozen=True)
class Golomb(KeyCoder):
    """Payload: 8 bytes that hold the divisor, the remainders, the extra bits of the larger remainders, the quotients in unary."""

    sample_margin = 1.03

    name = "golomb"
    summary = "gaps in one Golomb code, the best divisor for each message"
    paper = "Golomb 1966; Gallager and van Voorhis 1975"

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        plan = _golomb.Plan(keys)
        out = np.empty(plan.nbytes + _golomb.SLACK, np.uint8)
        return out[: plan.encode(out)]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("golomb", payload)
        check_room("golomb", len(payload), _golomb.HEADER + (nnz + 7) // 8, nnz, dim)
        keys = np.empty(nnz, np.uint32)
        check_decoded("golomb", _golomb.decode(payload, dim, keys), len(payload), nnz, dim)
        return keys

    def estimate(self, keys, dim):
        return _golomb.Plan(keys).nbytes if len(keys) else 0
