"""What MPI sends through, from its own words where it has some, and what was measured between pairs of ranks.

UCX (in MPICH and others) tells each connection's transports in its log; Open MPI's hook comm_method prints them when MPI starts. Both
are asked for through the environment before MPI is loaded (`listening`). Where neither speaks, latency and bandwidth must do.
"""

import ctypes
import os
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from .figures import PLACES, TCP_BYTES_PER_S
from .finding import ok, problem, warning

SITES_MPI = (
    "pip's MPI wheels know no InfiniBand, Slingshot or Omni-Path: where there is one, make the environment on the site's MPI "
    "(slurm/README.md)"
)
WHY_TCP = "unset UCX_TLS, FI_PROVIDER and OMPI_MCA_btl unless this is wanted; ranks that wait for cores can look so too"
OPEN_MPI_TELLS = "OMPI_MCA_hook_comm_method_display"

_SAID = (
    (re.compile(r"(intra-node|inter-node) cfg#\d+ tag\(([^)]*)\)"), "UCX"),
    (re.compile(r"(on-host|off-host): +all connections are (?!n/a)(\S+)"), "Open MPI"),
)
_INSIDE = ("intra-node", "on-host")


@contextmanager
def listening(folder, environ=os.environ):
    """MPI starts inside this block, on every rank. folder: an empty one on the rank that listens, which goes at the end; None on the
    others. Gives a list that then holds the files to hand to `told`, open: UCX goes on writing into its own."""
    environ.setdefault(OPEN_MPI_TELLS, "mpi_init")  # a collective call, of all ranks or none
    heard = []
    if folder is None:
        yield heard
        return
    environ.setdefault("UCX_LOG_LEVEL", "info")
    environ.setdefault("UCX_LOG_FILE", str(Path(folder, "ucx")))
    sys.stdout.flush()
    kept = os.dup(1)
    with open(Path(folder, "said"), "wb") as said:
        os.dup2(said.fileno(), 1)
    try:
        yield heard
    finally:
        ctypes.CDLL(None).fflush(None)  # the library writes through C's buffers
        os.dup2(kept, 1)
        os.close(kept)
        heard += [open(path, errors="replace") for path in Path(folder).iterdir()]  # noqa: SIM115 read at the end, when all is said
        shutil.rmtree(folder, ignore_errors=True)


def told(heard):
    """{"inside": transports between ranks of one host, "between": of two hosts}; what MPI has said of them. Closes the files."""
    found = {}
    for file in heard:
        with file:
            words = file.read()
        for pattern, who in _SAID:
            for where, which in pattern.findall(words):
                found.setdefault("inside" if where in _INSIDE else "between", f"{', '.join(which.split())}, says {who}")
    return found


def check(pairs, said, ranks, environ=os.environ):
    """pairs: [Pair]. said: what `told` returned. ranks: see pinning.py."""
    settings = "; ".join(f"{name}={value}" for name, value in ranks[0]["settings"].items())
    for same_host, where in PLACES:
        mine = [pair for pair in pairs if pair.same_host is same_host]
        if not mine:
            continue
        words = said.get(where.split()[0])
        tcp = "tcp" in words if words else mine[0].tcp_like
        about = f"{where}: {words or _guess(mine[0])}" + (f" ({settings})" if settings else "")
        if same_host and tcp:
            yield warning("transport", f"{about}: not shared memory", WHY_TCP)
        elif tcp and (there := sorted({name for facts in ranks for name in facts["adapters"]})):
            yield problem("transport", f"{about}; the hosts have {', '.join(there)}, which MPI does not use", SITES_MPI)
        else:
            yield ok("transport", about, SITES_MPI if tcp and environ.get("GRADWIRE_NETWORK") != "shaped" else "")


def _guess(pair):
    if pair.tcp_like:
        return "like TCP, as measured"
    return f"{'faster than TCP' if pair.bytes_per_s >= TCP_BYTES_PER_S else 'cannot be told'}, as measured"
