"""Checkpoints: what `--resume` needs to go on as if nothing had happened.

results/checkpoints/<experiment>/<run_id>/at-<e>-<s>.shared.ckpt holds what is equal on all ranks after e epochs and s steps of the next
one, written by rank 0 (parameters, and the optimizer's state if all ranks take the same steps); at-<e>-<s>.rank-<r>-of-<P>.ckpt what is
one rank's own (residual and velocity, its optimizer's state if it takes steps of its own, and within an epoch what its row has so far).
What is in them is the caller's business.

Each is an array file (arrayfile.py), which is whole or refused; a place counts when all its files are there. What came before is removed
after that, with what crashed processes have left half written, but for the last end of an epoch: only from there another number of ranks
can go on. All go when the run is finished.
"""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

from . import arrayfile


class Place(NamedTuple):
    """Where a run goes on: `epochs` are done, and `steps` of the next one, by `ranks` ranks (None: there is nothing of a rank's own)."""

    epochs: int
    steps: int = 0
    ranks: int | None = None


class Checkpoint:
    """The checkpoints of one run, seen from one rank."""

    def __init__(self, results, config, rank, size):
        self.folder = Path(results) / "checkpoints" / config.experiment / config.run_id
        self.rank, self.size = rank, size

    def save(self, place, shared, private, barrier):
        """Keep what `place`, (epochs, steps), looks like: two dicts of name → array or number, `private` empty on all ranks or on none.

        A collective call through `barrier`. What was kept before stays until `prune`, but for what another number of ranks has kept of the
        same place: they got there in their own way, so their private part must not stand beside this shared one.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.rank == 0:
            for path in self.folder.glob(f"at-{place[0]}-{place[1]}.rank-*.ckpt"):
                if not path.name.endswith(f"-of-{self.size}.ckpt"):
                    path.unlink()
            arrayfile.write(self._shared(place), shared)
        if private:
            arrayfile.write(self._private(place, self.rank, self.size), private)
        barrier()

    def prune(self, place):
        """Forget what is not needed any more now that the run can go on from `place`, which was saved last."""
        if self.rank == 0:
            found = [at for path in self.folder.iterdir() if (at := _place_of(path))]
            kept = {tuple(place), max((at for at in found if at <= tuple(place) and not at[1]), default=tuple(place))}
            for path in self.folder.iterdir():
                if _place_of(path) not in kept:  # also what crashed processes have left half written
                    path.unlink()

    def clear(self):
        """Forget what an earlier run, or this one now that it is finished, has kept."""
        if self.rank == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def latest(self, private, rows):
        """The last Place, of this number of ranks or else between epochs, whose files are all there, or None. It is not behind `rows`, the
        recorded epochs. private: whether ranks have something of their own, also between epochs."""
        files = {path.name for path in self.folder.glob("at-*.ckpt") if _place_of(path)}
        for epochs, steps in sorted({_place_of(Path(name)) for name in files if name.endswith(".shared.ckpt")}, reverse=True):
            if epochs > rows:
                continue
            own = [name for name in files if name.startswith(f"at-{epochs}-{steps}.rank")]
            sizes = {int(name.rpartition("-of-")[2].removesuffix(".ckpt")) for name in own}
            whole = {size for size in sizes if all(self._private((epochs, steps), rank, size).name in files for rank in range(size))}
            if self.size in whole:
                return Place(epochs, steps, self.size)
            if not steps and (whole or not private):
                return Place(epochs, steps, max(whole, default=None))
        return None

    def load(self, place):
        """(shared, private, others): what `save` was given at a Place. private: this rank's; or, if not as many ranks as now wrote it,
        {} and in `others` that of each of them. DataError for a damaged file.
        """
        shared = arrayfile.read(self._shared(place))
        if place.ranks == self.size:
            return shared, arrayfile.read(self._private(place, self.rank, self.size)), []
        return shared, {}, [arrayfile.read(self._private(place, rank, place.ranks)) for rank in range(place.ranks or 0)]

    def _shared(self, place):
        return self.folder / f"at-{place[0]}-{place[1]}.shared.ckpt"

    def _private(self, place, rank, size):
        return self.folder / f"at-{place[0]}-{place[1]}.rank-{rank}-of-{size}.ckpt"


def _place_of(path):
    """(epochs, steps) in the name of a checkpoint's file, None for another file."""
    found = re.match(r"at-(\d+)-(\d+)\.(?:shared|rank-\d+-of-\d+)\.ckpt$", path.name)
    return found and (int(found[1]), int(found[2]))
