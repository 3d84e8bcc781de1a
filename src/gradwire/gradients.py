"""Recorded gradients: what `gradwire run --record-gradients` writes, and any .npz file of somebody's own.

    results/gradients/<experiment>/<run_id>.hdf5
        attributes  schema "gradwire-gradients", schema_version, experiment, run_id, config (TOML text), dim, is_dense
        rank, epoch, step   int64 (n,): who computed gradient i, and when; step counts within the epoch
        offsets             int64 (n + 1,): gradient i is keys[offsets[i]:offsets[i + 1]] and the values there
        keys                uint32, strictly increasing within a gradient; empty if is_dense: then a gradient has dim values
        values              float32
        block_names, block_starts   text and int64 (tensors,): the model's tensors, and where in a gradient each begins

They are fresh gradients, before error feedback and before the codec (with run.local_steps, the differences that are exchanged in their
place). An epoch's are appended when it ends.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from . import arrayfile, npy
from .blocks import Block
from .errors import DataError
from .gradient import Gradient
from .recorder import append_arrays, read_arrays, write_arrays

SCHEMA, SCHEMA_VERSION = "gradwire-gradients", 1


@dataclass(frozen=True)
class Recorded:
    """A gradient and where it comes from; rank, epoch and step are None for one of an .npz file."""

    gradient: Gradient
    rank: int | None = None
    epoch: int | None = None
    step: int | None = None


def gradients_path(results, config):
    """Where the gradients of a run belong."""
    return Path(results) / "gradients" / config.experiment / f"{config.run_id}.hdf5"


def recorded_whole(results, config, epochs):
    """Whether gradients of each of the first `epochs` epochs of a run are there."""
    path = gradients_path(results, config)
    return not epochs or (path.exists() and set(_whole_rows(path)[1]["epoch"].tolist()) >= set(range(epochs)))


class GradientLog:
    """Appends the gradients of one run, on rank 0. first: the (epoch, step) that it begins with, after what an interrupted run has left.
    blocks: the model's tensors."""

    def __init__(self, path, config, dim, first=(0, 0), blocks=()):
        self.path, self.config, self.dim, self.blocks = Path(path), config, dim, blocks
        self.rows = self.entries = 0
        self.is_dense = None
        arrayfile.clean(self.path)
        if any(first) and self.path.exists():
            attributes, arrays = _whole_rows(self.path)
            before = (arrays["epoch"] < first[0]) | (arrays["epoch"] == first[0]) & (arrays["step"] < first[1])
            self.rows, self.is_dense = int(before.sum()), bool(attributes["is_dense"])
            self.entries = int(arrays["offsets"][self.rows])

    def append(self, recorded):
        """Write a list of Recorded."""
        for item in recorded:
            self._append(item)

    def _append(self, item):
        gradient = item.gradient
        if self.is_dense is None:
            self._create(gradient.is_dense)
        keys = np.empty(0, np.uint32) if gradient.is_dense else gradient.keys
        after = self.entries + gradient.nnz
        rows = dict.fromkeys(("rank", "epoch", "step"), self.rows) | {"offsets": self.rows + 1, "values": self.entries}
        arrays = {"values": gradient.values, "keys": keys, "offsets": np.array([after], np.int64)}
        arrays |= {name: np.array([getattr(item, name)], np.int64) for name in ("rank", "epoch", "step")}
        append_arrays(self.path, rows | {"keys": 0 if gradient.is_dense else self.entries}, arrays)
        self.rows, self.entries = self.rows + 1, after

    def _create(self, is_dense):
        self.is_dense = is_dense
        config = self.config
        attributes = {"experiment": config.experiment, "run_id": config.run_id, "config": config.toml()}
        empty = np.empty(0, np.int64)
        arrays = {
            "rank": (empty, "1", "rank that computed the gradient"),
            "epoch": (empty, "1", "epoch, from 0"),
            "step": (empty, "1", "step within the epoch, from 0"),
            "offsets": (np.zeros(1, np.int64), "1", "where each gradient begins in keys and values, and the end"),
            "keys": (np.empty(0, np.uint32), "1", "strictly increasing within a gradient; empty for dense gradients"),
            "values": (np.empty(0, np.float32), "1", "fresh values, before error feedback and codec"),
            "block_names": (np.array([block.name for block in self.blocks], object), "text", "the model's tensors"),
            "block_starts": (np.array([block.start for block in self.blocks], np.int64), "1", "where in a gradient each tensor begins"),
        }
        write_arrays(self.path, SCHEMA, SCHEMA_VERSION, attributes | {"dim": self.dim, "is_dense": is_dense}, arrays)


