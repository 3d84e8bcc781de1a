"""fp32: the values as they are. The uncompressed baseline."""

from dataclasses import dataclass

import numpy as np

from ..._ext import extent as _extent
from ...errors import CorruptMessage
from ..base import ValueCoder
from .payload import checked, count, flat, refuse_nonfinite


@dataclass(frozen=True)
class Float32Values(ValueCoder):
    """Payload: the values, little-endian float32."""

    name = "fp32"
    summary = "32-bit float, the uncompressed baseline"
    paper = ""
    sum_dtype = np.float32
    unbiased = True

    def encode(self, values, keys, step):
        values = flat(values)
        if _extent.peak(values) is None:
            refuse_nonfinite(self.name, values)
        return values.view(np.uint8)

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload = checked(self.name, payload, 4 * nnz)
        values = np.empty(nnz, np.float32)
        if not _extent.copy_finite(payload.view("<f4"), values):
            raise CorruptMessage("fp32 values: expected finite values")
        return values

    def omega(self, dim):
        return 0.0
