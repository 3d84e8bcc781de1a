"""Table: rows of bytes of equal length, what neural networks learn from; a CSR (base.py) is what linear models do.

    images   a row is one image, one byte for each pixel; its label is its class
    text     a row is `width` bytes of one long text and the byte after them; no labels: what follows each byte is to be told

No decoding, scaling or augmentation here: a model makes of the bytes what it needs.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import DataError

_BYTES = 256


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """inputs: uint8, flat; row r is inputs[r · width : (r + 1) · width + overlap], so neighbours share `overlap` bytes.

    labels: uint8 (n_rows,), or None. With labels the inputs are exactly their rows; without, bytes at the end that fill no row are
    in none. The arrays may be read-only memory maps. Shapes and dtypes are checked here (DataError), classes when a cache is read.
    """

    inputs: np.ndarray
    labels: np.ndarray | None
    width: int
    overlap: int = 0

    def __post_init__(self):
        for name, array in (("inputs", self.inputs), ("labels", self.labels)):
            if array is None and name == "labels":
                continue
            if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 1:
                what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
                raise DataError(f"expected {name} as a flat uint8 array, got {what}")
        for name, value, least in (("width", self.width, 1), ("overlap", self.overlap, 0)):
            if type(value) is not int or value < least:
                raise DataError(f"expected {name} as an integer ≥ {least}, got {value!r}")
        if self.labels is not None and len(self.inputs) != len(self.labels) * self.width + self.overlap:
            wanted = f"{len(self.labels)} rows of {self.width} and {self.overlap} bytes after them"
            raise DataError(f"expected {wanted}, one row for each label, got {len(self.inputs)} bytes")

    @property
    def n_rows(self):
        if self.labels is not None:
            return len(self.labels)
        return max(len(self.inputs) - self.overlap, 0) // self.width

    def check_classes(self, classes):
        """DataError unless every label is below `classes`, an integer; with None, unless there are no labels."""
        if classes is not None and (type(classes) is not int or classes < 1):
            raise DataError(f"expected a number of classes, got {classes!r}")
        if (self.labels is None) != (classes is None):
            raise DataError("expected labels and their number of classes, or neither, got one of them")
        if self.labels is not None and len(self.labels) and self.labels.max() >= classes:
            raise DataError(f"expected labels in 0 … {classes - 1}, got {self.labels.max()}")

    def take(self, rows):
        """The rows of these numbers, int64 (n,) in any order: a copy, uint8 (n, width + overlap). DataError for one that does not exist."""
        rows = np.asarray(rows, np.int64)
        length, n_rows = self.width + self.overlap, self.n_rows
        wrong = rows[(rows < 0) | (rows >= n_rows)]
        if len(wrong):
            raise DataError(f"expected rows in 0 … {n_rows - 1}, got {wrong[0]}")
        if not n_rows:
            return np.empty((0, length), np.uint8)
        return np.lib.stride_tricks.sliding_window_view(self.inputs, length)[:: self.width][rows]


def table_features(table):
    """(task, n_features) of data of such rows: ("images", width) with labels, ("text", 256) without."""
    return ("text", _BYTES) if table.labels is None else ("images", table.width)


__all__ = ["Table", "table_features"]
