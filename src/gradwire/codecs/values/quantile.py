"""quantile: each value becomes the number of its quantile bucket; the buckets' values travel beside the numbers.

SketchML's quantile-bucket quantification: Jiang et al., SketchML, SIGMOD 2018, section 3.2; the exact tail and the Huffman codes are
ours. How buckets are made, and what happens to exact zeros, is in buckets.py. Buckets of at most m values around midpoints keep
Σ(g − ĝ)² ≤ (m / 4)(φ²_min + φ²_max): m = d / q for values of one sign, d / (q − 1) for both signs and one exact sketch, where the
split at zero is one of the q − 1; an approximate sketch adds 2 · rank_error · d to m. It is biased.

exact_tail: of d values those whose magnitude is above that of the (k + 1)-th largest, k = ⌊exact_tail · d⌋, travel as they are; so at
most k, and none of several that are equal at the border. Buckets are made of the others. The code behind the last bucket's says
"the next exact value", so positions cost nothing beside the code; one of the q codes is for that, if exact_tail is not 0.

Payload, empty for no values, else:

    0   4  number of buckets B, 1 … q
    4   4  number of exact values E; 0 without exact_tail
    8  4B  the buckets' values, float32, zeros up to a multiple of 8
    …  4E  the exact values, float32, in the order of their positions
    …      the codes, below A = B, or B + 1 if exact_tail is not 0: coding="fixed": max(1, ⌈log₂ A⌉) bits each, packed as in bitpack.h
           (plain bytes for 129 to 256 codes); coding="huffman": the payload of entropy.encode(codes, A)

B is the number of buckets that this message really has, often less than q: fewer bits then.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import bitpack as _bitpack
from ..._ext import quantile as _quantile
from ...errors import ConfigError, CorruptMessage
from .. import entropy as _entropy
from ..base import ValueCoder
from . import buckets as _buckets
from .payload import count, flat

_HEAD = 8


@dataclass(frozen=True)
class Quantile(ValueCoder):
    """buckets: q, 2 … 65536, at least 3 with an exact tail. center: value of a bucket, the "midpoint" of its edges (as published) or
    the "mean" of its members. signs: "joint" (one sketch, q − 2 interior quantiles and zero) or "split" (one sketch per sign, q shared
    by their counts). sketch: specification of the quantile sketch; its seed, if it has one, comes from the step unless it names one.
    exact_tail: share of the values, those of largest magnitude, that stay exact, 0 … 0.5. coding: "fixed" or "huffman".
    """

    buckets: int = 256
    center: str = "midpoint"
    signs: str = "joint"
    sketch: str = "histogram"
    exact_tail: float = 0.0
    coding: str = "fixed"

    name = "quantile"
    summary = "number of the value's quantile bucket, log2(buckets) bits"
    paper = "SketchML: Jiang et al., SIGMOD 2018"

    def __post_init__(self):
        _buckets.check_options(self)
        if self.exact_tail and self.buckets < 3:
            raise ConfigError(f"expected at least 3 buckets with an exact tail, which takes one code, got {self.buckets}")

    def encode(self, values, keys, step):
        values = flat(values)
        if len(values) == 0:
            return np.empty(0, np.uint8)
        bound, rest = _buckets.tail(values, self.exact_tail, self.name)
        found = _buckets.cut(rest, self, step.private("quantile"), self._most_buckets)
        exact, alphabet = len(values) - len(rest), self._alphabet(found.count)
        at = _tables_nbytes(found.count) + 4 * exact
        payload, codes = self._buffers(at, len(values), alphabet)
        _quantile.assign(values, found.splits, codes)
        values_of = payload if self.coding == "fixed" else np.zeros(at, np.uint8)
        if exact:
            _quantile.mark(values, bound, found.count, codes, values_of[at - 4 * exact : at].view("<f4"))
        centers = _buckets.centers(found, self.center, values, codes)
        values_of[:_HEAD].view("<u4")[:] = found.count, exact
        values_of[_HEAD : _HEAD + 4 * found.count].view("<f4")[:] = centers
        if self.coding == "huffman":
            return np.concatenate([values_of, _entropy.encode(codes, alphabet)])
        if codes.dtype == np.uint16:
            _bitpack.pack(codes, _bits(alphabet), payload[at:])
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz, payload = count(keys, nnz), np.frombuffer(payload, np.uint8)
        if nnz == 0 and len(payload) == 0:
            return np.empty(0, np.float32)
        buckets, exact = payload[:_HEAD].view("<u4").tolist() if len(payload) >= _HEAD else (0, 0)
        if not 1 <= buckets <= self._most_buckets or exact > (nnz if self.exact_tail else 0):
            raise CorruptMessage(f"quantile values: expected a header with 1 … {self._most_buckets} buckets, got {bytes(payload[:_HEAD])}")
        centers, at = _buckets.read_centers(payload, _HEAD, buckets), _tables_nbytes(buckets)
        tail = _buckets.read_centers(payload, at, exact)
        codes = self._codes(payload[at + 4 * exact :], nnz, self._alphabet(buckets))
        values = np.empty(nnz, np.float32)
        table = np.append(centers, np.float32(0)) if self.exact_tail else centers
        if not _quantile.lookup(codes, table, values):
            raise CorruptMessage(f"quantile values: expected codes below {len(table)}")
        if self.exact_tail and not _quantile.fill(codes, buckets, tail, values):
            raise CorruptMessage(f"quantile values: expected {exact} codes for exact values, got another number")
        return values

    def tables_nbytes(self, payload, nnz):
        return _tables_nbytes(int.from_bytes(payload[:4], "little")) if nnz else 0

    @property
    def _most_buckets(self):
        return self.buckets - (self.exact_tail > 0)

    def _alphabet(self, buckets):
        return buckets + (self.exact_tail > 0)

    def _buffers(self, at, nnz, alphabet):
        """The payload (None where its size is not known yet), and the codes: its last bytes where these are the codes."""
        if self.coding == "huffman":
            return None, np.empty(nnz, np.uint16)
        bits = _bits(alphabet)
        payload = np.empty(at + _bitpack.packed_nbytes(nnz, bits), np.uint8)
        payload[:at] = 0
        return payload, payload[at:] if bits == 8 else np.empty(nnz, np.uint16)

    def _codes(self, packed, nnz, alphabet):
        """uint8 or uint16 (nnz,), from the end of a payload."""
        if self.coding == "huffman":
            return _entropy.decode(packed, nnz, alphabet)
        bits = _bits(alphabet)
        if len(packed) != _bitpack.packed_nbytes(nnz, bits):
            raise CorruptMessage(f"quantile values: expected {nnz} codes of {bits} bits, got {len(packed)} bytes")
        if bits == 8:
            return packed
        codes = np.empty(nnz, np.uint16)
        _bitpack.unpack(packed, nnz, bits, codes)
        return codes


def _tables_nbytes(buckets):
    return _buckets.padded(_HEAD + 4 * buckets)


def _bits(alphabet):
    # One code needs no bits, but with one the payload's length still answers for the number of values.
    return max(1, (alphabet - 1).bit_length())
