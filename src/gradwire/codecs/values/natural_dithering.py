"""natural_dithering: dithering whose levels are powers of two of the norm, up or down at random so that the mean stays.

D_nat of Horváth et al., "Natural Compression", arXiv 1905.10988, section 4: levels 0, 2^(1−s), …, ½, 1.

Payload: the norms of the groups, then a code for each value as in dithering.py, with k for the level 2^(k−s) and 0 for zero. Norms are
float32 ("fp32") or bytes, the exponent fields of their natural compression ("natural"); zeros follow up to a multiple of 8.
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import dithering as _dithering
from ..._ext import natural as _natural
from ...errors import ConfigError, CorruptMessage
from ..base import ValueCoder
from .coding import check_coding, check_group_size, decode_codes, encode_codes, groups, padded, write_floats
from .dithering import check_p, norms_of, read_norms, root
from .payload import count, flat

NORMS = ("fp32", "natural")


@dataclass(frozen=True)
class NaturalDitheringValues(ValueCoder):
    """levels: s, 1 … 64. p: 1, 2 or inf. group_size: values that share a norm, 0 for all. norm: "fp32" or "natural", which rounds the norm
    itself to a power of two at random. coding: "fixed" (1 + ⌈log₂(s + 1)⌉ bits), "elias", "huffman".

    Unbiased, with ω = 1/8 + t · min(1, t), t = √d 2^(1−s) (d for √d if p = 1), d the group's size; norm="natural" makes ω + 1 9/8 times as
    large. Not unbiased for natural norms above 2¹²⁷, which become 2¹²⁷.
    """

    levels: int = 8
    p: float = 2.0
    group_size: int = 0
    norm: str = "fp32"
    coding: str = "fixed"

    name = "natural_dithering"
    summary = "random rounding to the norm times a power of two"
    paper = "Horváth et al., Natural Compression for Distributed Deep Learning, arXiv 1905.10988"
    unbiased = True

    def __post_init__(self):
        if type(self.levels) is not int or not 1 <= self.levels <= _dithering.MAX_NATURAL_LEVELS:
            raise ConfigError(f"expected levels as an integer in 1 … {_dithering.MAX_NATURAL_LEVELS}, got {self.levels!r}")
        check_p(self.p)
        check_group_size(self.group_size)
        if self.norm not in NORMS:
            raise ConfigError(f"expected norm as one of {', '.join(NORMS)}, got {self.norm!r}")
        check_coding(self.coding)

    def omega(self, dim):
        share = root(dim, self.group_size, self.p) * 2.0 ** (1 - self.levels)
        omega = 0.125 + share * min(1.0, share)
        return omega if self.norm == "fp32" else 9 / 8 * (1 + omega) - 1

    def tables_nbytes(self, payload, nnz):
        return padded((4 if self.norm == "fp32" else 1) * groups(nnz, self.group_size)[1])

    def encode(self, values, keys, step):
        values = flat(values)
        norms = norms_of(self.name, values, self.group_size, self.p)
        codes = np.empty(len(values), np.uint16)
        size, _ = groups(len(values), self.group_size)
        _dithering.encode_natural(values, size, norms, self.levels, step.private("natural_dithering"), codes)
        payload = encode_codes(self.tables_nbytes(b"", len(values)), codes, self._alphabet, self.coding)
        if self.norm == "fp32":
            write_floats(payload, norms)
        else:
            _write_fields(payload, norms, step.private("natural_dithering norm"))
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        payload = np.frombuffer(payload, np.uint8)
        codes = decode_codes(self.name, payload[self.tables_nbytes(payload, nnz) :], nnz, self._alphabet, self.coding)
        if self.norm == "fp32":
            norms = read_norms(self.name, payload, nnz, self.group_size)
        else:
            norms = _read_fields(self.name, payload, groups(nnz, self.group_size)[1])
        values = np.empty(nnz, np.float32)
        _dithering.decode_natural(codes, groups(nnz, self.group_size)[0], norms, self.levels, values)
        return values

    @property
    def _alphabet(self):
        return 2 * self.levels + 1


def _write_fields(payload, norms, seed):
    """The exponent fields of the norms and zeros up to a multiple of 8."""
    natural = np.empty(len(norms) + (len(norms) + 7) // 8, np.uint8)
    _natural.encode9(norms, seed, True, natural)
    payload[: len(norms)] = natural[: len(norms)]
    payload[len(norms) : padded(len(norms))] = 0


def _read_fields(name, payload, n_groups):
    if payload[n_groups : padded(n_groups)].any():
        raise CorruptMessage(f"{name} values: expected zeros behind the norms")
    norms = np.empty(n_groups, np.float32)
    if not _natural.decode9(np.concatenate([payload[:n_groups], np.zeros((n_groups + 7) // 8, np.uint8)]), norms):
        raise CorruptMessage(f"{name} values: expected exponent fields up to 254, got 255")
    return norms
