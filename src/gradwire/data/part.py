"""Part: the rows of one rank, checked and written to files of its own while a data set is assembled."""

import json
from contextlib import ExitStack

import numpy as np

from .._ext import rows as _rows
from .._ext import sparse as _sparse
from ..errors import DataError
from ..step import Step
from .cache import SPLITS

BLOCK = 1 << 20
"""Elements that are read or written at once."""


class Part:
    """The rows of one rank, written to files as they come, so memory does not grow with their number."""

    def __init__(self, folder, rank, layout, seed):
        self.folder, self.rank, self.layout = folder, rank, layout
        self.seed = Step(seed=seed).shared("data.layout")
        self.info = {"rank": rank, "n_features": 0} | {split: {"rows": 0, "nnz": 0, "all_ones": True} for split in SPLITS}
        self._stack = ExitStack()
        self._files = {(split, name): self._open(split, name) for split in SPLITS for name in ("lengths", "indices", "labels")}

    def _open(self, split, name):
        return self._stack.enter_context(open(part_path(self.folder, self.rank, split, name), "wb"))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

    def write_info(self):
        """Write `info` beside the rows: what rank 0 must know to join the parts."""
        (self.folder / f"{self.rank:05d}.json").write_text(json.dumps(self.info))

    def add(self, rows, is_test):
        """Append a CSR whose indptr starts at 0; is_test: bool (n_rows,). DataError for bad keys, NaN or infinity."""
        _check(rows)
        self.info["n_features"] = rows.n_features
        indices, values = rows.indices, rows.values
        if self.layout == "hashed":
            indices, values = indices.copy(), None if values is None else values.copy()
            _rows.permute(indices, rows.n_features, self.seed)
            _rows.sort(rows.indptr, indices, values)
        for split, mask in (("train", ~is_test), ("test", is_test)):
            picked = np.flatnonzero(mask)
            if len(picked):
                self._append(split, *_rows.select(rows.indptr, indices, values, picked), rows.labels[picked])

    def _append(self, split, indptr, indices, values, labels):
        info = self.info[split]
        if info["all_ones"] and values is not None and not (values == 1).all():
            info["all_ones"] = False
            self._files[split, "values"] = self._open(split, "values")
            for block in ones(info["nnz"]):
                block.tofile(self._files[split, "values"])
        np.diff(indptr).astype(np.uint32).tofile(self._files[split, "lengths"])
        indices.tofile(self._files[split, "indices"])
        labels.tofile(self._files[split, "labels"])
        if not info["all_ones"]:
            (values if values is not None else np.ones(len(indices), np.float32)).tofile(self._files[split, "values"])
        info["rows"] += len(labels)
        info["nnz"] += len(indices)


def part_path(folder, rank, split, name):
    """The file of one array of one rank: raw elements, no header."""
    return folder / f"{rank:05d}.{split}.{name}"


def ones(count):
    """`count` ones, float32, in blocks."""
    for start in range(0, count, BLOCK):
        yield np.ones(min(BLOCK, count - start), np.float32)


def _check(rows):
    bad = _rows.check(rows.indptr, rows.indices, rows.n_features)
    if bad >= 0:
        raise DataError(f"expected strictly increasing keys below {rows.n_features}, got another row {bad} in a block of {rows.n_rows}")
    for name, array in (("labels", rows.labels), ("values", rows.values)):
        at = -1 if array is None else _sparse.first_nonfinite(array)
        if at >= 0:
            raise DataError(f"expected finite {name}, got {array[at]} at position {at} of a block of {rows.n_rows} rows")


__all__ = ["BLOCK", "Part", "ones", "part_path"]
