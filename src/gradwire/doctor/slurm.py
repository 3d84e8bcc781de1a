"""Checks of Slurm: whether srun can start ranks of this MPI library, and whether a job's tasks are the ranks of this launch."""

import os
import shutil

from ..slurm import pmi
from .finding import ok, problem, warning
from .mpi import last_line, output


def check(library, environ=os.environ):
    """library: what it says of itself, or None."""
    srun = shutil.which("srun")
    if srun is None:
        yield ok("Slurm", "no srun here: ranks are started with mpiexec")
        return
    code, said = output([srun, "--mpi=list"], timeout=10)
    types = pmi.listed(said) if code == 0 else ()
    if not types:
        yield warning(
            "Slurm",
            f"{srun} names no PMI: {last_line(said) or 'nothing said'}",
            "on a cluster, ask its administrators; else ranks start with mpiexec",
        )
        return
    name = pmi.named(library or "")
    needs = pmi.PREFERRED[name][0] if name else None
    fitting = pmi.fitting(name, types)
    about = f"srun knows {', '.join(types)}"
    if needs and not fitting:
        yield problem(
            "Slurm",
            f"{about}; {name} needs {needs}",
            f"start ranks with mpiexec inside the job, or use an MPI that was built for {types[-1]}",
        )
        return
    default = environ.get("SLURM_MPI_TYPE", "")
    if default and needs and default not in pmi.PREFERRED[name]:
        yield warning(
            "Slurm", f"{about}; SLURM_MPI_TYPE is {default}", f"`srun --mpi={fitting} gradwire …`, or `export SLURM_MPI_TYPE={fitting}`"
        )
    else:
        yield ok("Slurm", about + (f"; `srun --mpi={fitting} gradwire run …` starts ranks" if needs else ""))


def _proxies(environ):
    """The number of tasks, if it is that of the nodes: mpiexec then has started one of its own on each, and the ranks are theirs."""
    nodes = environ.get("SLURM_STEP_NUM_NODES", "")
    return [int(nodes)] if nodes.isdigit() else []


def check_tasks(size, environ=os.environ):
    """size: ranks of this launch."""
    job, tasks = environ.get("SLURM_JOB_ID"), environ.get("SLURM_NTASKS", "")
    if job is None:
        return
    about = f"job {job} on {environ.get('SLURM_JOB_NODELIST', '?')}: {tasks or '?'} tasks, {size} ranks here"
    if tasks.isdigit() and int(tasks) not in (size, *_proxies(environ)):
        yield warning("Slurm job", about, "start one rank for each task: `srun --mpi=pmi2 gradwire …` without -n (pmix for Open MPI)")
    else:
        yield ok("Slurm job", about)
