"""fp16: 5 bits of exponent, 10 of mantissa, the usual 16-bit baseline. Values below 2⁻²⁵ become zero.

Rounding is to the nearest, ties to even. What would become infinite becomes the largest finite value instead: `count_overflow`
says how many of a message's values that are. Not a loss-scaling scheme.
"""

from dataclasses import dataclass

from ..._ext import half as _half
from .half import HalfValues

OVERFLOW = 65520.0
"""65520 = 65504 and half a unit in its last place."""


@dataclass(frozen=True)
class Float16Values(HalfValues):
    """Payload: two bytes for each value, little-endian IEEE 754 binary16."""

    name = "fp16"
    summary = "16-bit float (IEEE half), nearest even, clamped to ±65504"
    paper = ""
    overflow = OVERFLOW
    _encode = staticmethod(_half.encode_fp16)
    _decode = staticmethod(_half.decode_fp16)
