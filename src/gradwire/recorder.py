"""Recorder: one run, one HDF5 file, written by rank 0, opened–appended–closed once per epoch so that a kill costs at most one row.

HDF5 itself spreads a change over many places and leaves a file that does not open if it is killed among them, or the disk is full:
every change goes through a journal (journal.py), which makes it in one piece.

    /                 attributes schema, schema_version, config (TOML text), spec, experiment, run_id, dim, ranks, finished,
                      omega_uplink and omega_downlink (the bounds that the codecs claim, NaN if they are biased),
                      at the end final_params_sha256, and diverged if what was exchanged was not finite any more
    /environment      attributes
    /epochs/<column>  (epochs,) or (epochs, ranks), attributes units, description

HDF5 locking is off and readers retry, so watching a run never breaks it.
"""

import errno
import fcntl
import math
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np

from . import arrayfile, journal, regular
from .errors import ConfigError, DataError, GradwireError
from .stopwatch import PHASES

SCHEMA, SCHEMA_VERSION = "gradwire-run", 1
_MOST_DEFLATED = 1032
"""How much smaller than its contents a column can be that somebody has packed anew: what deflate does to zeros."""

PER_RANK = {
    "epoch_time_s": ("s", "wall time of the epoch's steps"),
    **{f"{phase}_{clock}_s": ("s", f"{clock} time of the phase {phase}") for phase in PHASES for clock in ("wall", "cpu")},
    "comm_wait_s": ("s", "part of comm_wall_s spent waiting for the last rank to arrive"),
    "uplink_bytes": ("B", "this rank's own messages"),
    "downlink_bytes": ("B", "what came back: the broadcast messages, the owners' messages, the others' messages, or the reduced buffers"),
    **{
        f"{link}_{part}_bytes": ("B", f"{part} bytes of {link}_bytes")
        for link in ("uplink", "downlink")
        for part in ("header", "keys", "values", "tables")
    },
    "sent_bytes": ("B", "buffers handed to MPI as a sender, each once"),
    "received_bytes": ("B", "buffers handed to MPI as a receiver, each once"),
    "local_bytes": ("B", "of sent_bytes, what stayed inside a node (hierarchical)"),
    "control_bytes": ("B", "sizes, flags and dimensions sent beside the messages"),
    "dense_baseline_bytes": ("B", "uplink of uncompressed dense fp32: 4 · dim an exchange"),
    "sparse_baseline_bytes": ("B", "uplink of uncompressed sparse pairs: 8 · nnz an exchange"),
    "entropy_bound_bytes": (
        "B",
        "log2 C(dim, message nnz) / 8 an exchange: the least that the keys of such messages can cost",
    ),
    "nnz": ("1", "entries of the fresh gradients; with run.local_steps, of the differences exchanged in their place"),
    "message_nnz": ("1", "entries of the messages"),
    "overflow": ("1", "values that a 16-bit format clamped to its largest finite one"),
    "steps": ("1", "gradient steps; an exchange follows each, or every run.local_steps-th"),
    "rows": ("1", "training rows seen"),
    "vnmse": ("1", "sum |x - decoded|^2 / sum |x|^2 over sampled steps, x the gradient that was encoded"),
}
PER_EPOCH = {
    "train_loss": ("1", "mean loss of the training rows, or of run.train_loss_rows of them, plus the regulariser, after the epoch"),
    "test_loss": ("1", "mean loss of all test rows, after the epoch"),
    "test_metric": ("1", "the model's metric (AUC, RMSE, accuracy, bits per byte) of all test rows, after the epoch"),
    "learning_rate": ("1", "learning rate of the epoch"),
    "warmup": ("1", "1 for the first epoch since the start, which summaries leave out"),
    "ranks": ("1", "ranks of the epoch; in columns of more, the others have 0, and no vnmse"),
    "finished_at_s": ("s", "seconds since the epoch (1970), when the row was written"),
}


_COUNTS = ("nnz", "message_nnz", "overflow", "steps", "rows", "warmup", "ranks")


def run_path(results, config):
    """Where the run's file belongs."""
    return Path(results) / "runs" / config.experiment / f"{config.run_id}.h5"


