"""dithering: every value becomes one of u + 1 multiples of its group's norm, up or down at random so that the mean stays.

D_sta of Horváth et al., "Natural Compression", arXiv 1905.10988, section 4: QSGD (Alistarh et al., NIPS 2017) is p = 2, TernGrad (Wen et
al., NIPS 2017) is p = inf with one level. QSGD's own coding of the positions of the nonzero levels is not here: keys have their coders.

Payload: the norms (float32, one per group, zeros up to a multiple of 8; they are the tables), then a code for each value: 2k for level
k of a positive value, 2k − 1 for a negative one, written as coding.py says. Rounding and arithmetic stand in cython_ext/dithering.h.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..._ext import dithering as _dithering
from ...errors import ConfigError, CorruptMessage
from ..base import ValueCoder
from .coding import check_coding, check_group_size, decode_codes, encode_codes, groups, padded, read_floats, write_floats
from .payload import checked, count, flat, refuse_nonfinite


def check_p(p):
    """ConfigError unless p is 1, 2 or inf. Others would need a power function that is not the same everywhere."""
    if isinstance(p, bool) or p not in (1, 2, math.inf):
        raise ConfigError(f"expected p as 1, 2 or inf, got {p!r}")


def norms_of(name, values, group_size, p):
    """float32 (groups,): the p-norm of each group, at most the largest float. DataError for NaN and infinities."""
    size, n_groups = groups(len(values), group_size)
    norms = np.empty(n_groups, np.float32)
    if not _dithering.norms(values, size, 0 if math.isinf(p) else int(p), norms):
        refuse_nonfinite(name, values)
    return norms


def read_norms(name, payload, nnz, group_size):
    """float32 (groups,) from the first bytes of `payload`, finite and without sign."""
    norms = read_floats(name, payload, (groups(nnz, group_size)[1],))
    if np.signbit(norms).any():
        raise CorruptMessage(f"{name} values: expected norms that are not negative")
    return norms


def root(dim, group_size, p):
    """d^(1/r), r = min(p, 2), of the largest group of a gradient of dimension `dim`."""
    d = min(dim, group_size or dim)
    return float(d) if p == 1 else math.sqrt(d)


@dataclass(frozen=True)
class Dithering(ValueCoder):
    """levels: u, 1 … 32767; 127 makes one byte. p: 1, 2 or inf. group_size: values that share a norm, 0 for all. coding: "fixed", "elias"
    or "huffman": the last two are for levels that are rarely used (p = 2, many values in a group).

    Unbiased, with ω = t · min(1, t), t = √d / u (d for √d if p = 1), d the group's size; where p = inf and u = 1, (√d − 1) / 2 if that is
    less. Unbiased to a relative 2⁻²² (arithmetic in float32) and 2⁻³¹ of a level.
    """

    levels: int = 127
    p: float = 2.0
    group_size: int = 0
    coding: str = "fixed"

    name = "dithering"
    summary = "random rounding to multiples of the p-norm (QSGD, TernGrad)"
    paper = "QSGD: Alistarh et al., NIPS 2017; Horváth et al., arXiv 1905.10988"
    unbiased = True

    def __post_init__(self):
        if type(self.levels) is not int or not 1 <= self.levels <= _dithering.MAX_LEVELS:
            raise ConfigError(f"expected levels as an integer in 1 … {_dithering.MAX_LEVELS}, got {self.levels!r}")
        check_p(self.p)
        check_group_size(self.group_size)
        check_coding(self.coding)

    def omega(self, dim):
        share = root(dim, self.group_size, self.p) / self.levels
        omega = share * min(1.0, share)
        return min(omega, (share - 1) / 2) if math.isinf(self.p) and self.levels == 1 else omega

    def tables_nbytes(self, payload, nnz):
        return padded(4 * groups(nnz, self.group_size)[1])

    def encode(self, values, keys, step):
        values = flat(values)
        size, _ = groups(len(values), self.group_size)
        norms, seed = norms_of(self.name, values, self.group_size, self.p), step.private("dithering")
        at = padded(4 * len(norms))
        if self._is_bytes:
            payload = np.empty(at + len(values), np.uint8)
            _dithering.encode(values, size, norms, self.levels, seed, payload[at:])
        else:
            codes = np.empty(len(values), np.uint16)
            _dithering.encode(values, size, norms, self.levels, seed, codes.view(np.uint8))
            payload = encode_codes(at, codes, self._alphabet, self.coding)
        write_floats(payload, norms)
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload = np.frombuffer(payload, np.uint8)
        at = self.tables_nbytes(payload, nnz)
        if self._is_bytes:
            codes = checked(self.name, payload, at + nnz)[at:]
        else:
            codes = decode_codes(self.name, payload[at:], nnz, self._alphabet, self.coding).view(np.uint8)
        norms, values = read_norms(self.name, payload, nnz, self.group_size), np.empty(nnz, np.float32)
        if not _dithering.decode(codes, groups(nnz, self.group_size)[0], norms, self.levels, values):
            raise CorruptMessage(f"{self.name} values: expected codes up to {2 * self.levels}")
        return values

    @property
    def _alphabet(self):
        return 2 * self.levels + 1

    @property
    def _is_bytes(self):
        return self.coding == "fixed" and self._alphabet in range(130, 257)
