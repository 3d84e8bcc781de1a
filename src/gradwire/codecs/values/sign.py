"""sign: the sign bit of every value times the mean magnitude.

Scaled signSGD: Bernstein et al., ICML 2018, with the scale ‖x‖₁ / d of Karimireddy et al., "Error Feedback Fixes SignSGD and other Gradient
Compression Schemes", ICML 2019. It is biased; error feedback is the remedy. Majority votes between workers are not here.

Payload: the scale of each group (float32, zeros up to a multiple of 8; the tables), then the bitmap of signs (signs.h).
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import signs as _signs
from ..base import ValueCoder
from .coding import check_group_size, groups, padded, write_floats
from .dithering import read_norms
from .payload import checked, count, flat, refuse_nonfinite


@dataclass(frozen=True)
class SignValues(ValueCoder):
    """group_size: values that share a scale, 0 for all. Of all scales the mean magnitude gives the smallest squared error. A zero
    becomes the scale with its own sign: one bit has no third value.
    """

    group_size: int = 0

    name = "sign"
    summary = "sign bits and the mean magnitude; use with error feedback"
    paper = "signSGD: Bernstein et al., ICML 2018; scale: Karimireddy et al., ICML 2019"

    def __post_init__(self):
        check_group_size(self.group_size)

    def tables_nbytes(self, payload, nnz):
        return padded(4 * groups(nnz, self.group_size)[1])

    def encode(self, values, keys, step):
        values = flat(values)
        size, n_groups = groups(len(values), self.group_size)
        pairs, at = np.empty((n_groups, 2), np.float32), padded(4 * n_groups)
        if not _signs.scales(values, size, pairs):
            refuse_nonfinite(self.name, values)
        payload = np.empty(at + (len(values) + 7) // 8, np.uint8)
        write_floats(payload, pairs[:, 0].copy())
        _signs.pack(values, payload[at:])
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        at = self.tables_nbytes(payload, nnz)
        payload = checked(self.name, payload, at + (nnz + 7) // 8)
        scales, values = read_norms(self.name, payload, nnz, self.group_size), np.empty(nnz, np.float32)
        _signs.unpack(payload[at:], groups(nnz, self.group_size)[0], np.stack([scales, -scales], axis=1), values)
        return values