def run_state(path):
    """ "missing", "unfinished" or "finished"."""
    path = Path(path)
    if not path.exists():
        return "missing"
    return "finished" if _reading(path, lambda file: bool(file.attrs.get("finished", False))) else "unfinished"


@contextmanager
def claim(path, state):
    """The right to write the run of `path`, for one process at a time; ConfigError if another has it or `state` is no longer true.

    The lock ends with the process however it ends. Some network file systems have no locks: there it promises nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock")
    with regular.lock_file(lock) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"{path}: another gradwire is writing this run; wait for it, or choose another --results") from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                raise
        if not _is(lock, handle):
            raise ConfigError(f"{path}: another gradwire has just written this run; start again")
        if (found := run_state(path)) != state:
            raise ConfigError(f"{path}: was {state} when this began and is {found} now; start again")
        try:
            yield
        finally:
            with suppress(OSError):  # an error of the block says more
                lock.unlink()


def is_claimed(path):
    """Whether a process is writing the run of `path`."""
    try:
        with regular.lock_file(path.with_suffix(".lock"), create=False) as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # until it is closed
    except BlockingIOError:
        return True
    except OSError:
        return False  # no lock, or no locks
    return False


def _is(path, handle):
    """Whether `path` is still the file that was opened: who had the lock removes it."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle.fileno()))
    except FileNotFoundError:
        return False


class Recorder:
    """Writes one run. `create` or `resume` first, `append` per epoch, `finish` at the end."""

    def __init__(self, path):
        self.path = Path(path)

    def create(self, config, environment, dim, ranks, omegas=(math.nan, math.nan)):
        """A new file with empty columns; it appears under its name only when it is whole. omegas: of the codecs of both directions."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        arrayfile.clean(self.path)
        with journal.create(self.path) as draft, h5py.File(draft, "w") as file:
            file.attrs.update(
                schema=SCHEMA, schema_version=SCHEMA_VERSION, config=config.toml(), spec=config.uplink, experiment=config.experiment,
                run_id=config.run_id, dim=dim, ranks=ranks, finished=False, omega_uplink=omegas[0], omega_downlink=omegas[1],
            )  # fmt: skip
            file.create_group("environment").attrs.update(environment)
            columns = file.create_group("epochs")
            for names, tail in ((PER_RANK, (ranks,)), (PER_EPOCH, ())):
                for name, about in names.items():
                    _create_column(columns, name, about, tail)

    def rows(self):
        """Number of recorded epochs."""
        return len(load_run(self.path).epochs["test_loss"])

    def resume(self, epoch, environment):
        """Record what the run goes on with from `epoch`, in /environment/resumed-<n>. A file from before the column `ranks` gets it."""
        arrayfile.clean(self.path)
        with journal.change(self.path) as draft, h5py.File(draft, "r+") as file:
            group = file["environment"]
            group.create_group(f"resumed-{len(group) + 1}").attrs.update(environment | {"epoch": epoch})
            if "ranks" not in (columns := file["epochs"]):
                column = _create_column(columns, "ranks", PER_EPOCH["ranks"])
                column.resize(len(columns["test_loss"]), axis=0)
                column[:] = file.attrs["ranks"]

    def append(self, epoch, row):
        """Write `row` (column → value or (ranks,) array) as row `epoch`, over an earlier one if a resumed run repeats it."""
        row = row | {"finished_at_s": time.time()}
        with journal.change(self.path) as draft, h5py.File(draft, "r+") as file:
            rows, before = file["epochs/sent_bytes"].shape
            if epoch > rows:
                raise DataError(f"{self.path}: expected epoch {rows} or an earlier one next, got {epoch}")
            for name, column in file["epochs"].items():
                column.resize(max(epoch + 1, rows), axis=0)
                if column.ndim == 1:
                    column[epoch] = row[name]
                else:
                    _append_ranks(column, epoch, row[name], before, np.nan if name == "vnmse" else 0)

    def finish(self, params_sha256, diverged=None):
        """The run is over. diverged: None, or what was not finite, if that is its result."""
        with journal.change(self.path) as draft, h5py.File(draft, "r+") as file:
            file.attrs["final_params_sha256"] = params_sha256
            if diverged:
                file.attrs["diverged"] = diverged
            file.attrs["finished"] = True


def _create_column(columns, name, about, tail=()):
    """An empty column. about: (units, description). tail: the lengths of its other axes."""
    units, description = about
    kind = np.int64 if units == "B" or name in _COUNTS else np.float64
    column = columns.create_dataset(name, (0, *tail), kind, maxshape=(None, *[None] * len(tail)), chunks=(64, *tail))
    column.attrs.update(units=units, description=description)
    return column


def _append_ranks(column, epoch, values, before, nothing):
    """Write one value for each rank. Where there are not as many ranks as in other epochs, `nothing` stands for the missing ones."""
    ranks = len(values)
    if ranks > before:
        column.resize(ranks, axis=1)
        if nothing:
            column[:, before:] = nothing
    column[epoch] = nothing
    column[epoch, :ranks] = values


def write_arrays(path, schema, version, attributes, arrays):
    """A new HDF5 file of `arrays` (name → array, or (array, units, description)); it appears under its name only when it is whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with journal.create(path) as draft, h5py.File(draft, "w") as file:
        file.attrs.update(attributes | {"schema": schema, "schema_version": version})
        for name, array in arrays.items():
            array, *about = array if isinstance(array, tuple) else (array,)
            text = array.dtype.kind in "OU"
            column = file.create_dataset(name, data=array, dtype=h5py.string_dtype() if text else None, maxshape=(None,), chunks=True)
            column.attrs.update(zip(("units", "description"), about))


