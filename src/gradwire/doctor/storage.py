"""Checks of a folder that gradwire writes to, results or cache: room, speed, kind of file system, locks, renames, HDF5.

Everything happens in a temporary folder inside it, or inside the nearest folder above it that exists; nothing stays.
"""

import fcntl
import os
import shutil
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from .. import launch, recorder
from ..errors import DataError
from .finding import ok, problem, warning

LEAST, ENOUGH = 50 << 20, 1 << 30  # bytes free
WRITE_NBYTES, SLOW_BYTES_PER_S = 8 << 20, 20e6
SLOW_SYNC_S, SLOW_APPEND_S = 0.1, 0.1
GONE = {
    "tmpfs": "memory, which a restart empties",
    "ramfs": "memory, which a restart empties",
    "overlay": "a container's own layer, which goes with the container",
}


def existing(folder):
    """The nearest existing folder of a path. NotADirectoryError if a file is in the way."""
    path = Path(os.path.abspath(folder))
    while not path.is_dir():
        if path.exists() or path.is_symlink():
            raise NotADirectoryError(f"{path} is not a folder")
        path = path.parent
    return path


def file_system(path, mounts="/proc/mounts"):
    """Its kind, such as "ext4", "nfs4" or "lustre"; "unknown" where the kernel does not say."""
    path, best, kind = os.path.realpath(path), "", "unknown"
    for line in Path(mounts).read_text().splitlines() if os.path.exists(mounts) else ():
        _, point, found = line.split(" ")[:3]
        point = point.encode().decode("unicode_escape")  # a blank is \040
        if len(point) >= len(best) and (path == point or path.startswith(point.rstrip("/") + "/")):
            best, kind = point, found
    return kind


def check(what, folder, elsewhere):
    """what: "results" or "cache". elsewhere: how the user chooses another folder."""
    try:
        there = existing(folder)
        with _temporary(there) as inside:
            yield from _check_disk(what, folder, there, inside, elsewhere)
            yield from _check_files(what, inside)
            if what == "results":
                yield from _check_hdf5(inside)
    except OSError as error:
        yield problem(
            f"{what} disk",
            f"cannot write to {os.path.abspath(folder)}: {error}",
            f"make room or get the right to write there, or {elsewhere}",
        )


def _check_hdf5(folder):
    """Run files, as they are created, appended to and read."""
    try:
        h5py, hdf5, append_s = recorder.try_folder(folder)
    except (DataError, OSError, RuntimeError, ValueError) as error:  # h5py words what HDF5 says as any of these
        yield problem(
            "HDF5",
            f"a run file cannot be written, appended to and read: {launch.describe(error)}",
            "choose another --results, or reinstall h5py: `pip install --force-reinstall h5py`",
        )
        return
    about = f"h5py {h5py}, HDF5 {hdf5}; created, appended to and read again; an append took {append_s * 1e3:.1f} ms"
    if append_s > SLOW_APPEND_S:
        yield warning("HDF5", about, "each epoch appends once: choose --results on a faster file system, or longer epochs")
    else:
        yield ok("HDF5", about)


def _check_disk(what, folder, there, inside, elsewhere):
    free, kind = shutil.disk_usage(there).free, file_system(there)
    speed, sync_s = _speed(inside), _sync_s(inside)
    about = f"{os.path.abspath(folder)}{'' if there == Path(os.path.abspath(folder)) else ' (to be made)'}: {kind}, "
    about += f"{free / 1e9:,.1f} GB free, writes {speed / 1e6:,.0f} MB/s, fsync in {sync_s * 1e3:.1f} ms"
    if free < LEAST:
        yield problem(f"{what} disk", about, f"make room, or {elsewhere}")
    elif free < ENOUGH:
        yield warning(f"{what} disk", about, f"large data sets and models will not fit: make room, or {elsewhere}")
    elif speed < SLOW_BYTES_PER_S or sync_s > SLOW_SYNC_S:
        yield warning(f"{what} disk", about, f"slow for checkpoints and data: {elsewhere} on a faster file system")
    elif what == "results" and kind in GONE:
        yield warning(f"{what} disk", about, f"this is {GONE[kind]}: {elsewhere} to keep what is recorded")
    else:
        yield ok(f"{what} disk", about)


def _speed(folder):
    """Bytes per second of a file of WRITE_NBYTES, until it is on the disk."""
    block = os.urandom(1 << 20)  # some file systems compress
    began = time.perf_counter()
    with open(folder / "speed", "wb", buffering=0) as file:
        for _ in range(WRITE_NBYTES >> 20):
            if file.write(block) != len(block):
                raise OSError(28, "No space left on device", str(folder))
        os.fsync(file.fileno())
    return WRITE_NBYTES / (time.perf_counter() - began)


def _sync_s(folder):
    """Median seconds of fsync after 4 KiB."""
    seconds = []
    with open(folder / "sync", "wb", buffering=0) as file:
        for _ in range(5):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _check_files(what, folder):
    """What recorder.claim, the cache and the checkpoints rely on: locks that exclude, and a rename that replaces."""
    name = f"{what} files"
    locked, replaced = locks(folder / "lock"), _replaces(folder)
    if not replaced:
        yield problem(
            name,
            "renaming a file over another does not replace it as a whole",
            "choose a POSIX file system: run files and checkpoints need that",
        )
    elif locked:
        yield warning(
            name,
            f"{locked}, so two jobs that write the same run or data do not see each other",
            "do not start the same experiment twice at once here",
        )
    else:
        yield ok(name, "locks exclude, renames replace")


def locks(path):
    """What is wrong with flock there, "" if nothing is."""
    with open(path, "w") as first, open(path, "w") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return f"files cannot be locked ({error.strerror})"
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ""
    return "a lock does not keep a second one out"


def _replaces(folder):
    """Whether a reader of the old file keeps it whole while a rename puts a new one in its place."""
    old, new = folder / "old", folder / "new"
    old.write_text("old")
    new.write_text("new")
    with open(old) as reader:
        os.replace(new, old)
        return reader.read() == "old" and old.read_text() == "new" and not new.exists()


@contextmanager
def _temporary(folder):
    inside = Path(tempfile.mkdtemp(prefix=".gradwire-doctor-", dir=folder))
    try:
        yield inside
    finally:
        shutil.rmtree(inside, ignore_errors=True)
