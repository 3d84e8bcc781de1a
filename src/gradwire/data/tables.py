"""The cache of a data set whose splits are Tables: rank 0 makes them, as they are small, and the others wait.

Besides what every meta.json says it has width and overlap, and of images the number of classes.
"""

import numpy as np

from ..errors import DataError
from . import cache
from .assembly import stage
from .table import table_features


def prepare(folder, rank, barrier, make, *, source, checksum, classes=None, **meta):
    """Write the arrays and meta.json into `folder`; every rank calls this. make: function of nothing → (train, test), Tables of
    equal width and overlap, called on rank 0. classes: their number, of images; None for text. DataError, the same on all ranks,
    if there is no row to train or to test on, if a label is no class, or if `make` raises one.
    """

    def write():
        splits = dict(zip(cache.SPLITS, make()))
        counts = [table.n_rows for table in splits.values()]
        if not all(counts):
            raise DataError(f"expected rows to train and to test on, got {counts[0]} and {counts[1]}")
        for split, table in splits.items():
            table.check_classes(classes)
            for name in ("inputs", "labels"):
                array = getattr(table, name)
                if array is not None:
                    cache.write_array(folder / f"{split}_{name}.npy", np.uint8, len(array), [array])
        task, n_features = table_features(table)
        shape = {"width": table.width, "overlap": table.overlap} | ({"classes": classes} if classes else {})
        cache.write_meta(folder, {"task": task, "source": source, "checksum": checksum, "n_features": n_features, **shape, **meta})

    stage(folder, rank, barrier, lambda: write() if rank == 0 else None)
