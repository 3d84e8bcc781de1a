"""fp16: 5 bits of exponent, 10 of mantissa, the usual 16-bit baseline. Values below 2⁻²⁵ become zero.

Rounding is to the nearest, ties to even. What would become infinite becomes the largest finite value instead: `count_overflow`
says how many of a message's values that are. Not a loss-scaling scheme.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import half as _half
from ...errors import CorruptMessage
from ..base import ValueCoder
from .payload import checked, count, flat, refuse_nonfinite

OVERFLOW = 65520.0
"""Magnitudes from here on are clamped: 65520 = 65504 and half a unit in its last place."""


@dataclass(frozen=True)
class Float16Values(ValueCoder):
    """Payload: two bytes for each value, little-endian IEEE 754 binary16."""

    name = "fp16"
    summary = "16-bit float (IEEE half), nearest even, clamped to ±65504"
    paper = ""
    sum_dtype = np.uint16

    def encode(self, values, keys, step):
        values = flat(values)
        payload = np.empty(2 * len(values), np.uint8)
        if _half.encode_fp16(values, payload):
            refuse_nonfinite(self.name, values)
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload = checked(self.name, payload, 2 * nnz)
        values = np.empty(nnz, np.float32)
        if not _half.decode_fp16(payload, values):
            raise CorruptMessage("fp16 values: expected finite values")
        return values

    def count_overflow(self, values):
        """How many of `values` are too large for fp16, so that encode clamps them."""
        return int(np.count_nonzero(np.abs(flat(values)) >= OVERFLOW))
