"""bitmap: one bit for each number below dim, set for those that are keys. Wins when more than about every eighth number is a key.

The payload has ⌈dim/8⌉ bytes however few keys there are, and encoding allocates and decoding reads as many: 512 MB with dim = 2³². So it
refuses a dim above `max_dim`, and `adaptive` takes it only below that and where it is smallest. The format stands in cython_ext/bitmap.h.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import bitmap as _bitmap
from ...errors import ConfigError, CorruptMessage, IncompatibleError
from ...gradient import MAX_DIM, checked_keys
from ..base import KeyCoder
from .gaps import UNLIMITED


@dataclass(frozen=True)
class Bitmap(KeyCoder):
    """Payload: ⌈dim/8⌉ bytes, bit k % 8 of byte k // 8 for key k; nothing for no keys.

    max_dim: the largest dim that is encoded, up to 2³²; IncompatibleError above it. The default is a payload of 128 MB.
    """

    max_dim: int = 1 << 30

    name = "bitmap"
    summary = "one bit for each number below dim"
    paper = ""

    def __post_init__(self):
        if type(self.max_dim) is not int or not 1 <= self.max_dim <= MAX_DIM:
            raise ConfigError(f"expected max_dim 1 … 2³², got {self.max_dim!r}")

    def encode(self, keys, dim):
        keys = checked_keys(keys, dim)
        if not len(keys):
            return np.empty(0, np.uint8)
        if dim > self.max_dim:
            raise IncompatibleError(
                f"bitmap: expected dim up to {self.max_dim}, got {dim}: {dim // 8} bytes for {len(keys)} keys; "
                f"other key coders take it, and so does bitmap(max_dim={dim})"
            )
        out = np.zeros((dim + 63) // 64 * 8, np.uint8)
        _bitmap.encode(keys, out)
        return out[: (dim + 7) // 8]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        expected = (dim + 7) // 8 if nnz else 0
        if len(payload) != expected:
            raise CorruptMessage(f"bitmap: expected {expected} bytes for {nnz} keys below {dim}, got {len(payload)}")
        if not nnz:
            return np.empty(0, np.uint32)
        if dim % 8 and payload[-1] >> dim % 8:
            raise CorruptMessage(f"bitmap: expected no bit from {dim} on, got {payload[-1]:#04x} as the last byte")
        count = _bitmap.count(payload)
        if count != nnz:
            raise CorruptMessage(f"bitmap: expected {nnz} set bits, got {count}")
        keys = np.empty(nnz, np.uint32)
        _bitmap.decode(payload, keys)
        return keys

    def estimate(self, keys, dim):
        """Exact; above max_dim more than any size, so that `adaptive` does not choose it."""
        if not len(keys):
            return 0
        return (dim + 7) // 8 if dim <= self.max_dim else UNLIMITED
