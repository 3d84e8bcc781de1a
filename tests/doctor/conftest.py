"""Made-up environments: facts of ranks, and programs on PATH that answer what a test wants."""

import os
import sys

import pytest


@pytest.fixture
def facts():
    """facts(host, cores, **changes) → what facts.collect() says of a rank on a machine on which all is well."""

    def made(host="a", cores=(0, 1, 2, 3), **changes):
        alike = {"python": "3.11.7", "versions": "numpy 2.4", "git_commit": "abc", "simd": "avx2", "cpu": "a CPU"}
        good = {
            "host": host, "node": host, "cores": list(cores), "threads": 1, "omp": "1", "quota": None, "governors": ["performance"],
            "shm": [1 << 30, 1 << 30], "stale": [0, 0], "nofile": 4096, "memlock": -1, "adapters": [], "settings": {},
        }  # fmt: skip
        return good | {"alike": alike | changes.pop("alike", {})} | changes

    return made


@pytest.fixture
def program(monkeypatch, tmp_path):
    """program(name, says, code, beside) makes a program on PATH, or beside this Python; nothing else is there but what a shell needs."""
    on_path, beside_python = tmp_path / "path", tmp_path / "python"
    for folder in (on_path, beside_python):
        folder.mkdir()
    monkeypatch.setenv("PATH", str(on_path))
    python = sys.executable
    monkeypatch.setattr(sys, "executable", str(beside_python / "python"))
    os.symlink(python, beside_python / "python")

    def make(name, says="", code=0, beside=False):
        path = (beside_python if beside else on_path) / name
        path.unlink(missing_ok=True)  # a link to the real one
        path.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{says}\nEND\nexit {code}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in ("PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "SLURM_NTASKS", "SLURM_JOB_ID", "SLURM_MPI_TYPE"):
        if "GRADWIRE_TEST_RANKS" not in os.environ:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def one():
    """one(findings, check) → the only finding of that check, or the only one."""

    def only(findings, check=None):
        (found,) = [finding for finding in findings if check in (None, finding.check)]
        return found

    return only
