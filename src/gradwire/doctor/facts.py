"""Facts of one rank's process and host, as numbers and strings that can travel: what pinning.py and limits.py judge.

They are collected before MPI starts, whose own threads and segments would count else.
"""

import os
import platform
import resource
from pathlib import Path

from .. import environment

SHM = Path("/dev/shm")
SEGMENTS = ("mpich_shm_*", "ucx_shm_*", "sm_segment.*", "vader_segment.*")
"""Names of the shared memory of MPICH, UCX and Open MPI; a rank that is killed leaves its own behind."""
ADAPTERS = ("infiniband", "cxi", "hfi1")
"""Classes of network adapters that MPI must know to use: InfiniBand and RoCE, Slingshot, Omni-Path."""


def collect():
    """{name: number, string or list} of this process."""
    known = environment.machine()
    return {
        "host": platform.node(),
        "cores": sorted(environment.cores()),
        "threads": _count(Path("/proc/self/task")),
        "omp": known["omp_num_threads"],
        "quota": cpu_quota(),
        "governors": governors(environment.cores()),
        "shm": shm_bytes(),
        "stale": stale_segments(),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "memlock": resource.getrlimit(resource.RLIMIT_MEMLOCK)[0],
        "adapters": adapters(),
        "settings": {name: os.environ[name] for name in sorted(os.environ) if name.startswith(_TRANSPORT)},
        "alike": {name: known[name] for name in ("python", "versions", "git_commit", "simd", "cpu")},
    }


_TRANSPORT = ("UCX_TLS", "UCX_NET_DEVICES", "FI_PROVIDER", "MPIR_CVAR_", "I_MPI_FABRICS", "OMPI_MCA_pml", "OMPI_MCA_btl", "OMPI_MCA_mtl")


def cpu_quota(root="/sys/fs/cgroup", membership="/proc/self/cgroup"):
    """Cores' worth of time that the control groups of this process allow, None for no limit."""
    found = []
    for line in _lines(membership):
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        tops = (Path(root), Path(root, "unified")) if not controllers else (Path(root, "cpu"), Path(root, controllers))
        parts = Path(path.lstrip("/")).parts
        for top in tops:
            found += [quota for n in range(len(parts) + 1) if (quota := _quota_of(top.joinpath(*parts[:n])))]
    return min(found, default=None)


def _quota_of(group):
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return None if quota == "max" or int(quota) < 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def governors(cores, root="/sys/devices/system/cpu"):
    """Names of the frequency governors of these cores, [] where the kernel does not say."""
    paths = (Path(root, f"cpu{core}", "cpufreq", "scaling_governor") for core in cores)
    return sorted({line for path in paths for line in _lines(path)[:1]})


def shm_bytes():
    """[free, whole] bytes of /dev/shm, None if there is none."""
    try:
        about = os.statvfs(SHM)
    except OSError:
        return None
    return [about.f_bavail * about.f_frsize, about.f_blocks * about.f_frsize]


def stale_segments():
    """[number, bytes] of this user's segments in /dev/shm that no process has mapped: killed ranks left them."""
    mine = {}
    for path in (path for pattern in SEGMENTS for path in SHM.glob(pattern)):
        try:
            about = path.stat()
        except OSError:  # its program has just ended
            continue
        if about.st_uid == os.getuid():
            mine[str(path)] = about.st_blocks * 512
    for maps in Path("/proc").glob("[0-9]*/maps") if mine else ():
        for line in _lines(maps):
            if "/dev/shm/" in line:
                mine.pop(line[line.index("/dev/shm/") :].removesuffix(" (deleted)"), None)
    return [len(mine), sum(mine.values())]


def adapters(root="/sys/class"):
    """Names such as "infiniband mlx5_0"."""
    return [f"{kind} {path.name}" for kind in ADAPTERS for path in sorted(Path(root, kind).glob("*"))]


def _count(folder):
    try:
        return len(list(folder.iterdir()))
    except OSError:
        return 1


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
