"""Checkpoints: what `--resume` needs to go on as if nothing had happened.

results/checkpoints/<experiment>/<run_id>/epoch-<n>.shared.ckpt holds what is equal on all ranks, written by rank 0 (parameters, and
the optimizer's state if all ranks take the same steps), epoch-<n>.rank-<r>-of-<P>.ckpt what is one rank's own (residual and velocity,
and its optimizer's state if it takes steps of its own). What is in them is the caller's business.

Each is an array file (arrayfile.py), which is whole or refused; an epoch counts when all its files are there. Older epochs are removed
after that, with what crashed processes have left half written, and all of them when the run is finished.
"""

import re
import shutil
from pathlib import Path

from . import arrayfile


class Checkpoint:
    """The checkpoints of one run, seen from one rank."""

    def __init__(self, results, config, rank, size):
        self.folder = Path(results) / "checkpoints" / config.experiment / config.run_id
        self.rank, self.size = rank, size

    def save(self, epoch, shared, private, barrier):
        """Keep what the end of `epoch` looks like: two dicts of name → array or number, `private` empty on all ranks or on none.

        A collective call through `barrier`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.rank == 0:
            arrayfile.write(self._shared(epoch), shared)
        if private:
            arrayfile.write(self._private(epoch), private)
        barrier()
        if self.rank == 0:
            for path in self.folder.glob("epoch-*.ckpt"):
                if _epoch_of(path) != epoch:
                    path.unlink()
            for path in arrayfile.leftovers(self.folder):
                path.unlink()

    def clear(self, barrier):
        """Forget what an earlier run, or this one now that it is finished, has kept. A collective call through `barrier`."""
        if self.rank == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
        barrier()

    def latest(self, private, rows):
        """The last epoch below `rows`, the recorded ones, whose files are all there, else None. private: whether ranks have their own."""
        for path in sorted(self.folder.glob("epoch-*.shared.ckpt"), key=_epoch_of, reverse=True):
            epoch = _epoch_of(path)
            if epoch >= rows:
                continue
            if not private or all(self._private(epoch, rank).exists() for rank in range(self.size)):
                return epoch
        return None

    def load(self, epoch, private):
        """What `save` was given, shared and this rank's, as one dict. DataError for a damaged file."""
        return arrayfile.read(self._shared(epoch)) | (arrayfile.read(self._private(epoch)) if private else {})

    def _shared(self, epoch):
        return self.folder / f"epoch-{epoch}.shared.ckpt"

    def _private(self, epoch, rank=None):
        return self.folder / f"epoch-{epoch}.rank-{self.rank if rank is None else rank}-of-{self.size}.ckpt"


def _epoch_of(path):
    return int(re.match(r"epoch-(\d+)\.", path.name).group(1))
