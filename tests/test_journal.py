import io
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest

import gradwire as gw
from gradwire import arrayfile, journal

PAGE = journal.PAGE
OLD = bytes(range(256)) * 50  # 12,800 bytes: three pages and a piece


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "some.h5"
    path.write_bytes(OLD)
    return path


def names(path):
    return sorted(os.listdir(path.parent))


def test_a_draft_is_a_file():
    """Random seeks, reads, writes and truncations, against Python's own file in memory."""
    for seed in range(20):
        rng = random.Random(seed)
        model = io.BytesIO(OLD)
        with open(os.memfd_create("x"), "r+b", buffering=0) as file:
            file.write(OLD)
            draft = journal.Draft("x", file)
            for _ in range(200):
                offset = rng.randrange(30_000)
                assert draft.seek(offset) == model.seek(offset) and draft.tell() == offset
                if rng.random() < 0.5:
                    data = rng.randbytes(rng.choice((1, 96, 2048, 9000)))
                    assert draft.write(data) == model.write(data)
                else:
                    size = rng.randrange(9000)
                    assert draft.read(size) == model.read(size)
            draft.seek(0)
            assert draft.read() == model.getvalue() and draft.seek(0, os.SEEK_END) == len(model.getvalue())
            assert os.pread(file.fileno(), len(OLD), 0) == OLD, "nothing that was there is touched"


def test_a_change_is_made_when_the_block_ends(path):
    with journal.change(path) as draft:
        draft.seek(5000)
        draft.write(b"new")
        draft.seek(20_000)
        draft.write(b"end")
        assert path.read_bytes()[: len(OLD)] == OLD
        assert (draft.flush(), repr(draft)) == (None, str(path))
    wanted = bytearray(OLD.ljust(20_000, b"\0") + b"end")
    wanted[5000:5003] = b"new"
    assert path.read_bytes() == wanted
    assert names(path) == ["some.h5"]


def test_a_file_may_become_shorter(path):
    with journal.change(path) as draft:
        draft.write(b"new")
        draft.seek(9000)
        draft.truncate()
    assert path.read_bytes() == b"new" + OLD[3:9000]


def test_a_block_that_fails_changes_nothing(path):
    with pytest.raises(KeyError), journal.change(path) as draft:
        draft.write(bytes(50_000))
        raise KeyError
    assert path.read_bytes() == OLD and names(path) == ["some.h5"]


def test_a_new_file_appears_when_it_is_whole(path):
    fresh = path.with_name("fresh.h5")
    with journal.create(fresh) as draft, h5py.File(draft, "w") as file:
        file["x"] = np.arange(1000)
        assert not fresh.exists()
    with h5py.File(fresh) as file:
        assert (file["x"][()] == np.arange(1000)).all()
    with pytest.raises(KeyError), journal.create(path) as draft:
        draft.write(b"other")
        raise KeyError
    assert path.read_bytes() == OLD
    journal.of(path).write_bytes(b"of the old file")
    with journal.create(path) as draft:
        draft.write(b"other")
    assert path.read_bytes() == b"other" and names(path) == ["fresh.h5", "some.h5"]


def change(path):
    with journal.change(path) as draft:
        for offset in (1, 4090, 9000, 12_790, 13_000, 17_000):
            draft.seek(offset)
            draft.write(b"0123456789" * 4)


CHANGED = bytearray(OLD.ljust(17_040, b"\0"))
for _offset in (1, 4090, 9000, 12_790, 13_000, 17_000):
    CHANGED[_offset : _offset + 40] = b"0123456789" * 4
CALLS = ("preadv", "pread", "pwrite", "posix_fallocate", "ftruncate", "fsync", "replace", "unlink")


