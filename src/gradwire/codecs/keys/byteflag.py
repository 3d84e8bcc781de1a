"""byteflag: gaps in 1 to 4 whole bytes with 2-bit flags, SketchML's delta-binary encoding.

Jiang et al., SIGMOD 2018, section 3.4. Gaps are coded as they are, not minus 1, as in the paper. At least 10 bits per key: it does not
profit from runs of consecutive keys. The format stands in cython_ext/byteflag.h.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import byteflag as _byteflag
from ...errors import ConfigError
from ..base import KeyCoder
from . import check_decoded, check_room, no_keys, plain_keys, refuse


@dataclass(frozen=True)
class ByteFlag(KeyCoder):
    """Payload: the 2-bit flags of all gaps, then the gaps in as many bytes as the flags say.

    lengths: the byte lengths in use, "1234" (the paper) or "124" (the authors' code); a number is taken as well.
    """

    lengths: str = "1234"

    name = "byteflag"
    summary = "gaps in whole bytes with 2-bit flags (delta-binary encoding)"
    paper = "SketchML, Jiang et al., SIGMOD 2018, section 3.4"

    def __post_init__(self):
        object.__setattr__(self, "lengths", str(self.lengths))
        if self.lengths not in ("1234", "124"):
            raise ConfigError(f"expected lengths 1234 or 124, got {self.lengths!r}")

    def encode(self, keys, dim):
        keys = plain_keys(keys, dim)
        out = np.empty(self.estimate(keys, dim) + _byteflag.SLACK, np.uint8)
        return out[: _byteflag.encode(keys, self._three, out)]

    def decode(self, payload, nnz, dim):
        payload = np.frombuffer(payload, np.uint8)
        if not nnz:
            return no_keys("byteflag", payload)
        check_room("byteflag", len(payload), (nnz + 3) // 4 + nnz, nnz, dim)
        keys = np.empty(nnz, np.uint32)
        check_decoded("byteflag", _byteflag.decode(payload, dim, self._three, keys), len(payload), nnz, dim)
        return keys

    def estimate(self, keys, dim):
        keys = plain_keys(keys, dim)
        size = _byteflag.measure(keys, dim, self._three)
        return size if size >= 0 else refuse(keys, dim)

    @property
    def _three(self):
        """May a gap take three bytes?"""
        return self.lengths == "1234"
