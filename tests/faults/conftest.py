"""Real launches that go wrong: `launch` starts one, `Launch.ended` gives its Outcome, `Outcome.check` asserts what every fault must keep.

Ranks are processes of mpiexec; data are 400 rows of 300 features. What goes wrong is in plugins/gradwire_faults.py, nothing of it in
gradwire. Times are in seconds.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

import gradwire as gw
from gradwire import environment
from gradwire import launch as launching

HERE = Path(__file__).parent
MARKER = "GRADWIRE_FAULT_LAUNCH"
WITHIN_S = 30

WHOLE = {".h5": gw.load_run, ".hdf5": None, ".lock": None, ".md": None, ".csv": None, ".png": None, ".pdf": None, ".ckpt": None}
EXPERIMENT = """
[data]
name = "libsvm"
train = "{rows}"
test_fraction = 0.25
n_features = 300
zero_based = true
[model]
name = "faulty"
[optimizer]
name = "faulty"
lr = 0.5
[codec]
uplink = "raw+faulty"
[collective]
name = "allgather"
[run]
epochs = 3
batch_size = 15
vnmse_samples = 0
checkpoint_every = 1
"""
STEPS = {1: 21, 2: 11, 3: 7, 4: 6}
"""Of an epoch, for each number of ranks."""


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A folder with rows.svm, trial.toml and a prepared cache."""
    folder = tmp_path_factory.mktemp("faults")
    rng = np.random.default_rng(7)
    weights = rng.normal(size=300)
    lines = []
    for _ in range(400):
        keys = np.sort(rng.choice(300, 8, replace=False))
        lines.append(f"{int(weights[keys].sum() > 0)} " + " ".join(f"{key}:1" for key in keys))
    (folder / "rows.svm").write_text("\n".join(lines) + "\n")
    (folder / "trial.toml").write_text(EXPERIMENT.format(rows=folder / "rows.svm"))
    subprocess.run(
        [sys.executable, "-m", "gradwire", "data", "prepare", "libsvm", "--set", f"train={folder}/rows.svm", "--set", "test_fraction=0.25",
         "--set", "n_features=300", "--set", "zero_based=true"],
        env=os.environ | {"GRADWIRE_CACHE": str(folder / "cache")}, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return folder


@pytest.fixture
def cache(world, tmp_path):
    """A copy of the prepared data set that a test may damage: the folder of its arrays."""
    shutil.copytree(world / "cache", tmp_path / "cache")
    (folder,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    return folder


@pytest.fixture
def launch(world, tmp_path):
    """start(*arguments, ranks=2, fault="…", parts=…) → Launch. What is still running at the end of the test is ended."""
    if environment.package_version("mpich") is None:
        pytest.skip("statuses and options are those of MPICH's mpiexec: pip install mpich")
    started = []

    def start(*arguments, **options):
        started.append(Launch(world, tmp_path, arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.kill()


class Launch:
    """`mpiexec -n ranks gradwire run trial.toml arguments…`, started. parts: instead of ranks, a list of (environment, arguments), one rank
    each, for mpiexec's `:`, or if they are to be `alone` each a process by itself. files: the experiment file of each part. within: a command
    that starts mpiexec. fault: see gradwire_faults. results: default tmp_path / "results"."""

    def __init__(
        self, world, folder, arguments, *, ranks=2, fault="", parts=(), files=None, alone=False, within=(), results=None, **environ
    ):
        self.results = Path(results or folder / "results")
        self.marker = uuid.uuid4().hex
        self.out, self.err = folder / f"{self.marker}.out", folder / f"{self.marker}.err"
        self.folder = folder
        line = ["-n", str(ranks), *self._run(world / "trial.toml", arguments)]
        for number, (variables, more) in enumerate(parts):
            run = self._run(files[number] if files else world / "trial.toml", more)
            settings = [word for name, value in variables.items() for word in ("-env", name, value)]
            line = [*(line + [":"] if number else []), "-n", "1", *settings, *run]
        command = [*within, launching.find_mpiexec(), *line]
        if alone:
            starts = [shlex.join(["env", *(f"{name}={value}" for name, value in variables.items()), *run]) for variables, _ in parts]
            command = ["sh", "-c", " & ".join(starts) + "; status=$?; wait; exit $status"]
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("COVERAGE_PROCESS", "FAULT", "PMI_", "OMPI_", "SLURM_"))
        }
        self.environ = kept | {
            "PYTHONPATH": os.pathsep.join([str(HERE / "plugins"), os.environ.get("PYTHONPATH", "")]),
            "GRADWIRE_CACHE": str(world / "cache"), "FAULT": fault, "FAULTS_SEEN": str(folder), MARKER: self.marker, **environ,
        }  # fmt: skip
        self.began = time.monotonic()
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                command, env=self.environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True, cwd=folder,
            )  # fmt: skip

    def _run(self, experiment, arguments):
        return [sys.executable, "-m", "gradwire", "run", str(experiment), "--results", str(self.results), *arguments]

    def ended(self):
        """Outcome of the launch, when its first process has ended."""
        self.process.wait(timeout=60)
        return Outcome(self, time.monotonic() - self.began)

    def alive(self):
        """Processes of this launch, found by the marker in their environment: {pid: command line}."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARKER}={self.marker}".encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def ranks(self):
        """pid of each rank."""
        found = {}
        for pid, line in self.alive().items():
            if "-m gradwire" in line:
                rank = re.search(rb"PMI_RANK=(\d+)", Path(f"/proc/{pid}/environ").read_bytes())
                if rank:
                    found[int(rank[1])] = pid
        return found

    def struck(self, where="compute-0", timeout=20):
        """Wait until the fault strikes: phase and rank."""
        until = time.monotonic() + timeout
        while not (self.folder / where).exists():
            assert time.monotonic() < until and self.process.poll() is None, self.err.read_text()
            time.sleep(0.02)

    def kill(self):
        for pid in self.alive():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(timeout=10)


class Outcome:
    """How a launch ended: status, standard output and error, seconds."""

    def __init__(self, launch, elapsed):
        self.launch, self.elapsed, self.status = launch, elapsed, launch.process.returncode
        self.out, self.err = launch.out.read_text(), launch.err.read_text()

    def check(self, message, *, status=1, rows=0, steps=None):
        """Assert what every fault must keep. message: a regular expression for the one line of gradwire's, "" if there is none. rows: epochs
        that the run file must have (None: there is none), of so many steps each. status: one, or several: MPICH's launcher may
        add the 9 of those that it kills, bit by bit, where a rank ends without MPI_Abort."""
        said = [line for line in self.err.splitlines() if line.startswith("gradwire:")]
        sys.__stdout__.write(f"\n{self.elapsed:.1f} s, status {self.status}: {said}\n")  # with -s: what docs/faults.md has
        assert len(said) == bool(message), self.err
        assert not message or re.search(message, said[0]), f"expected {message}\n{self.err}"
        assert self.status in (status if isinstance(status, tuple) else (status,)), f"status {self.status}\n{self.err}"
        assert self.elapsed < WITHIN_S, f"{self.elapsed:.1f} s"
        until = time.monotonic() + 3
        while (alive := self.launch.alive()) and time.monotonic() < until:
            time.sleep(0.05)
        assert not alive, f"left behind: {alive}"
        self.check_files(rows, steps)

    def check_files(self, rows, steps=None):
        """Everything under a final name is whole, and nothing recorded is lost."""
        results = self.launch.results
        runs = sorted(results.glob("runs/**/*.h5"))
        assert len(runs) == (0 if rows is None else 1), runs
        for path in runs:
            run = gw.load_run(path)
            assert len(run.epochs["test_loss"]) == rows
            assert np.isfinite(run.epochs["test_loss"]).all() and (run.epochs["steps"] == (steps or STEPS[run.ranks])).all()
        for path in results.rglob("*") if results.is_dir() else ():
            if path.is_file() and path.suffix != ".part":
                assert path.suffix in WHOLE, f"unexpected file {path}"
