"""The ledger against an independent count: a library between gradwire and MPI that sees the same bytes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradwire.launch import find_mpiexec

HERE = Path(__file__).parent


def find_mpicc():
    beside = Path(sys.executable).with_name("mpicc")
    return str(beside) if beside.exists() else shutil.which("mpicc")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = find_mpicc()
    if compiler is None:
        pytest.skip("no mpicc beside this Python or on PATH")
    path = tmp_path_factory.mktemp("pmpi") / "pmpi_count.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", path, HERE / "pmpi_count.c"], check=True)
    return path


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 7])
def test_mpi_sees_the_bytes_that_the_ledger_says(library, mpi_environ, ranks):
    if find_mpiexec() is None:
        pytest.skip("no mpiexec beside this Python or on PATH: pip install mpich")
    environ = os.environ | mpi_environ | {"LD_PRELOAD": str(library), "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [find_mpiexec(), "-n", str(ranks), sys.executable, HERE / "pmpi_ranks.py", library],
        env=environ, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert int(done.stdout.split()[0]) > 150