def append_arrays(path, rows, arrays):
    """Write each of `arrays` (name → array) behind the first rows[name] entries of its column, over what comes after them."""
    with journal.change(path) as draft, h5py.File(draft, "r+") as file:
        for name, array in arrays.items():
            file[name].resize((rows[name] + len(array),))
            file[name][rows[name] :] = array


def read_arrays(path, schema, version):
    """(attributes, name → array) of a file of `write_arrays`. DataError if it is none, or of a newer version."""

    def read(file):
        attributes = _attributes(file)
        _check_schema(path, attributes, schema, version)
        return attributes, {name: _column(file, name) for name in file}

    return _reading(path, read)


def write_rows(path, schema, version, attributes, columns, rows):
    """A new HDF5 file of `rows`, dicts, as columns: name → (units, description), where the units "text" are strings, all else float64."""
    arrays = {}
    for name, about in columns.items():
        arrays[name] = (np.array([row[name] for row in rows], object if about[0] == "text" else np.float64), *about)
    write_arrays(path, schema, version, attributes, arrays)


def read_rows(path, schema, version):
    """(attributes, rows) of a file of `write_rows`."""
    attributes, arrays = read_arrays(path, schema, version)
    return attributes, [dict(zip(arrays, values)) for values in zip(*(arrays[name].tolist() for name in arrays))]


def _check_schema(path, attributes, schema, version):
    if attributes.get("schema") != schema:
        raise DataError(f"{path}: expected a file of schema {schema!r}, got schema {attributes.get('schema')!r}")
    if attributes["schema_version"] > version:
        raise DataError(f"{path}: schema version {attributes['schema_version']} is newer than this gradwire ({version})")


@dataclass(frozen=True)
class Run:
    """One recorded run: what `load_run` read.

    config: parsed TOML. epochs: column → array of shape (epochs,) or (epochs, ranks). units: column → unit. ranks: of the first epoch,
    and of all others unless another number of ranks went on with the run: then epochs["ranks"] has them.
    """

    path: Path
    config: dict
    config_text: str
    spec: str
    experiment: str
    run_id: str
    finished: bool
    environment: dict
    epochs: dict
    units: dict
    dim: int
    ranks: int
    final_params_sha256: str | None
    diverged: str | None = None
    """What was not finite, of a run that ended so; losses and metric of its last epoch are NaN."""
    omegas: tuple = (math.nan, math.nan)
    """Of uplink and downlink: ω, the bound of the expected vNMSE that an unbiased codec claims for this many parameters; else NaN."""

    @property
    def ranks_text(self):
        """ "4", or "4, then 2" of a run that another number of ranks went on with."""
        counts = self.epochs["ranks"].tolist() or [self.ranks]
        return ", then ".join(str(count) for count, _ in groupby(counts))

    @property
    def is_mixed(self):
        """Whether different numbers of ranks have trained it."""
        return len(set(self.epochs["ranks"].tolist())) > 1


