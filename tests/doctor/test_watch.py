"""A process that hangs is ended, and what it had found is said."""

import ctypes
import os
import signal
import time
from pathlib import Path

import pytest

from gradwire.doctor.finding import ok
from gradwire.doctor.watch import Watch


def ended(body, seconds=0.5, folder=None):
    """(how a process ended in which body(watch) ran, what its watch told)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with Watch(seconds, lambda findings: os.write(write, repr([(f.check, f.found) for f in findings]).encode()), folder) as watch:
                body(watch)
        finally:
            os._exit(7)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    with open(read) as said:
        return os.waitstatus_to_exitcode(status), said.read()


def alive(pid):
    """Whether it runs; a zombie that nobody has asked for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def stuck(watch):
    watch.stage("opening a file", [ok("disk", "there")])
    watch.stage("measuring between ranks 0 and 3", [ok("disk", "there"), ok("HDF5", "too")])
    ctypes.PyDLL(None).sleep(60)  # like mpi4py's start of MPI, it keeps Python's lock


def test_what_hangs_is_killed_and_where_it_stood_is_told():
    began = time.monotonic()
    status, said = ended(stuck)
    assert time.monotonic() - began < 20
    assert status == -signal.SIGKILL
    stood = "no answer within 0.5 s; it stood at: measuring between ranks 0 and 3"
    assert said == repr([("disk", "there"), ("HDF5", "too"), ("time limit", stood)])


def test_before_the_first_stage():
    status, said = ended(lambda watch: time.sleep(60))
    assert status == -signal.SIGKILL and "it stood at: its beginning" in said


def test_a_watch_that_cannot_tell_kills_all_the_same():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 2)
        with Watch(0.3, lambda findings: 1 / 0):
            time.sleep(60)
        os._exit(7)
    _, status = os.waitpid(pid, 0)
    os.close(read)
    os.close(write)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def test_a_process_that_ends_in_time_hears_nothing():
    assert ended(lambda watch: watch.stage("all")) == (7, "")


def test_the_folder_goes_however_the_process_ends(tmp_path):
    for name, body in (("in time", lambda watch: None), ("hangs", lambda watch: time.sleep(60)), ("exits", lambda watch: os._exit(15))):
        (tmp_path / name).mkdir()
        ended(body, folder=tmp_path / name)
        deadline = time.monotonic() + 5
        while (tmp_path / name).exists():
            assert time.monotonic() < deadline, name
            time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_watch_outlives_what_it_watches(how, tmp_path):
    watcher = tmp_path / "pid"

    def body(watch):
        watcher.write_text(str(watch.child))
        os.kill(os.getpid(), how)
        time.sleep(60)

    status, said = ended(body, seconds=60)
    assert (status, said) == (-how, "")
    deadline = time.monotonic() + 5
    while alive(int(watcher.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
