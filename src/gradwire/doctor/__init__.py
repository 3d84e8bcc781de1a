"""gradwire doctor: looks at everything that a run depends on, says what was found, and what to do about it.

`machine` looks at what needs no ranks; ranks.py at the rest, on the ranks of a launch; launching.py makes that launch where there
is none. It measures to find what is wrong: numbers worth keeping come from `gradwire bench collectives` and from runs.
"""

from ..data import cache
from . import installation, mpi, slurm, storage
from .finding import Finding, attempt, lines, text, worst


def machine(results, found, stage):
    """Add [Finding] of all that needs no ranks to the list `found`. results: the folder of --results. stage(words,
    findings): called with what comes next and what was found. Does not start MPI, leaves nothing behind."""
    stage("looking for the MPI library", found)
    library, why = mpi.library()
    checks = (
        ("software", installation.check_software),
        ("kernels", installation.check_kernels),
        ("launcher", mpi.check_launcher),
        ("MPI library", mpi.check_library, library, why),
        ("MPI wheels", mpi.check_wheels),
        ("mpiexec", mpi.check_mpiexec, library),
        ("Slurm", slurm.check, library),
        ("results disk", storage.check, "results", results, "choose another --results"),
        ("cache disk", storage.check, "cache", cache.root(), "set GRADWIRE_CACHE to another folder"),
        ("data", installation.check_data),
        ("lab", installation.check_lab),
    )
    for name, check, *arguments in checks:
        stage(f"looking at this machine: {name}", found)
        found += attempt(name, check, *arguments)


__all__ = ["Finding", "attempt", "lines", "machine", "text", "worst"]