def load_gradients(path):
    """[Recorded] of a file of `gradwire run --record-gradients`, or of an .npz file.

    An .npz file holds float arrays `values`, `keys` and `dim`, and `offsets` if these are several gradients one after the other;
    or, without `keys`, any number of float arrays, each a dense gradient of its own. DataError says what a file lacks.
    """
    path = Path(path)
    found = _of_npz(path) if path.suffix.lower() == ".npz" else _of_hdf5(path)
    if not found or not any(item.gradient.nnz for item in found):
        raise DataError(f"{path}: expected gradients, found none that has a value")
    for i, item in enumerate(found):
        try:
            item.gradient.check_finite(item.rank or 0)
        except DataError as error:
            raise DataError(f"{path}: gradient {i}: {error}") from error
    return found


def load_blocks(path):
    """(Block, …), flat, of the model of a file of `gradwire run --record-gradients`; () if it does not say."""
    attributes, arrays = read_arrays(path, SCHEMA, SCHEMA_VERSION)
    names, starts = (arrays.get(name, np.empty(0)).tolist() for name in ("block_names", "block_starts"))
    edges = [*starts, attributes["dim"]]
    if names and (len(names) != len(starts) or starts[0] != 0 or edges != sorted(set(edges))):
        raise DataError(f"{path}: expected block_starts that grow from 0 to below {edges[-1]}, got {starts[:5]} … for {len(names)} names")
    return tuple(Block(str(name), start, (stop - start,)) for name, (start, stop) in zip(names, pairwise(edges)))


def _of_hdf5(path):
    attributes, arrays = _whole_rows(path)
    keys = None if attributes["is_dense"] else arrays["keys"]
    gradients = _cut(path, arrays["values"], keys, int(attributes["dim"]), arrays["offsets"])
    origins = zip(*(arrays[name].tolist() for name in ("rank", "epoch", "step")))
    return [Recorded(gradient, *origin) for gradient, origin in zip(gradients, origins)]


def _whole_rows(path):
    """(attributes, arrays) of the rows that are whole: a kill may have cut off the last one."""
    attributes, arrays = read_arrays(path, SCHEMA, SCHEMA_VERSION)
    columns = ("rank", "epoch", "step", "offsets", "keys", "values")
    missing = ({"dim", "is_dense"} - attributes.keys()) | (set(columns) - arrays.keys())
    if missing or any(arrays[name].ndim != 1 or arrays[name].dtype.kind not in "iuf" for name in columns):
        raise DataError(
            f"{path}: expected dim, is_dense and flat columns of numbers, got no {', '.join(sorted(missing)) or 'such columns'}"
        )
    n = min(len(arrays["offsets"]) - 1, *(len(arrays[name]) for name in ("rank", "epoch", "step")))
    return attributes, arrays | {name: arrays[name][:n] for name in ("rank", "epoch", "step")} | {"offsets": arrays["offsets"][: n + 1]}


def _of_npz(path):
    arrays = _npz_arrays(path)
    if "keys" not in arrays:
        if {"dim", "offsets"} & arrays.keys():
            raise DataError(f"{path}: expected keys beside dim and offsets, got {', '.join(sorted(arrays))}")
        dense = [_float32(path, name, array) for name, array in arrays.items()]
        return [Recorded(Gradient(values, len(values))) for values in dense if len(values)]
    missing = {"values", "dim"} - arrays.keys()
    if missing:
        raise DataError(f"{path}: expected values and dim beside keys, got {', '.join(sorted(arrays))}")
    values, keys, dim = _float32(path, "values", arrays["values"]), arrays["keys"].reshape(-1), arrays["dim"]
    offsets = arrays.get("offsets", np.array([0, len(values)]))
    if dim.size != 1 or dim.dtype.kind not in "iu" or offsets.dtype.kind not in "iu":
        raise DataError(f"{path}: expected one integer as dim and integers as offsets, got {dim.dtype} {dim.shape} and {offsets.dtype}")
    if not len(keys) == len(values) == offsets.reshape(-1)[-1:].sum():
        raise DataError(
            f"{path}: expected as many keys as values, and offsets up to that, got {len(keys)}, {len(values)} and {offsets[-1:]}"
        )
    return [Recorded(gradient) for gradient in _cut(path, values, keys, int(dim.item()), offsets.reshape(-1))]


def _npz_arrays(path):
    try:
        return npy.members(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected an .npz file, found none") from error
    except (OSError, DataError) as error:
        raise DataError(f"{path}: not a readable .npz file of plain arrays: {error}") from error


def _float32(path, name, array):
    if array.dtype.kind != "f":
        raise DataError(f"{path}: expected floats in {name!r}, got {array.dtype}")
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
        return np.ascontiguousarray(array, np.float32).reshape(-1)


def _cut(path, values, keys, dim, offsets):
    """One Gradient for each span of offsets."""
    offsets = np.asarray(offsets, np.int64).tolist()
    if offsets != sorted(offsets) or not offsets or offsets[0] != 0 or offsets[-1] > len(values):
        raise DataError(f"{path}: expected offsets that grow from 0 to at most {len(values)}, got {offsets[:5]} …")
    spans = list(pairwise(offsets))
    try:
        return [Gradient(values[a:b], dim, None if keys is None else keys[a:b]) for a, b in spans]
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
