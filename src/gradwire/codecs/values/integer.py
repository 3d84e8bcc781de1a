"""integer: whole multiples of a common step, whose sum over ranks is a sum of integers and cannot wrap.

IntSGD: Mishchenko, Wang, Kovalev, Richtárik, ICLR 2022 (arXiv 2102.08374): random rounding to integers that an allreduce adds. There the
scale follows the iterates; here, as in SwitchML, it is the largest magnitude of all ranks' values, which they agree on first.

With P payloads to be added, codes are at most L = ⌊(2^(bits−1) − 1) / P⌋ in magnitude: P · L < 2^(bits−1), so no sum leaves the integers'
range, whatever the values are. The price: log₂ P of the bits.
"""

import copy
import struct
from dataclasses import dataclass

import numpy as np

from ..._ext import rows as _rows
from ...errors import ConfigError, CorruptMessage, IncompatibleError
from ..base import ValueCoder
from .payload import checked, count, flat, refuse_nonfinite

_HEAD = struct.Struct("<fI")
_DTYPES = {8: np.int8, 16: np.int16, 32: np.int32}


@dataclass(frozen=True)
class Integer(ValueCoder):
    """bits: 8, 16 or 32. rounding: "stochastic", unbiased with ω = dim / 4L² for a payload of its own peak, or "nearest".

    Payload: the peak (float32), P (uint32), then the codes, little-endian two's complement. A value is code · peak / L.
    """

    bits: int = 8
    rounding: str = "stochastic"

    name = "integer"
    summary = "whole multiples of a step that all ranks share: sums that cannot wrap"
    paper = "IntSGD: Mishchenko et al., ICLR 2022 (arXiv 2102.08374)"
    shares_peak = True
    _common = None
    """(peak, P) of `with_peak`."""

    def __post_init__(self):
        if type(self.bits) is not int or self.bits not in _DTYPES:
            raise ConfigError(f"expected bits as one of {', '.join(map(str, _DTYPES))}, got {self.bits!r}")
        if self.rounding not in ("stochastic", "nearest"):
            raise ConfigError(f"expected rounding as one of stochastic, nearest, got {self.rounding!r}")

    @property
    def unbiased(self):
        return self.rounding == "stochastic"

    @property
    def sum_dtype(self):
        return _DTYPES[self.bits]

    def omega(self, dim):
        return dim / (4 * self._limit(1) ** 2) if self.unbiased else None

    def check_sum(self, size):
        if self._limit(size) < 1:
            raise IncompatibleError(
                f"integer: expected at most {self._limit(1)} ranks for sums of {self.bits} bits that cannot wrap, got {size}; use more bits"
            )

    def with_peak(self, peak, size):
        self.check_sum(size)
        coder = copy.copy(self)
        object.__setattr__(coder, "_common", (float(np.float32(peak)), size))
        return coder

    def tables_nbytes(self, payload, nnz):
        return _HEAD.size

    def encode(self, values, keys, step):
        values = flat(values)
        refuse_nonfinite(self.name, values)
        peak, size = self._common or (float(np.abs(values).max(initial=0)), 1)
        payload = np.empty(_HEAD.size + self.bits // 8 * len(values), np.uint8)
        _HEAD.pack_into(payload, 0, peak, size)
        limit = self._limit(size)
        noise = 0.5
        if self.unbiased:
            noise = (_rows.random32(step.private("integer"), np.arange(len(values))) + 0.5) * 2.0**-32
        codes = np.floor(values.astype(np.float64) * (limit / peak if peak else 0.0) + noise)
        payload[_HEAD.size :].view(self._wire)[:] = np.clip(codes, -limit, limit)
        return payload

    def decode(self, payload, keys, step, nnz=None):
        payload = checked(self.name, payload, _HEAD.size + self.bits // 8 * count(keys, nnz))
        peak, size = _HEAD.unpack_from(payload)
        limit = self._limit(size) if size else 0
        if not (np.isfinite(peak) and peak >= 0 and limit):
            raise CorruptMessage(f"integer values: expected a peak ≥ 0 and 1 … {self._limit(1)} payloads, got {peak} and {size}")
        codes = payload[_HEAD.size :].view(self._wire)
        if len(codes) and not -limit <= int(codes.min()) <= int(codes.max()) <= limit:
            raise CorruptMessage(f"integer values: expected codes in ±{limit}, got {codes.min()} … {codes.max()}")
        return (codes * (peak / limit)).astype(np.float32)

    def mean_of_sum(self, total, size):
        peak, payloads = self._common
        return (total * (peak / self._limit(payloads) / size)).astype(np.float32)

    def _limit(self, size):
        """L: the largest code of one of `size` payloads."""
        return ((1 << self.bits - 1) - 1) // size

    @property
    def _wire(self):
        return np.dtype(self.sum_dtype).newbyteorder("<")
