"""Assembly: many ranks produce rows, one cache comes out, with the same bytes for any number of ranks.

    produce   every rank writes the rows of its contiguous share, in order, to part files of its own
    renumber  (layout "frequency") rank 0 counts the ids of the training rows, then every rank renumbers its own part
    finish    rank 0 joins the parts in rank order, drops them, and writes meta.json

Stages are separated by barriers. A DataError of any rank is raised by all, the earliest rank's first: the same message, whatever
the number of ranks.
"""

import json
import shutil
from contextlib import ExitStack

import numpy as np

from .._ext import rows as _rows
from ..errors import DataError
from ..step import Step
from . import cache
from .part import BLOCK, Part, ones, part_path

_ROWS = 1 << 12
_DTYPES = {"lengths": np.uint32, "indices": np.uint32, "values": np.float32, "labels": np.float32}


class Assembly:
    """One preparation. folder: where the cache is made. layout: one of base.LAYOUTS. seed: of the layout "hashed"."""

    def __init__(self, folder, rank, barrier, *, layout, seed):
        self.folder, self.rank, self.barrier = folder, rank, barrier
        self.layout, self.seed = layout, seed
        self.parts = folder / "parts"
        self.parts.mkdir(exist_ok=True)

    def stage(self, work):
        """work() on this rank, then the barrier: the function `stage`, here."""
        return stage(self.folder, self.rank, self.barrier, work)

    def produce(self, *works):
        """One stage for each: work(part) calls part.add for this rank's rows, in their order. Returns what the last work returns."""
        with Part(self.parts, self.rank, self.layout, self.seed) as part:
            for work in works:
                result = self.stage(lambda work=work: work(part))
        self.stage(part.write_info)
        return result

    def finish(self, *, task, source, checksum, relabel=None, **meta):
        """The remaining stages. relabel: function of a float32 array of labels as added → labels as stored."""
        if self.layout == "frequency":
            self.stage(lambda: self._rank_ids() if self.rank == 0 else None)
            self.stage(self._renumber)
        meta = {"task": task, "layout": self.layout, "source": source, "checksum": checksum, **meta}
        self.stage(lambda: self._join(relabel, meta) if self.rank == 0 else None)

    def infos(self):
        """What the parts say of themselves, in rank order: `info` of each Part, after produce."""
        return [json.loads(path.read_text()) for path in sorted(self.parts.glob("*.json"))]

    def _rank_ids(self):
        """table[id] = new id: descending count in the training rows, ties and unseen ids in the old order. O(n_features) memory."""
        infos = self.infos()
        counts = np.zeros(max(info["n_features"] for info in infos), np.uint32)
        for info in infos:
            for block in _blocks(part_path(self.parts, info["rank"], "train", "indices"), np.uint32):
                _rows.count(block, counts)
        seen = np.flatnonzero(counts)
        order = seen[np.argsort(-counts[seen].astype(np.int64), kind="stable")]
        table = np.empty(len(counts), np.uint32)
        table[order] = np.arange(len(order), dtype=np.uint32)
        table[counts == 0] = np.arange(len(order), len(counts), dtype=np.uint32)
        np.save(self.parts / "table.npy", table)

    def _renumber(self):
        table = np.load(self.parts / "table.npy", mmap_mode="r")
        for split in cache.SPLITS:
            values_path = part_path(self.parts, self.rank, split, "values")
            with ExitStack() as stack:
                indices_file = stack.enter_context(open(part_path(self.parts, self.rank, split, "indices"), "r+b"))
                values_file = stack.enter_context(open(values_path, "r+b")) if values_path.exists() else None
                for lengths in _blocks(part_path(self.parts, self.rank, split, "lengths"), np.uint32, _ROWS):
                    indptr = _offsets(lengths)
                    at, nnz = indices_file.tell(), int(indptr[-1])
                    indices = table[np.fromfile(indices_file, np.uint32, nnz)]
                    values = np.fromfile(values_file, np.float32, nnz) if values_file else None
                    _rows.sort(indptr, indices, values)
                    _overwrite(indices_file, at, indices)
                    if values_file:
                        _overwrite(values_file, at, values)

    def _join(self, relabel, meta):
        infos = self.infos()
        rows = {split: sum(info[split]["rows"] for info in infos) for split in cache.SPLITS}
        for split in cache.SPLITS:
            if not rows[split]:
                raise DataError(f"expected rows to train and to test on, got {rows['train']} and {rows['test']} from {meta['source']}")
            nnz = sum(info[split]["nnz"] for info in infos)
            paths = {name: [part_path(self.parts, info["rank"], split, name) for info in infos] for name in _DTYPES}

            def write(name, length, blocks, split=split):
                cache.write_array(self.folder / f"{split}_{name}.npy", _DTYPES.get(name, np.int64), length, blocks)

            write("indptr", rows[split] + 1, _running_offsets(paths["lengths"]))
            write("indices", nnz, _all_blocks(paths["indices"], np.uint32))
            labels = _all_blocks(paths["labels"], np.float32)
            write("labels", rows[split], map(relabel, labels) if relabel else labels)
            if not all(info[split]["all_ones"] for info in infos):
                write("values", nnz, _value_blocks(paths["values"], [info[split]["nnz"] for info in infos]))
        meta["n_features"] = max(info["n_features"] for info in infos)
        shutil.rmtree(self.parts)
        cache.write_meta(self.folder, meta)


def stage(folder, rank, barrier, work):
    """work() on this rank, then the barrier. If a rank failed, every rank raises DataError with the first one's message."""
    result, cause = None, None
    try:
        result = work()
    except (DataError, OSError) as error:
        cause = error
        (folder / f"{rank:05d}.failed").write_text(str(error))
    barrier()
    failed = min(folder.glob("*.failed"), default=None)
    message = failed.read_text() if failed else None
    barrier()  # nobody goes on, and perhaps clears up, before all have read
    if failed:
        raise DataError(message) from cause
    return result


def share(total, rank, size):
    """(start, stop): the contiguous share of `rank` of `total` things, shares differing by at most one."""
    return total * rank // size, total * (rank + 1) // size


def hash_split(counters, fraction, seed):
    """bool (n,): about `fraction` True, decided for each int64 counter alone."""
    return _rows.random32(Step(seed=seed).shared("data.split"), np.ascontiguousarray(counters, np.int64)) < fraction * 2.0**32


def _blocks(path, dtype, length=BLOCK):
    """The elements of a raw file, in arrays of at most `length`."""
    with open(path, "rb") as file:
        while len(block := np.fromfile(file, dtype, length)):
            yield block


def _all_blocks(paths, dtype):
    return (block for path in paths for block in _blocks(path, dtype))


def _value_blocks(paths, counts):
    """All values; a part without a file of them has only ones."""
    for path, count in zip(paths, counts):
        yield from _blocks(path, np.float32) if path.exists() else ones(count)


def _offsets(lengths):
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def _running_offsets(paths):
    total = 0
    yield np.zeros(1, np.int64)
    for lengths in _all_blocks(paths, np.uint32):
        offsets = total + _offsets(lengths)
        total = offsets[-1]
        yield offsets[1:]


def _overwrite(file, at, array):
    """Put `array` back where it was read, at byte `at`; the file stands behind it afterwards."""
    file.seek(at)
    array.tofile(file)
    file.flush()


__all__ = ["Assembly", "hash_split", "share", "stage"]
