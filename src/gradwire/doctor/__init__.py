"""gradwire doctor: looks at everything that a run depends on, says what was found, and what to do about it.

`machine` looks at what needs no ranks; ranks.py at the rest, on the ranks of a launch; launching.py makes that launch where there
is none. It measures to find what is wrong: numbers worth keeping come from `gradwire bench collectives` and from runs.
"""

from ..data import cache
from . import installation, mpi, slurm, storage
from .finding import Finding, attempt, lines, text, worst


def machine(results):
    """[Finding] of all that needs no ranks. results: the folder of --results. Does not start MPI, leaves nothing behind."""
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
    return [finding for name, check, *arguments in checks for finding in attempt(name, check, *arguments)]


__all__ = ["Finding", "attempt", "lines", "machine", "text", "worst"]