def killed_at(path, number, partly=False):
    """Make the change in a process that is killed at its system call of this number; None if it made fewer, else the call's name."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    count = 0

    def wrap(call):
        def counted(*arguments, **options):
            nonlocal count
            count += 1
            if count == number:
                if partly and call is os_pwrite:
                    os_pwrite(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2], arguments[2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    os_pwrite = os.pwrite
    for name in CALLS:
        setattr(os, name, wrap(getattr(os, name)))
    change(path)
    os._exit(0)


@pytest.mark.parametrize("partly", [False, True])
def test_killed_at_any_system_call(path, partly):
    """The file is what it was or what it is to be, for readers and for the next writer; and the same once more after that."""
    seen, number = set(), 0
    while True:
        number += 1
        path.write_bytes(OLD)
        if not killed_at(path, number, partly):
            break
        view = journal.view(path)
        found = path.read_bytes() if view == path else view.read()
        assert found[: len(OLD)] in (OLD, CHANGED[: len(OLD)]), f"call {number}"
        seen.add(found[: len(OLD)] == OLD)
        if found[: len(OLD)] != OLD:
            assert found == CHANGED
        change(path)
        assert path.read_bytes() == CHANGED and not journal.of(path).exists()
        arrayfile.clean(path)
        assert not list(path.parent.glob("*.part"))
    assert number > 15 and seen == {True, False}


def pending(path):
    """A change whose journal is complete and which has not begun to go into the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_apply", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(OSError, match=r"Input/output error: '.*some.h5'"):
            change(path)


def test_a_change_that_could_not_be_completed_is_there_for_readers_and_completed_later(path):
    pending(path)
    assert path.read_bytes()[: len(OLD)] == OLD and names(path) == ["some.h5", "some.h5.journal"]
    assert journal.view(path).read() == CHANGED
    with journal.change(path) as draft:
        assert draft.read() == CHANGED
    assert path.read_bytes() == CHANGED and journal.view(path) == path


def test_journals_that_are_not_of_the_file_are_refused(path):
    pending(path)
    whole = arrayfile.read(journal.of(path))
    path.write_bytes(OLD[:100])
    with pytest.raises(gw.DataError, match="not a journal of .*some.h5 as it is"):
        journal.view(path)
    path.write_bytes(bytes(CHANGED))
    for wrong in (
        whole | {"size": 2**63},
        whole | {"size": -1},
        whole | {"numbers": whole["numbers"] + 10**12},
        whole | {"numbers": -whole["numbers"] - 1},
        whole | {"numbers": whole["numbers"][:-1]},
        whole | {"pages": whole["pages"][:, :-1].copy()},
    ):
        arrayfile.write(journal.of(path), wrong)
        with pytest.raises(gw.DataError, match="not a journal of"), journal.change(path):
            pass
    arrayfile.write(journal.of(path), {"pages": 1})
    with pytest.raises(gw.DataError, match="expected the journal of a change, got pages"):
        journal.view(path)
    journal.of(path).write_bytes(b"damage")
    with pytest.raises(gw.DataError, match="not a whole array file"):
        journal.view(path)
    assert path.read_bytes() == CHANGED


def test_a_journal_that_disappears_while_it_is_looked_for(path, monkeypatch):
    pending(path)
    real = arrayfile.read
    monkeypatch.setattr(arrayfile, "read", lambda name: (name.unlink(), real(name)))
    assert journal.view(path) == path


def test_stamps_change_with_the_file_and_with_its_journal(path):
    stamps = {journal.stamp(path)}
    pending(path)
    stamps.add(journal.stamp(path))
    change(path)
    stamps.add(journal.stamp(path))
    path.unlink()
    stamps.add(journal.stamp(path))
    assert len(stamps) == 4 and (None, None) in stamps


def test_ctrl_c_waits_for_the_end_of_the_change(path):
    with pytest.raises(KeyboardInterrupt):
        with journal.change(path) as draft:
            os.kill(os.getpid(), signal.SIGINT)
            draft.write(b"new")
        pytest.fail("the signal did not arrive")
    assert path.read_bytes() == b"new" + OLD[3:]


