"""quantile: each value becomes the number of its quantile bucket; the buckets' values travel beside the numbers.

SketchML's quantile-bucket quantification: Jiang et al., SketchML, SIGMOD 2018, section 3.2. How buckets are made, and what
happens to exact zeros, is in buckets.py. Buckets of at most m values around midpoints keep Σ(g − ĝ)² ≤ (m / 4)(φ²_min + φ²_max):
m = d / q for values of one sign, d / (q − 1) for both signs and one exact sketch, where the split at zero is one of the q − 1.
It is biased; it does not entropy-code the numbers.

Payload, empty for no values, else:

    0   4  number of buckets B, 1 … q
    4   4  0
    8  4B  the buckets' values, float32, zeros up to a multiple of 8
    …      the numbers, max(1, ⌈log₂ B⌉) bits each, packed as in bitpack.h (plain bytes for 129 to 256 buckets)

B is the number of buckets that this message really has, often less than q: fewer bits then.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import quantile as _quantile
from ...errors import CorruptMessage
from ..base import ValueCoder
from . import buckets as _buckets

_HEAD = 8


@dataclass(frozen=True)
class Quantile(ValueCoder):
    """buckets: q, 2 … 65536. center: value of a bucket, the "midpoint" of its edges (as published) or the "mean" of its members.
    signs: "joint" (one sketch, q − 2 interior quantiles and zero) or "split" (one sketch per sign, q shared by their counts).
    sketch: specification of the quantile sketch; its seed comes from the step unless it names one.
    """

    buckets: int = 256
    center: str = "midpoint"
    signs: str = "joint"
    sketch: str = "kll(k=200)"

    name = "quantile"
    summary = "number of the value's quantile bucket, log2(buckets) bits"
    paper = "SketchML: Jiang et al., SIGMOD 2018"

    def __post_init__(self):
        _buckets.check_options(self)

    def encode(self, values, keys, step):
        if len(values) == 0:
            return np.empty(0, np.uint8)
        found = _buckets.bucketize(values, self, step.private("quantile"))
        count, at = len(found.centers), _tables_nbytes(len(found.centers))
        payload = np.zeros(at + _bitpack.packed_nbytes(len(values), _bits(count)), np.uint8)
        payload[:4].view("<u4")[0] = count
        payload[_HEAD : _HEAD + 4 * count].view("<f4")[:] = found.centers
        _bitpack.pack(found.codes, _bits(count), payload[at:])
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = len(keys) if keys is not None else nnz
        payload = np.frombuffer(payload, np.uint8)
        if nnz == 0 and len(payload) == 0:
            return np.empty(0, np.float32)
        count, reserved = payload[:_HEAD].view("<u4").tolist() if len(payload) >= _HEAD else (0, 0)
        if not 1 <= count <= self.buckets or reserved:
            raise CorruptMessage(f"quantile values: expected a header with 1 … {self.buckets} buckets, got {bytes(payload[:_HEAD])}")
        centers, at = _buckets.read_centers(payload, _HEAD, count), _tables_nbytes(count)
        if len(payload) != at + _bitpack.packed_nbytes(nnz, _bits(count)):
            raise CorruptMessage(f"quantile values: expected {nnz} numbers of {_bits(count)} bits, got {len(payload) - at} bytes")
        codes, values = np.empty(nnz, np.uint16), np.empty(nnz, np.float32)
        _bitpack.unpack(payload[at:], nnz, _bits(count), codes)
        if not _quantile.lookup(codes, centers, values):
            raise CorruptMessage(f"quantile values: expected bucket numbers below {count}")
        return values

    def tables_nbytes(self, payload, nnz):
        return _tables_nbytes(int.from_bytes(payload[:4], "little")) if nnz else 0


def _tables_nbytes(count):
    return _buckets.padded(_HEAD + 4 * count)


def _bits(count):
    # One bucket needs no bits, but with one the payload's length still answers for the number of values.
    return max(1, (count - 1).bit_length())
