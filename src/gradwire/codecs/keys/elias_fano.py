"""elias_fano: low bits packed, high bits in unary: one Elias–Fano sequence for the whole message.

Elias 1974, Fano 1971; the notation follows Vigna 2013 (arXiv 1206.4300). At most 2 + ⌈log₂(dim/d)⌉ bits per key whatever the keys are,
and never much less: it follows no gaps that change along the keys. Without the index for random access: a message is decoded as a
whole. The format stands in cython_ext/elias_fano.h.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import elias_fano as _elias_fano
from ...gradient import checked_keys
from ..base import KeyCoder
from . import check_decoded, check_room, no_keys


@dataclass(frozen=True)
class EliasFano(KeyCoder):
    """Payload: 1 byte that holds the number of low bits, the low bits of all keys, the differences of their high parts in unary."""

    name = "elias_fano"
    summary = "low bits packed, high bits in unary, at most 2 + ⌈log₂(dim/nnz)⌉ bits per key"
    paper = "Elias 1974; Fano 1971"

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        size, low_bits = _elias_fano.plan(len(keys), keys[-1])
        out = np.empty(size + _elias_fano.SLACK, np.uint8)
        return out[: _elias_fano.encode(keys, low_bits, out)]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("elias_fano", payload)
        check_room("elias_fano", len(payload), 1 + (nnz + 7) // 8, nnz, dim)
        keys = np.empty(nnz, np.uint32)
        check_decoded("elias_fano", _elias_fano.decode(payload, dim, keys), len(payload), nnz, dim)
        return keys

    def estimate(self, keys, dim):
        return _elias_fano.plan(len(keys), keys[-1])[0] if len(keys) else 0
