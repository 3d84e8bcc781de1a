"""natural: every value becomes a power of two, up or down at random so that the mean stays.

C_nat of Horváth, Ho, Horváth, Sahu, Canini, Richtárik, "Natural Compression for Distributed Deep Learning", arXiv 1905.10988:
p(down) = (2^⌈log₂|t|⌉ − |t|) / 2^⌊log₂|t|⌋. Natural dithering, which works relative to a norm, is another coder.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import natural as _natural
from ...errors import ConfigError, CorruptMessage
from ..base import ValueCoder
from .payload import checked, count, flat, refuse_nonfinite

ROUNDINGS = ("stochastic", "nearest")


@dataclass(frozen=True)
class NaturalValues(ValueCoder):
    """Sign and exponent, nothing else.

    bits=9: all of float32's exponents. Payload: n bytes of exponent fields, then a bitmap of n signs (⌈n/8⌉ bytes, least significant
    bit first). Values from 2¹²⁷ on become 2¹²⁷; subnormals become 0 or 2⁻¹²⁶.
    bits=8, what the authors' GPU code sends: one byte for each value, sign and a code: 0 is zero, 1 … 127 are 2⁻¹⁰⁹ … 2¹⁷.
    Values above 2¹⁷ become 2¹⁷, those below 2⁻¹⁰⁹ become 0 or 2⁻¹⁰⁹.

    rounding="stochastic": unbiased, below the smallest power too, with ω = 1/8; not where values are clamped, which is why bits=8
    makes no claim. Below 2⁻¹²⁶ it is unbiased, but the ω bound does not hold. rounding="nearest": the nearer power,
    1.5 · 2ᵏ goes up; biased, and no result is off by more than a third of the value.
    """

    bits: int = 9
    rounding: str = "stochastic"

    name = "natural"
    summary = "natural compression: random rounding to a power of two, 9 or 8 bits"
    paper = "Horváth et al., Natural Compression for Distributed Deep Learning, arXiv 1905.10988"

    def __post_init__(self):
        if type(self.bits) is not int or self.bits not in (8, 9):
            raise ConfigError(f"expected bits=9 or bits=8, got {self.bits!r}")
        if self.rounding not in ROUNDINGS:
            raise ConfigError(f"expected rounding as one of {', '.join(ROUNDINGS)}, got {self.rounding!r}")

    @property
    def unbiased(self):
        return self.bits == 9 and self.rounding == "stochastic"

    def omega(self, dim):
        return 0.125 if self.unbiased else None

    def encode(self, values, keys, step):
        values = flat(values)
        payload = np.empty(self._nbytes(len(values)), np.uint8)
        encode = _natural.encode9 if self.bits == 9 else _natural.encode8
        stochastic = self.rounding == "stochastic"
        if not encode(values, step.private("natural") if stochastic else 0, stochastic, payload):
            refuse_nonfinite(self.name, values)
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload = checked(self.name, payload, self._nbytes(nnz))
        values = np.empty(nnz, np.float32)
        if self.bits == 8:
            _natural.decode8(payload, values)
        elif not _natural.decode9(payload, values):
            raise CorruptMessage("natural values: expected exponent fields up to 254, got 255")
        return values

    def _nbytes(self, nnz):
        return nnz + (nnz + 7) // 8 if self.bits == 9 else nnz
