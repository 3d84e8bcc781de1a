"""Data sets: prepared once into a memory-mapped cache, checked before any training.

    dataset = gradwire.one("datasets", "flights(layout=hashed)")
    prepared = gradwire.data.load(dataset)          # prepares when missing; prepared.train is a CSR, or a Table
    gradwire.data.describe(dataset)                 # rows, features, source … of a prepared data set

No MPI here: parallel callers give rank, size and a barrier, and every rank calls `load`.
"""

import logging
import shutil
from contextlib import nullcontext

import numpy as np

from .._ext import rows as _rows
from ..errors import DataError
from . import cache
from .base import CSR, TABLE_TASKS, Dataset, Prepared, Table, alone

_log = logging.getLogger(__name__)
_SAMPLE_ROWS = 1000


def load(dataset, cache_root=None, rank=0, size=1, barrier=alone):
    """Prepared of `dataset`, mapped from the cache; prepared first, by all ranks together, when it is not there.

    cache_root: see cache.root; all ranks must see the same folder. barrier: a function that returns when every rank has called
    it, such as comm.Barrier. DataError, the same on every rank, if the data are not what they must be.
    """
    path = cache.folder(dataset, cache_root)
    with cache.claim(dataset, path) if rank == 0 else nullcontext():
        barrier()  # rank 0 holds the data set or the right to prepare it, so all ranks now see the same
        if not cache.is_complete(path):
            _prepare(dataset, path, rank, size, barrier)
    prepared = cache.read(path)
    prepared.guard.explain(rank, size)
    return prepared


def _prepare(dataset, path, rank, size, barrier):
    partial = cache.partial(path)
    if not partial.is_dir():
        raise DataError(f"rank {rank} cannot see {partial}, which rank 0 has made: set GRADWIRE_CACHE to a folder that all hosts share")
    if rank == 0:
        _log.info("preparing %s in %s", dataset.spec, path)
    dataset.prepare(partial, rank, size, barrier)
    barrier()
    if rank == 0:
        cache.commit(path)
    barrier()


def is_prepared(dataset, cache_root=None):
    """Whether `load` would find the data set in the cache, up to date."""
    path = cache.folder(dataset, cache_root)
    return cache.is_complete(path) and not dataset.is_stale(cache.read_meta(path))


def remove(dataset, cache_root=None):
    """Remove the prepared data set from the cache, if it is there."""
    path = cache.folder(dataset, cache_root)
    if path.exists():
        shutil.rmtree(path)


def describe(dataset, cache_root=None):
    """What `gradwire data info` prints of a prepared data set: a dict. DataError if it is not prepared.

    Of a CSR: active_features: ids that occur at all; once_share: the share of them that occur in one row only; both over all rows.
    positive_share is that of all rows, None for regression. gap_bits is the mean log₂ of the gaps between the sorted unique keys
    of the first 1,000 training rows: what the id layout does to the keys of a gradient. Of a Table: bytes_per_row; of images the
    classes and the shares of all rows that the rarest and the most frequent has; of text its bytes and how many different ones.
    """
    path = cache.folder(dataset, cache_root)
    if not cache.is_complete(path):
        raise DataError(f"{dataset.name} is not prepared in {path}; run `gradwire data prepare {dataset.name}`")
    prepared = cache.read(path)
    train, test, meta = prepared.train, prepared.test, prepared.meta
    return {
        "name": dataset.name,
        "spec": dataset.spec,
        "task": prepared.task,
        "train_rows": train.n_rows,
        "test_rows": test.n_rows,
        "features": prepared.n_features,
        **(_table_facts(prepared) if prepared.task in TABLE_TASKS else _csr_facts(prepared)),
        "source": meta.get("source"),
        "checksum": meta.get("checksum"),
        "folder": str(path),
        "bytes": sum(meta["files"].values()),
    }


def _csr_facts(prepared):
    train, test = prepared.train, prepared.test
    rows, nnz = train.n_rows + test.n_rows, train.nnz + test.nnz
    active, once = _occurring(prepared)
    positive = sum(int(np.count_nonzero(split.labels > 0)) for split in (train, test))
    return {
        "active_features": active,
        "once_share": once / max(active, 1),
        "nnz": nnz,
        "nnz_per_row": nnz / rows,
        "positive_share": positive / rows if prepared.task == "classification" else None,
        "layout": prepared.meta.get("layout"),
        "gap_bits": _gap_bits(train),
    }


def _table_facts(prepared):
    train, test, classes = prepared.train, prepared.test, prepared.meta.get("classes")
    facts = {"bytes_per_row": train.width + train.overlap}
    if classes:
        shares = np.bincount(np.concatenate([train.labels, test.labels]), minlength=classes) / (train.n_rows + test.n_rows)
        return facts | {"classes": classes, "smallest_class_share": float(shares.min()), "largest_class_share": float(shares.max())}
    distinct = len(np.unique(np.concatenate([train.inputs, test.inputs])))
    return facts | {"train_bytes": len(train.inputs), "test_bytes": len(test.inputs), "distinct_bytes": distinct}


def _occurring(prepared):
    """(features that occur, features that occur once) in training and test rows together. O(n_features) memory."""
    counts = np.zeros(prepared.n_features, np.uint32)
    for csr in (prepared.train, prepared.test):
        _rows.count(csr.indices, counts)
    return int(np.count_nonzero(counts)), int(np.count_nonzero(counts == 1))


def _gap_bits(csr):
    keys = np.unique(csr.indices[: csr.indptr[min(_SAMPLE_ROWS, csr.n_rows)]]).astype(np.int64)
    return float(np.log2(np.diff(keys)).mean()) if len(keys) > 1 else 0.0


__all__ = ["CSR", "Dataset", "Prepared", "Table", "cache", "describe", "is_prepared", "load", "remove"]
