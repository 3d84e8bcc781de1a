import math
import subprocess
import sys

import pytest

from gradwire import environment


@pytest.mark.ranks(1, 3)
def test_all_ranks_describe_the_same_machine(comm, monkeypatch):
    from mpi4py import MPI

    monkeypatch.delenv("GRADWIRE_NETWORK", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = environment.describe(comm, MPI.Get_library_version(), MPI.Get_version())
    assert all(isinstance(value, str | int | float) for value in found.values())
    assert found["network"] == "local" and math.isnan(found["link_rate_bps"])
    assert found["ranks"] == found["ranks_per_host"] == comm.size
    assert found["hosts"].count(",") == 0 and found["pinning"].count("rank ") == comm.size
    assert "numpy" in found["versions"] and found["mpi_library"] and found["cpu"] and found["omp_num_threads"] == "1"
    started = comm.allgather({name: value for name, value in found.items() if name not in ("started_at", "link_rate_bps")})
    assert all(entry == started[0] for entry in started)


def test_the_network_is_named_by_whoever_shapes_it(monkeypatch):
    monkeypatch.setenv("GRADWIRE_NETWORK", "shaped")
    monkeypatch.setenv("GRADWIRE_LINK_RATE_BPS", "1e9")
    from mpi4py import MPI

    found = environment.describe(MPI.COMM_SELF, "MPICH 5\0\0", (4, 1))
    assert (found["network"], found["link_rate_bps"]) == ("shaped", 1e9)
    assert (found["mpi_library"], found["mpi_standard"]) == ("MPICH 5", "4.1")


def test_commit_is_unknown_outside_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "gradwire" / "environment.py"))
    assert environment._git_commit() == "unknown"
    monkeypatch.setenv("PATH", "")
    assert environment._git_commit() == "unknown"


def test_cores_are_those_that_the_ranks_may_use(monkeypatch):
    class Comm:
        size = 3

        def allgather(self, mine):
            return [mine, ("a", {0, 1, 2, 5, 7, 8}), ("a", {8, 9})]

    monkeypatch.setattr(environment, "cores", lambda: {3})
    found = environment.describe(Comm(), "MPI", (4, 0))
    assert found["pinning"] == "rank 0: 3; rank 1: 0-2,5,7-8; rank 2: 8-9"
    assert (found["cores"], found["ranks_per_host"], environment.machine()["cores"]) == (1, 2, 1)


def test_freed_memory_is_kept():
    """After it, an array of 8 MB that is freed and made again costs no page faults."""
    code = """
import resource, numpy as np
from gradwire import environment
environment.keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(1 << 20); np.ones(1 << 20)
before = faults()
for _ in range(10):
    np.ones(1 << 20)
print(faults() - before)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 500  # each would cost 2,048
