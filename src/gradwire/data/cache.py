"""Where prepared data sets lie: one folder each, arrays as .npy that every rank maps read-only, and meta.json.

    <root>/<name>-<hash of the options>/{train,test}_{indptr,indices,values,labels}.npy    CSR; no values when all are 1
    <root>/<name>-<hash of the options>/{train,test}_{inputs,labels}.npy                   Table; no labels of text
    <root>/<name>-<hash of the options>/meta.json

A data set is prepared in a folder beside it, NAME.partial, that is renamed when everything is there; a lock file keeps two jobs
from preparing the same one. The root is $GRADWIRE_CACHE, else gradwire in $XDG_CACHE_HOME, else ~/.cache/gradwire.
"""

import fcntl
import json
import logging
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xxhash

from .. import npy, regular
from ..errors import DataError
from ..gradient import MAX_DIM
from .base import CSR, TABLE_TASKS, TASKS, Prepared
from .guard import Guard
from .table import Table, table_features

FORMAT = 1
SPLITS = ("train", "test")
_log = logging.getLogger(__name__)


def root(cache_root=None):
    """Path of the cache: the argument, else the environment's choice."""
    if cache_root is None:
        cache_root = os.environ.get("GRADWIRE_CACHE")
    if not cache_root:
        cache_root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradwire"
    return Path(cache_root).expanduser().absolute()


def folder(dataset, cache_root=None):
    """Path of the data set's own folder, whether it exists or not."""
    identity = {"format": FORMAT, "revision": dataset.revision, "options": dataset.identity()}
    digest = xxhash.xxh3_64_hexdigest(json.dumps(identity, sort_keys=True).encode())
    return root(cache_root) / f"{dataset.name}-{digest[:12]}"


def partial(path):
    """Where the data set of folder `path` is being prepared."""
    return path.with_name(f"{path.name}.partial")


def is_complete(path):
    """Whether a finished preparation lies in `path`."""
    return (path / "meta.json").is_file()


@contextmanager
def claim(dataset, path):
    """For rank 0: inside the block either `path` is complete, or partial(path) is an empty folder that is ours until the end.

    An outdated data set is removed first, whatever a killed preparation has left too.
    """
    if is_complete(path) and not dataset.is_stale(read_meta(path)):
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = regular.lock_file(path.with_name(f"{path.name}.lock"))
    except OSError as error:
        where = error.filename or path.parent
        raise DataError(f"cannot write to the cache folder {where}: {error.strerror}; set GRADWIRE_CACHE to a folder that can") from error
    with lock:
        wait_for(lock)
        if is_complete(path) and dataset.is_stale(read_meta(path)):
            shutil.rmtree(path)
        if is_complete(path):
            yield
            return
        shutil.rmtree(partial(path), ignore_errors=True)
        partial(path).mkdir()
        try:
            yield
        finally:
            shutil.rmtree(partial(path), ignore_errors=True)


def wait_for(lock):
    """Hold the lock, which ends with the process however it ends. Some network file systems have none: then go on without."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.info("another process is preparing or downloading this; waiting for it (%s)", lock.name)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        _log.warning("cannot lock %s (%s): do not prepare the same data twice at once", lock.name, error.strerror)


def commit(path):
    """Make what was prepared in partial(path) the data set of `path`, all at once."""
    os.replace(partial(path), path)


def write_array(path, dtype, length, blocks):
    """Write the .npy file of `length` elements that the arrays of `blocks` hold together."""
    with open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            np.ascontiguousarray(block, dtype).tofile(file)


def write_meta(path, meta):
    """Write meta.json: `meta`, the format's version, and the size in bytes of every array, by which damage is found."""
    files = {file.name: file.stat().st_size for file in sorted(path.glob("*.npy"))}
    (path / "meta.json").write_text(json.dumps({"format": FORMAT, **meta, "files": files}, indent=2, ensure_ascii=False) + "\n")


def read_meta(path):
    """meta.json as a dict. DataError if it is missing or damaged."""
    try:
        meta = json.loads((path / "meta.json").read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, path / "meta.json", f"cannot be read ({error})") from error
    known = isinstance(meta, dict) and meta.get("format") == FORMAT and meta.get("task") in TASKS and isinstance(meta.get("files"), dict)
    if not known or type(meta.get("n_features")) is not int or not 1 <= meta["n_features"] <= MAX_DIM:
        raise _damaged(path, path / "meta.json", f"expected a description of format {FORMAT}")
    return meta


def read(path):
    """Prepared of the complete folder `path`, its arrays mapped read-only. DataError names a file that is missing or damaged."""
    meta = read_meta(path)
    for name, nbytes in meta["files"].items():
        found = (path / name).stat().st_size if (path / name).is_file() else None
        if found != nbytes:
            raise _damaged(path, path / name, f"expected {nbytes} bytes, got {'no such file' if found is None else found}")
    mapped = {split: _map_split(path, split, meta) for split in SPLITS}
    guard = Guard(
        path, [(path / f"{split}_{name}.npy", array) for split in SPLITS for name, array in mapped[split].items() if array is not None]
    )
    split_of = _table if meta["task"] in TABLE_TASKS else _csr
    train, test = (split_of(path, split, mapped[split], meta) for split in SPLITS)
    return Prepared(train, test, meta["n_features"], meta["task"], meta, guard)


def _map_split(path, split, meta):
    """Name → array of one split's files, mapped; None for values that are all 1, and labels of text."""
    arrays = {}
    is_table = meta["task"] in TABLE_TASKS
    optional = "labels" if is_table else "values"
    for name in ("inputs", "labels") if is_table else ("indptr", "indices", "values", "labels"):
        file = path / f"{split}_{name}.npy"
        if name == optional and file.name not in meta["files"]:
            arrays[name] = None
            continue
        try:
            arrays[name] = npy.mapped(file)
        except DataError as error:
            raise _damaged(path, file, str(error)) from error
    return arrays


def _csr(path, split, arrays, meta):
    try:
        csr = CSR(**arrays, n_features=meta["n_features"])
    except DataError as error:
        raise _damaged(path, path / f"{split}_indptr.npy", str(error)) from error
    if csr.nnz != len(csr.indices):
        raise _damaged(path, path / f"{split}_indptr.npy", f"expected offsets from 0 to {len(csr.indices)}, got {csr.nnz} entries")
    return csr


def _table(path, split, arrays, meta):
    try:
        table = Table(**arrays, width=meta.get("width"), overlap=meta.get("overlap"))
        table.check_classes(meta.get("classes"))
        features = table_features(table)
        if (meta["task"], meta["n_features"]) != features or not table.n_rows:
            raise DataError(f"expected rows of {features[0]} with {features[1]} features, as the arrays are")
    except DataError as error:
        raise _damaged(path, path / f"{split}_inputs.npy", str(error)) from error
    return table


def _damaged(path, file, what):
    return DataError(f"damaged cache: {file}: {what}; remove the folder {path} to have it prepared again")
