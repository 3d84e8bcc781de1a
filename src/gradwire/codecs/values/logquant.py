"""logquant: sign and rounded logarithm of every value; what is too small to have a code is dropped with its key.

FastSGD's reciprocal mapper, logarithm quantisation and threshold filter (Yang, Chen, Zeng, Gao, arXiv 2112.04291):
e = round(−log_b(|v| / scale)), a pair with e > τ − 1 is dropped, ⌈1 + log₂ τ⌉ bits for each value. The paper gives the three steps and the
bits; base, rounding and scale are ours. Reciprocals are never formed: 1/v of a subnormal is infinite.

No logarithm is computed per value: the code is the number of bounds that |v| is below, and the bounds are a table (`tables`) that
follows from base, τ, rounding and scale by exactly specified arithmetic, so that codes are equal on every machine.
"""

import math
import struct
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import extent as _extent
from ..._ext import logquant as _logquant
from ...errors import ConfigError, CorruptMessage
from ..base import ValueCoder
from .coding import decode_codes, encode_codes
from .payload import checked, count, flat, refuse_nonfinite, tabled

ROUNDINGS = _logquant.ROUNDINGS
SCALES = ("max", "none")
CODINGS = ("fixed", "huffman")
_SCALE = struct.Struct("<f4x")


@lru_cache(maxsize=16)
def powers(base, tau):
    """base^(−i/2) for i = 0 … 2τ, float64: from 60 decimal digits, so it depends on no mathematics library."""
    context = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX)
    step, power, table = context.divide(1, context.sqrt(Decimal(base))), Decimal(1), []
    for _ in range(2 * tau + 1):
        table.append(float(power))
        power = context.multiply(power, step)
    return np.array(table)


def tables(base, tau, rounding, scale):
    """(levels, bounds), float32 (τ,) each, for a float32 scale ≥ 0.

    levels[e] = scale · b^(−e), the decoded magnitude: a product in float64, rounded to float32; 0 where that underflows.
    A magnitude below exactly the first e bounds has the code e; below all of them it has none. bounds[e] is the smallest float32
    that is ≥ scale · b^(−e−½), a product in float64 ("nearest"); levels[e] ("down", "stochastic"); or the next float32 above
    levels[e + 1] ("up"). The bounds do not increase; they are kept above 0 and not above scale, so 0 has no code and the
    largest value has the code 0.
    """
    levels, bounds = np.empty(tau, np.float32), np.empty(1 << (tau - 1).bit_length(), np.float32)
    _logquant.tables(powers(base, tau), tau, rounding, scale, levels, bounds)
    return levels, bounds[:tau]


