"""raw: 32 bits per key. The uncompressed baseline."""

from dataclasses import dataclass

import numpy as np

from ..._ext import sparse as _sparse
from ...errors import CorruptMessage
from ...gradient import checked_keys
from ..base import KeyCoder


@dataclass(frozen=True)
class Raw(KeyCoder):
    """Payload: the keys, little-endian uint32."""

    name = "raw"
    summary = "32 bits per key, the uncompressed baseline"
    paper = ""

    def encode(self, keys, dim):
        return checked_keys(keys, dim).astype("<u4", copy=False).view(np.uint8)

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if len(payload) != 4 * nnz:
            raise CorruptMessage(f"raw keys: expected {4 * nnz} bytes, got {len(payload)}")
        keys = payload.view("<u4").astype(np.uint32)
        if _sparse.first_unsorted(keys, dim) >= 0:
            raise CorruptMessage(f"raw keys: expected strictly increasing keys below {dim}")
        return keys

    def estimate(self, keys, dim):
        return 4 * len(keys)
