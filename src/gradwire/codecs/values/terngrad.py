"""terngrad: every value becomes −s, 0 or s, s the largest magnitude of its group, at random so that the mean stays.

Wen et al., "TernGrad: Ternary Gradients to Reduce Communication in Distributed Deep Learning", NIPS 2017; the same as dithering(levels=1,
p=inf), but five values share a byte. The paper's groups are layers; its scaler sharing between workers is not here.

Payload: s of each group (float32, zeros up to a multiple of 8; the tables), then the codes 0, 1, 2 for 0, −s, s as trits.h packs them.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..._ext import dithering as _dithering
from ..._ext import trits as _trits
from ...errors import ConfigError, CorruptMessage
from ..base import ValueCoder
from .coding import check_group_size, groups, padded, write_floats
from .dithering import norms_of, read_norms, root
from .payload import checked, count, flat


@dataclass(frozen=True)
class TernGradValues(ValueCoder):
    """clip: c, values beyond c standard deviations of their group (around its mean) are cut to that first; 0 for no clipping, the paper
    takes 2.5. A group whose standard deviation is 0 is not clipped. group_size: values that share an s, 0 for all.

    Unbiased without clipping, with ω = (√d − 1) / 2, d the group's size. With it s is smaller, and so is the variance.
    """

    clip: float = 0.0
    group_size: int = 0

    name = "terngrad"
    summary = "random rounding to -s, 0 or s, five values in a byte"
    paper = "TernGrad: Wen et al., NIPS 2017"

    def __post_init__(self):
        if isinstance(self.clip, bool) or not isinstance(self.clip, int | float) or not 0 <= self.clip < math.inf:
            raise ConfigError(f"expected clip as a number from 0 on (0: no clipping), got {self.clip!r}")
        check_group_size(self.group_size)

    @property
    def unbiased(self):
        return self.clip == 0

    def omega(self, dim):
        return (root(dim, self.group_size, math.inf) - 1) / 2 if self.unbiased else None

    def tables_nbytes(self, payload, nnz):
        return padded(4 * groups(nnz, self.group_size)[1])

    def encode(self, values, keys, step):
        values = flat(values)
        size, n_groups = groups(len(values), self.group_size)
        norms = norms_of(self.name, values, self.group_size, math.inf)
        if self.clip:
            spreads = np.empty(n_groups)
            _dithering.spreads(values, size, spreads)
            limits = np.minimum(self.clip * spreads, norms).astype(np.float32)
            norms = np.where(limits > 0, limits, norms)
        codes, at = np.empty(len(values), np.uint8), padded(4 * n_groups)
        _dithering.encode(values, size, norms, 1, step.private("terngrad"), codes)
        payload = np.empty(at + _trits.nbytes(len(values)), np.uint8)
        write_floats(payload, norms)
        _trits.pack(codes, payload[at:])
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        at = self.tables_nbytes(payload, nnz)
        payload = checked(self.name, payload, at + _trits.nbytes(nnz))
        norms, codes, values = read_norms(self.name, payload, nnz, self.group_size), np.empty(nnz, np.uint8), np.empty(nnz, np.float32)
        if not _trits.unpack(payload[at:], codes):
            raise CorruptMessage(f"{self.name} values: expected bytes up to 242")
        _dithering.decode(codes, groups(nnz, self.group_size)[0], norms, 1, values)
        return values
