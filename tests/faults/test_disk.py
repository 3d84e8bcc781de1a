"""Full disks and folders that cannot be written. Root may write everywhere, so a file system of its own is mounted, in a mount namespace
of its own that ends with the test."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


class Disk:
    """A small file system at `path` in the namespace of the process `pid`; `outside` is how this process sees it. inside: the command that
    starts another there."""

    def __init__(self, path, size):
        self.path, entered = path, path.parent / "entered"
        path.mkdir()
        script = f"mount --make-rprivate / && mount -t tmpfs -o size={size} none '{path}' && touch '{entered}' && exec sleep 600"
        self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stderr=subprocess.PIPE, text=True)
        while not entered.exists():
            if self.process.poll() is not None:
                pytest.skip(f"cannot mount a file system: {self.process.stderr.read().strip()}")
        self.outside = Path(f"/proc/{self.process.pid}/root{path}")
        self.inside = ("nsenter", "-m", "-t", str(self.process.pid))

    def run(self, *command):
        subprocess.run([*self.inside, *command], check=True, timeout=10)


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("mounting a small file system needs root and unshare")
    made = Disk(tmp_path / "disk", "1m")
    yield made
    made.process.kill()
    made.process.wait()


def ended(launch, disk, *arguments, **options):
    """The Outcome of a launch inside, whose results are read from outside."""
    started = launch(*arguments, within=disk.inside, results=disk.path, **options)
    started.results = disk.outside
    return started.ended()


def test_a_disk_that_is_full_while_recording(launch, disk):
    """The 65th row needs new space in the file: 64 are kept."""
    epochs = ("--set", "run.epochs=70", "--set", "run.batch_size=200", "--set", "run.checkpoint_every=0")
    outcome = ended(launch, disk, *epochs, fault=f"evaluate:128@1=fill {disk.path}/filled.lock")
    outcome.check(rf"^gradwire: rank 0: .*No space left on device.*{disk.path}", rows=64, steps=1)


def test_a_disk_that_is_full_while_checkpointing(launch, disk):
    outcome = ended(launch, disk, fault=f"evaluate:2@1=fill {disk.path}/filled.lock")
    outcome.check(rf"^gradwire: rank 0: .*No space left on device.*{disk.path}", rows=1)
    (kept,) = disk.outside.glob("checkpoints/**/*.ckpt")
    assert kept.name == "at-1-0.shared.ckpt"
    (disk.outside / "filled.lock").unlink()
    again = ended(launch, disk, "--resume")
    again.check("", status=0, rows=3)


def test_a_disk_that_is_full_from_the_start(launch, disk):
    disk.run("sh", "-c", f"cat /dev/zero > '{disk.path}/filled.lock' 2>&- || true")
    ended(launch, disk).check(rf"^gradwire: .*No space left on device.*{disk.path}", rows=None)


def test_a_read_only_results_folder(launch, disk):
    disk.run("mount", "-o", "remount,ro", str(disk.path))
    ended(launch, disk).check(rf"^gradwire: .*Read-only file system: '{disk.path}", rows=None)


def test_a_file_in_the_way_of_the_results(launch, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs").touch()
    outcome = launch().ended()
    outcome.launch.results.joinpath("runs").unlink()
    outcome.check(rf"^gradwire: .*(File exists|Not a directory): '{tmp_path}/results/runs", rows=None)


def test_a_file_in_the_way_of_the_tables(launch, tmp_path):
    """The other ranks are on their way out when rank 0 writes them."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "tables").touch()
    outcome = launch().ended()
    outcome.launch.results.joinpath("tables").unlink()
    outcome.check(rf"^gradwire: rank 0: .*File exists: '{tmp_path}/results/tables'", rows=3)
