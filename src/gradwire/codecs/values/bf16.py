"""bf16: the upper 16 bits of a float32, so its range with 7 bits of mantissa.

Rounding is to the nearest, ties to even. What would become infinite becomes the largest finite value instead: `count_overflow`
says how many of a message's values that are. Not a loss-scaling scheme.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import half as _half
from ...errors import CorruptMessage
from ..base import ValueCoder
from .payload import checked, count, flat, refuse_nonfinite

OVERFLOW = float.fromhex("0x1.ffp127")
"""Magnitudes from here on are clamped: the largest finite bf16 and half a unit in its last place."""


@dataclass(frozen=True)
class BFloat16Values(ValueCoder):
    """Payload: two bytes for each value, little-endian upper half of a float32."""

    name = "bf16"
    summary = "16-bit float (bfloat16), nearest even, clamped to ±3.39e38"
    paper = ""
    sum_dtype = np.uint16

    def encode(self, values, keys, step):
        values = flat(values)
        payload = np.empty(2 * len(values), np.uint8)
        if _half.encode_bf16(values, payload):
            refuse_nonfinite(self.name, values)
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload = checked(self.name, payload, 2 * nnz)
        values = np.empty(nnz, np.float32)
        if not _half.decode_bf16(payload, values):
            raise CorruptMessage("bf16 values: expected finite values")
        return values

    def count_overflow(self, values):
        """How many of `values` are too large for bf16, so that encode clamps them."""
        return int(np.count_nonzero(np.abs(flat(values)) >= OVERFLOW))
