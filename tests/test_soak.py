"""The soak, tiny: that it runs, measures, and breaks when a bound does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradwire.environment import find_mpiexec

SOAK = Path(__file__).with_name("soak.py")


@pytest.fixture
def soak(mpi_environ):
    return lambda *arguments, ranks=0: run(arguments, ranks, mpi_environ)


def run(arguments, ranks, environ):
    launch = [find_mpiexec(), "-n", str(ranks)] if ranks else []
    if ranks and launch[0] is None:
        pytest.skip("no mpiexec beside this Python or on PATH: pip install mpich")
    done = subprocess.run(
        [*launch, sys.executable, str(SOAK), *arguments],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_training_keeps_its_memory_files_and_bytes(soak):
    code, out, problems = soak("train", "--steps", "50", "--block", "1", ranks=2)
    assert code == 0, out + problems
    assert "open files constant" in out and "every round put the same bytes on the wire" in out


def test_a_large_dimension_costs_nothing(soak):
    code, out, problems = soak("wide", "--dim", "100000000", "--nnz", "300", ranks=2)
    assert code == 0, out + problems
    lines = [line.split() for line in out.splitlines() if " of 16 MiB" in line]
    assert len(lines) > 40 and all(int(line[3]) <= 16 for line in lines)
    assert "refused: intsgd: expected dim ≤ 2²⁶ to make a sparse gradient dense" in out


def test_many_nonzeros_go_in_pieces(soak):
    code, out, problems = soak("many", "--nnz", "300000", "--words", "1000", ranks=2)
    assert code == 0, out + problems
    assert "in    1 pieces" in out and "in  301 pieces" in out


def test_appending_to_a_longer_file_is_not_slower(soak):
    code, out, problems = soak("rows", "--rows", "10000")
    assert code == 0, out + problems
    moved = [int(line.split()[-5]) for line in out.splitlines()]
    assert len(moved) == 2 and moved[1] < 2 * moved[0], out