def test_changes_in_another_thread(path):
    """Signals are the main thread's business."""
    thread = threading.Thread(target=change, args=(path,))
    thread.start()
    thread.join()
    assert path.read_bytes() == CHANGED


def test_ctrl_c_waits_also_where_another_thread_takes_it(path):
    ends = threading.Event()
    other = threading.Thread(target=ends.wait)
    other.start()
    before = signal.getsignal(signal.SIGINT)
    written = 0
    try:
        with pytest.raises(KeyboardInterrupt):
            with journal.change(path) as draft:
                os.kill(os.getpid(), signal.SIGINT)
                until = time.monotonic() + 0.2
                while time.monotonic() < until:
                    draft.seek(0)
                    written = draft.write(b"new")
            pytest.fail("the signal did not arrive")
    finally:
        ends.set()
        other.join()
    assert written == 3 and path.read_bytes() == b"new" + OLD[3:] and signal.getsignal(signal.SIGINT) is before


def test_a_disk_that_fails_is_told_once_the_library_is_done(path, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match=r"Input/output error: '.*some.h5'"), journal.change(path) as draft:
        monkeypatch.setattr(os, "preadv", fail)
        assert draft.read(10) == bytes(10)
        draft.write(b"new")
        monkeypatch.undo()
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("reason", [22, 95])
def test_file_systems_that_cannot_reserve(path, monkeypatch, reason):
    def refuse(*_):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    change(path)
    assert path.read_bytes() == CHANGED


FILL = """
import os, sys
sys.path.insert(0, sys.argv[2])
import kill_appends, resource, shutil
from pathlib import Path
from gradwire import launch, recorder
folder = Path(sys.argv[1])
target = {"runs": kill_appends.Runs, "gradients": kill_appends.Gradients}[sys.argv[3]](folder, 2)
target.create()
number, failures = int(sys.argv[3] == "gradients"), 0
if sys.argv[4] == "limit":
    size = target.path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + {'runs': 160_000, 'gradients': 10_000}[sys.argv[3]], resource.RLIM_INFINITY))
while failures < 3:
    try:
        target.append(number)
        number += 1
    except OSError as error:
        failures += 1
        assert error.filename.startswith(str(target.path)), error.filename
        print(launch.describe(error))
        assert target.lost(number) == "" and target.plain() == "", target.lost(number)
        assert os.listdir(folder) == sorted({target.path.name} | {"ballast"} & set(os.listdir(folder))), os.listdir(folder)
        if sys.argv[4] == "disk" and failures == 1:
            with open(folder / "ballast", "wb", buffering=0) as file:  # not one block is free now
                try:
                    while file.write(bytes(4096)): pass
                except OSError: pass
(folder / "ballast").unlink(missing_ok=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if sys.argv[4] == "limit":
    for more in range(number, number + 5): target.append(more)
    assert target.lost(number + 5) == ""
print(number, "rows")
"""


def filled(kind, how, folder):
    """What appending says where there is no room for more."""
    command = [sys.executable, "-c", FILL, str(folder), os.path.dirname(__file__), kind, how]
    if how == "disk":
        mounted = f"mount -t tmpfs -o size={'440k' if kind == 'runs' else '112k'} tmpfs '{folder}' && exec \"$@\""
        command = ["unshare", "--mount", "sh", "-c", mounted, "sh", *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("kind", ["runs", "gradients"])
@pytest.mark.parametrize("how", ["limit", "disk"])
def test_no_room_for_more(tmp_path, kind, how):
    """On a full disk and beyond the largest file that a user may have: the reason and the file are said, and every row is there."""
    if how == "disk":
        probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
        if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:
            pytest.skip("needs root: a small file system of its own cannot be mounted")
    done = filled(kind, how, tmp_path)
    assert done.returncode == 0, done.stderr
    *said, rows = done.stdout.splitlines()
    reason = {"limit": "File too large", "disk": "No space left on device"}[how]
    assert len(said) == 3 and all(reason in line and "run.h" in line for line in said), said
    assert int(rows.split()[0]) > 1
