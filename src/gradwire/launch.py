"""How this process was started, and how it ends: launchers' environment variables, mpiexec, errors of one rank or of all.

Nothing here initialises MPI: what needs a communicator is given one.
"""

import os
import re
import signal
import sys
import time
import traceback
from dataclasses import dataclass

from .environment import cores, find_mpiexec
from .errors import ConfigError, GradwireError, IncompatibleError, Stopped

PATIENCE_S = 0.5
"""How much later each further rank speaks when it fails: the abort of the first one ends the others before that."""

SPREAD_S = 10.0
"""At most so long after rank 0 the last one speaks: of more than 20 ranks, each has a smaller part of it."""

FLUSH_S = 0.1
"""Between the message and the abort: the launcher forwards what a rank writes, and an abort may overtake it."""

STOPPED = os.EX_TEMPFAIL
"""Exit status of a run that a signal has stopped, 75: whoever started it may start it again, with --resume."""

_LAUNCHERS = (
    ("Open MPI's mpiexec", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("mpiexec", "PMI_RANK", "PMI_SIZE"),
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
_LAUNCHED = "GRADWIRE_LAUNCHED"
_HDF5 = re.compile(r"filename = '(?P<file>[^']*)'.*errno = \d+, error message = '(?P<reason>[^']*)'", re.DOTALL)
"""How HDF5 words a failed write, such as a full disk; h5py raises it as OSError or RuntimeError."""


@dataclass(frozen=True)
class Launcher:
    """The launcher that started this process as one of `size`; `rank` is its word, not MPI's."""

    name: str
    rank: int
    size: int


class AgreedError(Exception):
    """An error that every rank has got from rank 0: all can leave in good order."""


def launcher(environ=os.environ):
    """The Launcher of this process, None if it was started by itself."""
    for name, rank, size in _LAUNCHERS:
        if environ.get(rank, "").isdigit() and environ.get(size, "").isdigit():
            return Launcher(name, int(environ[rank]), int(environ[size]))
    return None


def speaks(environ=os.environ):
    """Whether this process is the one that talks, before MPI can tell."""
    found = launcher(environ)
    return found is None or found.rank == 0


def check_ranks(ranks, size):
    """`--ranks P` under a launcher asks for what is already there; ConfigError if it is not."""
    if ranks is not None and ranks != size:
        raise ConfigError(f"--ranks: expected {size}, the number of ranks of this launch, got {ranks}")


def check_world(size, ranks, environ=os.environ):
    """ConfigError with advice if a launcher started several processes and MPI, in each, sees only one."""
    found = launcher(environ)
    tasks = environ.get("SLURM_NTASKS", "")
    if size == 1 and found and found.size > 1:
        raise ConfigError(
            f"{found.name} started {found.size} processes but MPI sees 1: launcher and MPI library do not match. "
            f"{_advice()} (or `srun --mpi=pmi2` for MPICH under Slurm)"
        )
    if size == 1 and not found and ranks is None and tasks.isdigit() and int(tasks) > 1:
        raise ConfigError(
            f"this Slurm job has {tasks} tasks but gradwire was started once: start it with `srun --mpi=pmi2 gradwire run …` or "
            f"`mpiexec -n {tasks} gradwire run …`; --ranks 1 runs it on one rank all the same"
        )
    check_ranks(ranks, size)


def mpiexec(ranks, arguments, environ=os.environ):
    """Replace this process by `mpiexec -n ranks gradwire arguments…`; its exit status is then mpiexec's."""
    command, environ = mpiexec_command(ranks, arguments, environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, environ)


def mpiexec_command(ranks, arguments, environ=os.environ):
    """(command, environment) of `mpiexec -n ranks gradwire arguments…`. ConfigError if there is no mpiexec, or one starts no ranks."""
    if _LAUNCHED in environ:
        raise ConfigError(f"{environ[_LAUNCHED]} started this process, but not as one of several ranks. {_advice()}")
    command = find_mpiexec()
    if command is None:
        raise ConfigError("--ranks: no mpiexec beside this Python or on PATH; `pip install 'gradwire[mpich]'` brings one")
    environ = {**environ, _LAUNCHED: command}
    if ranks > len(cores()):
        environ.setdefault("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe")  # Open MPI refuses more ranks than cores
    return [command, "-n", str(ranks), sys.executable, "-m", "gradwire", *arguments], environ


def agree(comm, error):
    """AgreedError on every rank if any rank has an error (else None): that of the first one. A collective call."""
    first = next((one for one in comm.allgather(error) if one is not None), None)
    if first is not None:
        raise AgreedError(str(first)) from first


def on_root(comm, function, *arguments):
    """function(*arguments), called on rank 0 only; every rank gets its result, or AgreedError of its error. A collective call."""
    outcome = None
    if comm.rank == 0:
        try:
            outcome = function(*arguments), None
        except (GradwireError, OSError) as error:
            outcome = None, error
    value, error = comm.bcast(outcome)
    if error is not None:
        raise AgreedError(str(error)) from error
    return value


def fail(error, comm=None):
    """Tell the user once; returns the exit status. On several ranks, an error that is not agreed aborts all of them.

    comm is None before MPI is up: then all ranks have met the same error and the launcher's rank 0 speaks.
    """
    agreed = comm is None or isinstance(error, AgreedError | Stopped)
    error = error.__cause__ if isinstance(error, AgreedError) else error
    code = exit_code(error)
    if agreed or comm.size == 1:
        if speaks() if comm is None else comm.rank == 0:
            tell(f"gradwire: {describe(error)}")
        return code
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not tear the message
    time.sleep(turn_s(comm.rank, comm.size))
    tell(f"gradwire: rank {comm.rank}: {describe(error)}")
    time.sleep(FLUSH_S)
    comm.Abort(code)
    return code


def turn_s(rank, size):
    """When a rank may speak, counted from the moment when all may have met the same error."""
    return rank * min(PATIENCE_S, SPREAD_S / size)


def exit_code(error):
    """2: usage, configuration, incompatibility. 75: stopped by a signal and ready to go on. 130: interrupted. 1: all else."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, Stopped):
        return STOPPED
    return 2 if isinstance(error, ConfigError | IncompatibleError) else 1


def describe(error):
    """Text for the user: the message of an expected error, a traceback of any other."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    failed = _HDF5.search(str(error))
    if failed:
        return f"{failed['reason']}: {failed['file']!r}"
    if isinstance(error, GradwireError | OSError):
        return str(error) + "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return "unexpected error\n" + "".join(traceback.format_exception(error)).rstrip()


def _advice():
    found = find_mpiexec()
    return f"Start it with {found}, which belongs to this Python" if found else "Install one with `pip install 'gradwire[mpich]'`"


def tell(text):
    """Write a line to standard error, after what standard output has."""
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
