"""Checkpoints: what `--resume` needs to go on as if nothing had happened.

results/checkpoints/<experiment>/<run_id>/epoch-<n>.shared.ckpt holds parameters and optimizer state (equal on all ranks, written
by rank 0), epoch-<n>.rank-<r>.ckpt the residual of one rank. Files are HDF5 without pickled objects, written aside, synced and
renamed; an epoch counts when all its files are there. Older epochs are removed after that, and all of them when the run is
finished.
"""

import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np

from .errors import DataError


class Checkpoint:
    """The checkpoints of one run, seen from one rank."""

    def __init__(self, results, config, rank, size):
        self.folder = Path(results) / "checkpoints" / config.experiment / config.run_id
        self.rank, self.size = rank, size

    def save(self, epoch, params, state, feedback, barrier):
        """Keep what the end of `epoch` looks like. A collective call through `barrier`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.rank == 0:
            arrays = {"params": params} | {f"optimizer/{name}": value for name, value in state.items()}
            _write(self._shared(epoch), arrays)
        if feedback is not None:
            _write(self._private(epoch), feedback.state())
        barrier()
        if self.rank == 0:
            for path in self.folder.glob("epoch-*.ckpt"):
                if _epoch_of(path) != epoch:
                    path.unlink()

    def clear(self, barrier):
        """Forget what an earlier run, or this one now that it is finished, has kept. A collective call through `barrier`."""
        if self.rank == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
        barrier()

    def latest(self, feedback, rows):
        """The last epoch below `rows`, the recorded ones, whose files are all there, else None."""
        for path in sorted(self.folder.glob("epoch-*.shared.ckpt"), key=_epoch_of, reverse=True):
            epoch = _epoch_of(path)
            if epoch >= rows:
                continue
            if not feedback or all(self._private(epoch, rank).exists() for rank in range(self.size)):
                return epoch
        return None

    def load(self, epoch, params, state, feedback):
        """Restore params and state in place, and the rank's residual."""
        stored = _read(self._shared(epoch))
        if stored["params"].shape != params.shape:
            raise DataError(f"{self._shared(epoch)}: expected {params.shape[0]} parameters, got {stored['params'].shape}")
        params[:] = stored["params"]
        for name, value in state.items():
            kept = stored[f"optimizer/{name}"]
            if isinstance(value, np.ndarray):
                value[...] = kept
            else:
                state[name] = type(value)(kept)
        if feedback is not None:
            feedback.restore(_read(self._private(epoch)))

    def _shared(self, epoch):
        return self.folder / f"epoch-{epoch}.shared.ckpt"

    def _private(self, epoch, rank=None):
        return self.folder / f"epoch-{epoch}.rank-{self.rank if rank is None else rank}-of-{self.size}.ckpt"


def _epoch_of(path):
    return int(re.match(r"epoch-(\d+)\.", path.name).group(1))


def _write(path, arrays):
    temporary = path.with_suffix(".part")
    with h5py.File(temporary, "w", locking=False) as file:
        for name, value in arrays.items():
            file.create_dataset(name, data=value, fletcher32=np.ndim(value) > 0 and np.size(value) > 0)
    with open(temporary, "rb") as handle:
        os.fsync(handle.fileno())
    os.replace(temporary, path)


def _read(path):
    try:
        with h5py.File(path, "r", locking=False) as file:
            found = {}
            file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
            return found
    except OSError as error:
        raise DataError(f"{path}: not a whole checkpoint: {error}") from error
