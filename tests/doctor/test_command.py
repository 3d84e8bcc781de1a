"""`gradwire doctor` as a user starts it: alone, under mpiexec, in broken surroundings. What it says, its status, what it leaves."""

import os
import re
import subprocess
import sys
import time

import pytest

from gradwire import launch
from gradwire.cli import main
from gradwire.doctor import finding

NAMES = {"software", "kernels", "launcher", "MPI library", "mpiexec", "Slurm", "results disk", "HDF5", "cache disk", "lab"}
OF_RANKS = {
    "ranks",
    "threads",
    "shared memory",
    "limits",
    "results shared",
    "cache shared",
    "transport",
    "latency",
    "bandwidth",
    "allgather",
    "clocks",
}


@pytest.fixture
def doctor(tmp_path, mpi_environ):
    """doctor(*arguments, ranks, script, **environ) → (status, output, [(status, check, rest of the line)])."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "cache").mkdir()

    def run(*arguments, ranks=None, script=None, **environ):
        command = [
            sys.executable,
            *(["-c", script] if script else ["-m", "gradwire"]),
            "doctor",
            "--results",
            str(tmp_path / "results"),
            *arguments,
        ]
        if ranks:
            command = [launch.find_mpiexec() or pytest.skip("no mpiexec"), "-n", str(ranks), *command]
        own = {"TMPDIR": str(tmp_path / "temporary"), "GRADWIRE_CACHE": str(tmp_path / "cache")}
        all_of_it = {name: value for name, value in (os.environ | mpi_environ | own | environ).items() if value is not None}
        if script:
            all_of_it.pop("COVERAGE_PROCESS_CONFIG", None)  # a rank that is ended would leave half a coverage file
        done = subprocess.run(command, env=all_of_it, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False)
        lines = re.findall(rf"^({'|'.join(finding.STATUSES)}) +(.+?)  +(.*)$", done.stdout, re.MULTILINE)
        return done.returncode, done.stdout, lines

    return run


def names(lines):
    return {check for _, check, _ in lines}


def left(tmp_path):
    """What doctor has left in the folders that it looks at, and in that for temporary files."""
    return [str(path) for path in tmp_path.rglob("*gradwire*")] + [str(path) for path in tmp_path.glob("results/*")]


def test_alone_it_looks_at_everything(doctor, tmp_path):
    status, said, lines = doctor()
    assert status == 0, said
    assert names(lines) >= NAMES | OF_RANKS | {"data"}
    words = " ".join(said.split())
    assert re.search(r"1 byte inside a host: [0-9.]+ [µm]s \(5–95%: ", words) and re.search(r"[0-9.]+ [MG]B/s \(ranks 0 and 1\)", words)
    assert ", says UCX" in said or ", says Open MPI" in said
    assert "no problems" in said.splitlines()[-1]
    assert max(map(len, said.splitlines())) <= finding.WIDTH
    assert left(tmp_path) == []


@pytest.mark.parametrize("ranks", [2, 3])
def test_under_mpiexec_it_looks_at_those_ranks(doctor, tmp_path, ranks):
    status, said, lines = doctor(ranks=ranks)
    assert status == 0, said
    assert names(lines) >= NAMES | OF_RANKS
    assert f"started {ranks} ranks" in said and f"{ranks} on 1 host" in said
    assert said.count("software") == 1, "one rank speaks"
    assert left(tmp_path) == []


def test_ranks_of_one_are_enough(doctor):
    status, said, lines = doctor("--ranks", "1")
    assert status == 0, said
    assert "`gradwire doctor --ranks 2`" in said and "latency" not in names(lines)


def test_tcp_inside_a_host_is_noticed(doctor):
    if "MPICH" not in os.popen(f"{sys.executable} -m mpi4py --mpi-lib-version").read():
        pytest.skip("UCX_TLS is of MPICH's UCX")
    status, said, lines = doctor(UCX_TLS="tcp,self")
    assert status == 0, said
    (transport,) = [(status, rest) for status, check, rest in lines if check == "transport"]
    assert transport[0] == "warning" and "tcp/" in transport[1] and "(UCX_TLS=tcp,self)" in said


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_problem_gives_status_1_and_the_others_are_looked_at(doctor, tmp_path, ranks):
    (tmp_path / "results").touch()
    status, said, lines = doctor(ranks=ranks)
    assert status == 1
    assert [check for status, check, _ in lines if status == "problem"] == ["results disk"]
    assert "is not a folder" in " ".join(said.split()) and "1 problem (results disk)" in said
    assert "latency" in names(lines)


def test_a_launcher_of_another_mpi(doctor, tmp_path):
    """The variables of an mpiexec that has started two, and a library that sees one."""
    status, said, lines = doctor(PMI_RANK="0", PMI_SIZE="2")
    assert status == 1
    (problem,) = [rest for status, check, rest in lines if (status, check) == ("problem", "ranks")]
    assert problem.startswith("mpiexec started 2 processes but MPI sees 1")
    assert "→ Start it with" in said and "pinning" in names(lines)
    assert left(tmp_path) == []


HANGING = """
import sys, time
from gradwire.doctor import launching, ranks
launching.limit_s = lambda size: 8.0
measure = ranks.measure_pairs
def hang(comm, *rest):
    if comm.rank == 1:
        time.sleep(600)
    return measure(comm, *rest)
ranks.measure_pairs = hang
from gradwire.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_rank_that_hangs_ends_the_launch_with_a_word(doctor, tmp_path):
    began = time.monotonic()
    status, said, lines = doctor(ranks=2, script=HANGING)
    assert time.monotonic() - began < 60
    assert status != 0
    assert "no answer within 8 s; it stood at: measuring between ranks 0 and 1" in " ".join(said.split())
    assert {"pinning", "cache shared"} <= names(lines), "what was found before is said"
    assert left(tmp_path) == []


LATE = """
import os, sys, time
from gradwire.doctor import facts, launching
launching.limit_s = lambda size: 6.0
collect = facts.collect
def late():
    if "1" in (os.environ.get("PMI_RANK"), os.environ.get("OMPI_COMM_WORLD_RANK")):
        time.sleep(600)
    return collect()
facts.collect = late
from gradwire.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_rank_that_does_not_start_mpi(doctor, tmp_path):
    """The others wait while MPI starts, in which no Python code runs."""
    began = time.monotonic()
    status, said, lines = doctor(ranks=2, script=LATE)
    assert time.monotonic() - began < 60
    assert status != 0 and "no answer within 6 s; it stood at: starting MPI" in " ".join(said.split())
    assert names(lines) >= NAMES
    assert left(tmp_path) == []


FAILING = """
import sys
from gradwire.doctor import ranks
def fail(comm, *rest):
    if comm.rank == 1:
        raise ZeroDivisionError("oops")
    comm.Barrier()
ranks.measure_pairs = fail
from gradwire.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_rank_that_raises_ends_all(doctor):
    status, said, _ = doctor(ranks=2, script=FAILING)
    assert status != 0 and "gradwire: rank 1: unexpected error" in said and "ZeroDivisionError: oops" in said


def test_usage(monkeypatch, capsys):
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "4")
    assert main(["doctor", "--ranks", "2"]) == 2
    assert "--ranks: expected 4" in capsys.readouterr().err
    assert main(["doctor", "--help"]) == 0
    assert "srun --mpi=pmi2 gradwire doctor" in capsys.readouterr().out
