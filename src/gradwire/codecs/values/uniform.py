"""uniform: fixed point between the smallest and the largest value of the message.

ZipML as SketchML describes it (Jiang et al., SIGMOD 2018; Zhang et al., "ZipML", ICML 2017). The data-optimal levels of the ZipML
paper, norms and groups are other coders.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import extent as _extent
from ..._ext import uniform as _uniform
from ...errors import ConfigError, CorruptMessage
from ..base import ValueCoder
from .coding import decode_codes, encode_codes
from .payload import checked, count, flat, refuse_nonfinite, tabled

ROUNDINGS = ("stochastic", "nearest")
CODINGS = ("fixed", "huffman")
_RANGE = struct.Struct("<ff")


@dataclass(frozen=True)
class Uniform(ValueCoder):
    """2^bits equidistant levels from min to max, bits = 1 … 16.

    rounding="stochastic" is unbiased (up to the rounding of a level to float32 and 2⁻³¹ of the range), with ω = dim / 2L²,
    L = 2^bits − 1: a value's variance is at most (max − min)² / 4L², and (max − min)² ≤ 2 ‖x‖². rounding="nearest" is off by at most
    half a level. min and max themselves are exact either way.

    Payload: min and max (float32, the tables), then the codes. coding="fixed": bytes for 8 bits, little-endian uint16 for 16, else packed
    least significant bit first. coding="huffman": through the entropy stage (gradwire.codecs.entropy), shorter where values crowd.
    """

    bits: int = 8
    rounding: str = "stochastic"
    coding: str = "fixed"

    name = "uniform"
    summary = "fixed point between min and max, 1 to 16 bits"
    paper = "Zhang et al., ZipML, ICML 2017, as described by Jiang et al., SketchML, SIGMOD 2018"

    def __post_init__(self):
        if type(self.bits) is not int or not 1 <= self.bits <= 16:
            raise ConfigError(f"expected bits as an integer in 1 … 16, got {self.bits!r}")
        if self.rounding not in ROUNDINGS:
            raise ConfigError(f"expected rounding as one of {', '.join(ROUNDINGS)}, got {self.rounding!r}")
        if self.coding not in CODINGS:
            raise ConfigError(f"expected coding as one of {', '.join(CODINGS)}, got {self.coding!r}")

    @property
    def unbiased(self):
        return self.rounding == "stochastic"

    @property
    def levels(self):
        """L = 2^bits − 1, the code of max."""
        return (1 << self.bits) - 1

    def omega(self, dim):
        return dim / (2 * self.levels**2) if self.unbiased else None

    def tables_nbytes(self, payload, nnz):
        return _RANGE.size

    def encode(self, values, keys, step):
        values = flat(values)
        found = _extent.value_range(values)
        if found is None:
            refuse_nonfinite(self.name, values)
        stochastic = self.rounding == "stochastic"
        seed = step.private("uniform") if stochastic else 0
        if self.coding == "huffman":
            codes = np.empty(len(values), np.uint16)
            _uniform.encode(values, *found, self.bits, seed, stochastic, codes.view(np.uint8), wide=True)
            payload = encode_codes(_RANGE.size, codes, self.levels + 1, self.coding)
        else:
            payload = np.empty(self._nbytes(len(values)), np.uint8)
            _uniform.encode(values, *found, self.bits, seed, stochastic, payload[_RANGE.size :])
        _RANGE.pack_into(payload, 0, *found)
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload = checked(self.name, payload, self._nbytes(nnz)) if self.coding == "fixed" else tabled(self.name, payload, _RANGE.size)
        low, high = _RANGE.unpack_from(payload)
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise CorruptMessage(f"uniform values: expected finite min ≤ max, got {low} and {high}")
        codes, huffman = payload[_RANGE.size :], self.coding == "huffman"
        if huffman:
            codes = decode_codes(self.name, codes, nnz, self.levels + 1, self.coding).view(np.uint8)
        values = np.empty(nnz, np.float32)
        _uniform.decode(codes, low, high, self.bits, values, wide=huffman)
        return values

    def _nbytes(self, nnz):
        return _RANGE.size + _bitpack.packed_nbytes(nnz, self.bits)
