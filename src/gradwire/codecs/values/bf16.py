"""bf16: the upper 16 bits of a float32, so its range with 7 bits of mantissa.

Rounding is to the nearest, ties to even. What would become infinite becomes the largest finite value instead: `count_overflow`
says how many of a message's values that are. Not a loss-scaling scheme.
"""

from dataclasses import dataclass

from ..._ext import half as _half
from .half import HalfValues

OVERFLOW = float.fromhex("0x1.ffp127")
"""The largest finite bf16 and half a unit in its last place."""


@dataclass(frozen=True)
class BFloat16Values(HalfValues):
    """Payload: two bytes for each value, little-endian upper half of a float32."""

    name = "bf16"
    summary = "16-bit float (bfloat16), nearest even, clamped to ±3.39e38"
    paper = ""
    overflow = OVERFLOW
    _encode = staticmethod(_half.encode_bf16)
    _decode = staticmethod(_half.decode_bf16)
