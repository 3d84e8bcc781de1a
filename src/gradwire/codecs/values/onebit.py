"""onebit: the sign bit of every value, and for each side of zero the mean of its values.

Seide, Fu, Droppo, Li, Yu, "1-Bit Stochastic Gradient Descent and its Application to Data-Parallel Distributed Training of Speech DNNs",
Interspeech 2014. It needs error feedback: alone it loses most of a gradient for ever, and with it training does not converge to the same
point. The paper's groups are the columns of weight matrices.

Payload: the two means of each group (float32, without and with sign bit; the tables), then the bitmap of signs (signs.h).
"""

from dataclasses import dataclass

import numpy as np

from ..._ext import signs as _signs
from ..base import ValueCoder
from .coding import check_group_size, groups, read_floats, write_floats
from .payload import checked, count, flat, refuse_nonfinite


@dataclass(frozen=True)
class OneBitValues(ValueCoder):
    """group_size: values that share the two means, 0 for all. Biased; no other two numbers and no other signs give a smaller squared error
    with the threshold at zero. +0 counts as positive, −0 as negative.
    """

    group_size: int = 0

    needs_feedback = True

    name = "onebit"
    summary = "sign bits and the mean of either side; use with error feedback"
    paper = "Seide et al., 1-Bit Stochastic Gradient Descent, Interspeech 2014"

    def __post_init__(self):
        check_group_size(self.group_size)

    def tables_nbytes(self, payload, nnz):
        return 8 * groups(nnz, self.group_size)[1]

    def encode(self, values, keys, step):
        values = flat(values)
        size, n_groups = groups(len(values), self.group_size)
        means = np.empty((n_groups, 2), np.float32)
        if not _signs.means(values, size, means):
            refuse_nonfinite(self.name, values)
        payload = np.empty(8 * n_groups + (len(values) + 7) // 8, np.uint8)
        write_floats(payload, means)
        _signs.pack(values, payload[8 * n_groups :])
        return payload

    def decode(self, payload, keys, step, nnz=None):
        nnz = count(keys, nnz)
        size, n_groups = groups(nnz, self.group_size)
        payload = checked(self.name, payload, 8 * n_groups + (nnz + 7) // 8)
        means, values = read_floats(self.name, payload, (n_groups, 2)), np.empty(nnz, np.float32)
        _signs.unpack(payload[8 * n_groups :], size, means, values)
        return values
