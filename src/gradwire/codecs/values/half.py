"""What fp16 and bf16 share: two bytes for each value, rounded to nearest even, clamped instead of infinite."""

from typing import ClassVar

import numpy as np

from ..._ext import extent as _extent
from ...errors import CorruptMessage
from ..base import ValueCoder
from .payload import checked, count, flat, refuse_nonfinite


class HalfValues(ValueCoder):
    """A subclass names its two kernels and the magnitude from which values are clamped."""

    sum_dtype = np.uint16
    overflow: ClassVar[float]

    def encode(self, values, keys, step):
        values = flat(values)
        payload = np.empty(2 * len(values), np.uint8)
        if self._encode(values, payload):
            refuse_nonfinite(self.name, values)
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload = checked(self.name, payload, 2 * nnz)
        values = np.empty(nnz, np.float32)
        if not self._decode(payload, values):
            raise CorruptMessage(f"{self.name} values: expected finite values")
        return values

    def count_overflow(self, values):
        """How many of `values` are too large for 16 bits, so that encode clamps them."""
        return _extent.count_from(flat(values), self.overflow)