@dataclass(frozen=True)
class LogQuant(ValueCoder):
    """Codes 0 … τ − 1 for scale · b^(−e), τ = 2 … 32768.

    rounding: "nearest" in the logarithm (within a factor b^±½); "down" (never larger than |v|); "up" (never smaller); "stochastic"
    (unbiased between the two neighbouring powers). scale: "max", the largest magnitude of the message, or "none", 1: larger
    magnitudes then become 1.

    `select` keeps |v| ≥ scale · b^(1−τ) for "down" and "stochastic", half a step more for "nearest", |v| > scale · b^(−τ) for "up".
    That makes the coder biased whatever the rounding: error feedback is the remedy. `encode` alone drops nothing: smaller
    values, zeros too, get the code τ − 1. Where scale · b^(−e) is subnormal, levels are as coarse as float32 and can be 0.

    Payload: for scale="max" the scale (float32) and 4 zero bytes, the tables; then sign · 2^k + e in k + 1 bits, k = ⌈log₂ τ⌉, packed
    least significant bit first (for τ = 65 … 128 these are bytes), or with coding="huffman" through the entropy stage
    (gradwire.codecs.entropy).
    """

    tau: int = 128
    base: float = 2**0.25
    rounding: str = "nearest"
    scale: str = "max"
    coding: str = "fixed"

    name = "logquant"
    summary = "sign and rounded logarithm, 1 + log2 tau bits; drops what is too small"
    paper = "Yang, Chen, Zeng, Gao, FastSGD, arXiv 2112.04291"
    filters = True

    def __post_init__(self):
        if type(self.tau) is not int or not 2 <= self.tau <= 32768:
            raise ConfigError(f"expected tau as an integer in 2 … 32768, got {self.tau!r}")
        if isinstance(self.base, bool) or not isinstance(self.base, int | float) or not 1 < self.base <= 2**64:
            raise ConfigError(f"expected base as a number above 1, at most 2⁶⁴, got {self.base!r}")
        if self.rounding not in ROUNDINGS:
            raise ConfigError(f"expected rounding as one of {', '.join(ROUNDINGS)}, got {self.rounding!r}")
        if self.scale is None:  # the word none of a specification
            object.__setattr__(self, "scale", "none")
        if self.scale not in SCALES:
            raise ConfigError(f"expected scale as one of {', '.join(SCALES)}, got {self.scale!r}")
        if self.coding not in CODINGS:
            raise ConfigError(f"expected coding as one of {', '.join(CODINGS)}, got {self.coding!r}")
        object.__setattr__(self, "base", float(self.base))

    @property
    def bits(self):
        """Bits of one value: ⌈1 + log₂ τ⌉."""
        return 1 + (self.tau - 1).bit_length()

    @property
    def _alphabet(self):
        """Above every word: the largest is −1 with the code τ − 1."""
        return (1 << self.bits - 1) + self.tau

    def select(self, values, step):
        """bool (nnz,): True where e ≤ τ − 1."""
        values = flat(values)
        _, bounds = self._tables(self._scale_of(values))
        mask = np.empty(len(values), bool)
        _extent.mask_from(values, bounds[-1], mask.view(np.uint8))
        return mask

    def tables_nbytes(self, payload, nnz):
        return _SCALE.size if self.scale == "max" else 0

    def encode(self, values, keys, step):
        values = flat(values)
        scale, at = self._scale_of(values), self.tables_nbytes(None, len(values))
        levels, bounds = self._tables(scale)
        fixed = self.coding == "fixed"
        codes = np.empty(self._nbytes(len(values)) if fixed else 2 * len(values), np.uint8)
        seed = step.private("logquant") if self.rounding == "stochastic" else 0
        cells = np.empty(_logquant.MAX_CELLS, np.uint32)
        words = codes[at:] if fixed else codes
        _logquant.encode(values, levels, bounds.base, self.tau, self.rounding, scale, seed, cells, words, wide=not fixed)
        payload = codes if fixed else encode_codes(at, codes.view(np.uint16), self._alphabet, self.coding)
        if at:
            _SCALE.pack_into(payload, 0, scale)
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        at, scale, fixed = self.tables_nbytes(payload, nnz), 1.0, self.coding == "fixed"
        payload = checked(self.name, payload, self._nbytes(nnz)) if fixed else tabled(self.name, payload, at)
        if at:
            (scale,) = _SCALE.unpack_from(payload)
            if not math.isfinite(scale) or math.copysign(1, scale) < 0 or payload[4:8].any():
                raise CorruptMessage(f"logquant values: expected a finite scale ≥ 0 and four zero bytes, got {bytes(payload[:8])}")
        levels, _ = self._tables(scale)
        table = np.zeros((2, 1 << self.bits - 1), np.float32)
        table[0, : self.tau], table[1, : self.tau] = levels, -levels
        words = payload[at:] if fixed else decode_codes(self.name, payload[at:], nnz, self._alphabet, self.coding).view(np.uint8)
        values = np.empty(nnz, np.float32)
        if _logquant.decode(words, table.ravel(), values, wide=not fixed) >= self.tau:
            raise CorruptMessage(f"logquant values: expected codes below {self.tau}")
        return values

    def _nbytes(self, nnz):
        return self.tables_nbytes(None, nnz) + _bitpack.packed_nbytes(nnz, self.bits)

    def _scale_of(self, values):
        peak = _extent.peak(values)
        if peak is None:
            refuse_nonfinite(self.name, values)
        return peak if self.scale == "max" else 1.0

    def _tables(self, scale):
        return tables(self.base, self.tau, self.rounding, scale)
