"""Files that change while arrays of them are mapped."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from gradwire import DataError
from gradwire._ext import mapped
from gradwire.data.guard import Guard

CUT = """
import os, sys
from pathlib import Path
import numpy as np
from gradwire.data.guard import Guard
path, rank, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
array, other = np.load(path, mmap_mode="r"), np.load(path.with_name("other.npy"), mmap_mode="r")
Guard(path.parent, [(path, array)]).explain(rank, size)
os.truncate(path if sys.argv[4] == "ours" else path.with_name("other.npy"), 128)
print(array.sum(), other.sum())
"""


@pytest.fixture
def path(tmp_path):
    for name in ("some.npy", "other.npy"):
        np.save(tmp_path / name, np.arange(5000, dtype=np.int64))
    return tmp_path / "some.npy"


def test_unchanged_files(path):
    Guard(path.parent, [(path, np.load(path, mmap_mode="r"))]).check()


@pytest.mark.parametrize("change", ["touch", "rewrite", "replace", "remove"])
def test_changed_files(path, change):
    guard = Guard(path.parent, [(path, None), (path.with_name("other.npy"), None)])
    if change == "touch":
        os.utime(path, ns=(1, 1))
    elif change == "rewrite":
        path.write_bytes(b"short")
    elif change == "replace":
        path.with_name("new").write_bytes(path.read_bytes())
        os.utime(path.with_name("new"), ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        path.with_name("new").replace(path)
    else:
        path.unlink()
    what = "is no longer there" if change == "remove" else "has changed"
    with pytest.raises(DataError, match=f"damaged cache: {path} {what} since this run began to read it; remove {path.parent} to have it"):
        guard.check()


def cut(path, *arguments):
    return subprocess.run([sys.executable, "-c", CUT, path, *arguments], check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("rank", "size", "who"), [("0", "1", ""), ("2", "4", "rank 2: ")])
def test_a_file_that_is_cut_off_ends_the_process_with_a_word(path, rank, size, who):
    done = cut(path, rank, size, "ours")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"gradwire: {who}damaged cache: {path} was cut off while this run read it; remove {path.parent} to have it prepared again\n"
    )


def test_any_other_bus_error_is_what_it_always_is(path):
    done = cut(path, "0", "1", "other")
    assert (done.returncode, done.stderr) == (-signal.SIGBUS, "")


def test_too_many_arrays_or_too_long_a_text():
    array = np.zeros(3)
    for wanted in ([(array, b"")] * 17, [(array, b"x" * 4097)]):
        with pytest.raises(ValueError, match="at most 16 arrays with texts of at most 4096 bytes"):
            mapped.explain(wanted, 0)
    mapped.explain([], 0)