def load_run(path):
    """Run of a file that `gradwire run` wrote, finished or not. DataError if it is not one."""
    return _reading(path, lambda file: _run(Path(path), file))


def _run(path, file):
    import tomllib

    attributes = _attributes(file)
    _check_schema(path, attributes, SCHEMA, SCHEMA_VERSION)
    columns = file["epochs"]
    found = {name: _column(columns, name) for name in columns}
    rows = min(len(column) for column in found.values())
    return Run(
        path=path,
        config=tomllib.loads(attributes["config"]),
        config_text=attributes["config"],
        spec=attributes["spec"],
        experiment=attributes["experiment"],
        run_id=attributes["run_id"],
        finished=bool(attributes["finished"]),
        environment=_attributes(file["environment"]),
        epochs={"ranks": np.full(rows, attributes["ranks"])} | {name: column[:rows] for name, column in found.items()},
        units={name: column.attrs["units"] for name, column in columns.items()},
        dim=int(attributes["dim"]),
        ranks=int(attributes["ranks"]),
        final_params_sha256=attributes.get("final_params_sha256"),
        diverged=attributes.get("diverged"),
        omegas=tuple(float(attributes.get(f"omega_{way}", math.nan)) for way in ("uplink", "downlink")),
    )


def _attributes(item):
    return {name: value.item() if hasattr(value, "item") else value for name, value in item.attrs.items()}


def _column(group, name):
    """A dataset of `group` as an array. ValueError if it is none, lies in another file, or claims more than its own file can hold."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink) or not isinstance(column := group[name], h5py.Dataset):
        raise ValueError(f"{name!r} is not a column of this file")
    if column.external or column.is_virtual:
        raise ValueError(f"the column {name!r} lies in another file")
    most = group.file.id.get_filesize() * (_MOST_DEFLATED if column.id.get_create_plist().get_nfilters() else 1)
    if column.size * column.dtype.itemsize > most:
        raise ValueError(f"the column {name!r} claims {column.shape} entries, more than its file can hold")
    return column.asstr()[()] if column.dtype.kind == "O" else column[()]


def _reading(path, read, attempts=20):
    """read(file) of the HDF5 file `path`, again if a writer has changed it meanwhile. DataError for a missing or damaged file."""
    path = Path(path)
    for attempt in range(attempts):
        before, problem, found = journal.stamp(path), None, None
        if before[0] is None:
            raise DataError(f"{path}: expected an HDF5 file, found none")
        try:
            regular.check(path)
            with h5py.File(journal.view(path), "r", locking=False) as file:
                found = read(file)
        except Exception as error:  # whatever h5py makes of damaged bytes, or of a file in the middle of a change
            problem = error
        if journal.stamp(path) == before:
            break
        time.sleep(0.05 if attempt + 1 < attempts else 0)
    if isinstance(problem, GradwireError):
        raise problem
    if problem is not None:
        raise DataError(f"{path}: not a readable HDF5 file: {getattr(problem, 'strerror', None) or problem}") from problem
    return found


def try_folder(folder):
    """Create, append to and read a file as runs do, in an existing folder that is left as it was: (h5py and HDF5 versions, seconds of the
    append). OSError or DataError if it does not work there."""
    path = Path(folder) / "try.hdf5"
    try:
        write_arrays(path, "gradwire-try", 1, {}, {"rows": np.arange(3.0)})
        began = time.perf_counter()
        append_arrays(path, {"rows": 3}, {"rows": np.array([3.0])})
        took = time.perf_counter() - began
        rows = read_arrays(path, "gradwire-try", 1)[1]["rows"].tolist()
    finally:
        for left in (path, journal.of(path)):
            left.unlink(missing_ok=True)
    if rows != [0.0, 1.0, 2.0, 3.0]:
        raise DataError(f"{path}: expected the rows 0 to 3, read {rows}")
    return h5py.__version__, h5py.version.hdf5_version, took
