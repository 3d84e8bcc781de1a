"""init_process_group under torchrun, mpiexec, alone, and where launcher and MPI do not match; the example under both."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "gradwire[torch]"')

import torch.distributed as dist  # noqa: E402

from gradwire.environment import find_mpiexec  # noqa: E402
from gradwire.torch import init_process_group  # noqa: E402

EXAMPLE = Path(__file__).resolve().parents[2] / "experiments" / "torch_ddp.py"
SAY = "import gradwire.torch as gt, torch.distributed as d; gt.init_process_group(timeout=60); print(d.get_rank(), d.get_world_size())"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


def run(*command, limit_s=200, **environ):
    return subprocess.run(command, capture_output=True, text=True, timeout=limit_s, env=os.environ | environ, check=False)


def test_alone(group):
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")


@pytest.mark.ranks(3)
def test_ranks_are_those_of_mpi(comm, group, monkeypatch):
    assert (dist.get_rank(), dist.get_world_size()) == (comm.rank, comm.size)
    total = torch.tensor([float(comm.rank)])
    dist.all_reduce(total)
    assert total.item() == 3
    dist.destroy_process_group()
    monkeypatch.setenv("MASTER_ADDR", "localhost")  # an address of one's own
    init_process_group()
    assert (dist.get_rank(), dist.get_world_size()) == (comm.rank, comm.size)


def test_a_launcher_that_mpi_does_not_know(monkeypatch):
    """srun says four tasks, MPI sees one."""
    done = run(sys.executable, "-c", SAY, SLURM_PROCID="1", SLURM_STEP_NUM_TASKS="4")
    assert done.returncode == 1
    assert "srun started 4 processes but MPI sees 1: launcher and MPI library do not match" in done.stderr


def test_a_slurm_job_in_which_this_was_started_once():
    done = run(sys.executable, "-c", SAY, SLURM_NTASKS="4")
    assert done.stdout == "0 1\n"


def test_the_example_under_torchrun():
    """DDP without a hook and the codec `none` train alike; natural sends 9 of 32 bits; PyTorch's fp16 is counted as half of fp32."""
    codecs = ["ddp", "none", "natural", "fp16-torch"]
    arguments = [word for codec in codecs for word in ("--codec", codec)]
    done = run(*TORCHRUN, str(EXAMPLE), "--synthetic", "600", *arguments, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^(\S+) +[\d.]+ ms +(\S+) bytes", done.stdout, re.MULTILINE))
    size = 421642  # parameters: 320 + 18496 + 401536 + 1290
    assert list(found) == codecs
    assert found["ddp"] == "?"
    assert 4 * size < int(found["none"]) <= 4 * size + 16
    assert 9 / 8 * size < int(found["natural"]) < 9 / 8 * size + 200
    assert int(found["fp16-torch"]) == 2 * size
    accuracy = [float(value) for value in re.findall(r"([\d.]+) accuracy", done.stdout)]
    assert abs(accuracy[0] - accuracy[1]) < 0.02


def test_the_example_under_mpiexec(mpi_environ):
    launcher = find_mpiexec()
    if launcher is None:
        pytest.skip("no mpiexec beside this Python or on PATH: pip install mpich")
    arguments = ("--synthetic", "600", "--codec", "topk(ratio=0.01)+natural", "--error-feedback", "--codec", "powersgd-torch")
    done = run(launcher, "-n", "2", sys.executable, str(EXAMPLE), *arguments, **mpi_environ)
    assert done.returncode == 0, done.stderr
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ["topk(ratio=0.01)+natural", "powersgd-torch"]


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 80
