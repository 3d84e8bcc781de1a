"""fp32: the values as they are. The uncompressed baseline."""

from dataclasses import dataclass

import numpy as np

from ..._ext import sparse as _sparse
from ...errors import CorruptMessage
from ..base import ValueCoder


@dataclass(frozen=True)
class Float32Values(ValueCoder):
    """Payload: the values, little-endian float32."""

    name = "fp32"
    summary = "32-bit float, the uncompressed baseline"
    paper = ""
    unbiased = True

    def encode(self, values, keys, step):
        return np.ascontiguousarray(values, "<f4").view(np.uint8)

    def decode(self, payload, keys, step, nnz=None):
        nnz = len(keys) if keys is not None else nnz
        payload = np.frombuffer(payload, np.uint8)
        if len(payload) != 4 * nnz:
            raise CorruptMessage(f"fp32 values: expected {4 * nnz} bytes, got {len(payload)}")
        values = payload.view("<f4").astype(np.float32)
        if _sparse.first_nonfinite(values) >= 0:
            raise CorruptMessage("fp32 values: expected finite values")
        return values

    def omega(self, dim):
        return 0.0
