"""Launchers, mpiexec and the end of a failing run; how it looks under mpiexec is in test_cli.py."""

import os
import sys
from types import SimpleNamespace

import pytest

from gradwire import ConfigError, DataError, IncompatibleError, launch

FULL_DISK = """Can't decrement id ref count (file write failed: time = Sun Nov 22 05:45:56 2026
, filename = '/there/x.h5', file descriptor = 29, errno = 28, error message = 'No space left on device', buf = 0x55, total write size = 8)"""
MPICH = {"PMI_RANK": "2", "PMI_SIZE": "4"}


class World:
    """A communicator as rank `rank` of `size` sees it. bcast hands over what rank 0 has put there."""

    def __init__(self, rank=0, size=2, sent=None):
        self.rank, self.size, self.sent, self.aborted = rank, size, sent, None

    def bcast(self, value):
        return value if self.rank == 0 else self.sent

    def Abort(self, code):
        self.aborted = code


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    slept = []
    monkeypatch.setattr(launch.time, "sleep", slept.append)
    monkeypatch.setattr(launch.signal, "signal", lambda *_: None)
    return slept


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        (MPICH, launch.Launcher("mpiexec", 2, 4)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "3"}, launch.Launcher("Open MPI's mpiexec", 0, 3)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, launch.Launcher("srun", 1, 2)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, None),  # the batch script itself
        ({"PMI_RANK": "x", "PMI_SIZE": "4"}, None),
    ],
)
def test_launchers(environ, expected):
    assert launch.launcher(environ) == expected
    assert launch.speaks(environ) == (expected is None or expected.rank == 0)


@pytest.mark.parametrize(
    ("size", "ranks", "environ"),
    [
        (4, None, MPICH),
        (4, 4, MPICH),
        (1, None, {}),
        (1, 1, {"SLURM_NTASKS": "4"}),
        (1, None, {"PMI_RANK": "0", "PMI_SIZE": "1", "SLURM_NTASKS": "4"}),
    ],
)
def test_worlds_that_are_as_they_should_be(size, ranks, environ):
    launch.check_world(size, ranks, environ)


@pytest.mark.parametrize(
    ("size", "ranks", "environ", "message"),
    [
        (1, None, MPICH, "mpiexec started 4 processes but MPI sees 1: launcher and MPI library do not match. Start it with .*mpiexec"),
        (1, None, {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "3"}, "Open MPI's mpiexec started 3 processes but MPI sees 1"),
        (1, None, {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, "srun started 2 processes but MPI sees 1"),
        (1, None, {"SLURM_NTASKS": "4"}, "this Slurm job has 4 tasks but gradwire was started once: .* --ranks 1"),
        (4, 3, MPICH, "--ranks: expected 4, the number of ranks of this launch, got 3"),
    ],
)
def test_worlds_that_do_not_match(size, ranks, environ, message):
    with pytest.raises(ConfigError, match=message):
        launch.check_world(size, ranks, environ)


def test_mpiexec_replaces_this_process(monkeypatch):
    calls = []
    monkeypatch.setattr(os, "execve", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 6}, raising=False)
    monkeypatch.setattr(launch, "find_mpiexec", lambda: "/there/mpiexec")
    launch.mpiexec(3, ["run", "x.toml", "--ranks", "3"], {"A": "1"})
    ((command, arguments, environ),) = calls
    assert command == "/there/mpiexec"
    assert arguments == [command, "-n", "3", sys.executable, "-m", "gradwire", "run", "x.toml", "--ranks", "3"]
    assert environ == {"A": "1", "GRADWIRE_LAUNCHED": command, "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    launch.mpiexec(2, [], {})
    assert calls[1][2] == {"GRADWIRE_LAUNCHED": command}


def test_mpiexec_that_starts_no_ranks_is_not_started_again():
    with pytest.raises(ConfigError, match="/there/mpiexec started this process, but not as one of several ranks"):
        launch.mpiexec(2, [], {"GRADWIRE_LAUNCHED": "/there/mpiexec"})


def test_mpiexec_is_found_beside_python_then_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert launch.find_mpiexec() is None
    with pytest.raises(ConfigError, match=r"--ranks: no mpiexec beside this Python or on PATH; `pip install 'gradwire\[mpich\]'`"):
        launch.mpiexec(2, [], {})
    with pytest.raises(ConfigError, match="Install one with"):
        launch.check_world(1, None, MPICH)
    for folder in (tmp_path / "bin", tmp_path):
        folder.mkdir(exist_ok=True)
        (folder / "mpiexec").touch(mode=0o755)
        assert launch.find_mpiexec() == str(folder / "mpiexec")


def test_on_root():
    assert launch.on_root(World(0), max, 3, 4) == 4
    assert launch.on_root(World(1, sent=(4, None)), pytest.fail) == 4


def test_an_error_on_root_is_agreed():
    def refuse():
        raise ConfigError("no")

    with pytest.raises(launch.AgreedError) as root:
        launch.on_root(World(0), refuse)
    with pytest.raises(launch.AgreedError) as other:
        launch.on_root(World(1, sent=(None, ConfigError("no"))), pytest.fail)
    for caught in (root, other):
        assert isinstance(caught.value.__cause__, ConfigError)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("wrong"), 2, "wrong"),
        (IncompatibleError("do not fit"), 2, "do not fit"),
        (DataError("bad line"), 1, "bad line"),
        (OSError(28, "No space left on device", "x.h5"), 1, "[Errno 28] No space left on device: 'x.h5'"),
        (RuntimeError(FULL_DISK), 1, "No space left on device: '/there/x.h5'"),
        (MemoryError(), 1, "out of memory"),
        (MemoryError("Unable to allocate 8 TiB"), 1, "out of memory: Unable to allocate 8 TiB"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("oops"), 1, "unexpected error\nZeroDivisionError: oops"),
    ],
)
def test_one_rank_ends_with_a_message_and_a_status(capsys, error, code, text):
    assert launch.fail(error) == code
    assert capsys.readouterr().err == f"gradwire: {text}\n"
    assert launch.fail(error, World(0, 1)) == code


def test_agreed_errors_are_told_by_rank_0_and_abort_nobody(capsys, monkeypatch):
    for rank in (0, 1):
        world = World(rank)
        error = launch.AgreedError("no")
        error.__cause__ = ConfigError("no")
        assert launch.fail(error, world) == 2
        assert world.aborted is None
    assert capsys.readouterr().err == "gradwire: no\n"
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("PMI_SIZE", "2")
    assert launch.fail(ConfigError("no")) == 2
    assert capsys.readouterr().err == ""


def test_other_errors_abort_all_and_later_ranks_wait(capsys, no_waiting):
    worlds = [World(rank, 20) for rank in (0, 3, 19)]
    for world in worlds:
        assert launch.fail(DataError("bad"), world) == 1
    assert [world.aborted for world in worlds] == [1, 1, 1]
    assert no_waiting[::2] == [0, 1.5, 9.5]
    assert no_waiting[1::2] == [launch.FLUSH_S] * 3  # before the abort
    assert capsys.readouterr().err == "gradwire: rank 0: bad\ngradwire: rank 3: bad\ngradwire: rank 19: bad\n"


def test_a_bug_comes_with_its_traceback(capsys):
    try:
        SimpleNamespace().nothing  # noqa: B018
    except AttributeError as error:
        launch.fail(error, World(1))
    text = capsys.readouterr().err
    assert text.startswith("gradwire: rank 1: unexpected error\nTraceback (most recent call last):\n")
    assert "SimpleNamespace().nothing" in text
