"""What MPI sends through, from its own words where it has some, and what was measured between pairs of ranks.

UCX (in MPICH and others) tells each connection's transports in its log; Open MPI's hook comm_method prints them when MPI starts. Both
are asked for through the environment before MPI is loaded (`listening`). Where neither speaks, latency and bandwidth must do.
"""

import ctypes
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path

from .finding import ok, problem, warning

SITES_MPI = (
    "pip's MPI wheels know no InfiniBand, Slingshot or Omni-Path: where there is one, make the environment on the site's MPI "
    "(slurm/README.md)"
)
OPEN_MPI_TELLS = "OMPI_MCA_hook_comm_method_display"

_UCX = re.compile(r"(intra-node|inter-node) cfg#\d+ tag\(([^)]*)\)")
_OPEN_MPI = re.compile(r"(on-host|off-host): +all connections are (\S+)")
_INSIDE = ("intra-node", "on-host")


@contextmanager
def listening(folder, environ=os.environ):
    """MPI starts inside this block, and leaves its words about transports in `folder`, of which `told` makes sense."""
    environ.setdefault("UCX_LOG_LEVEL", "info")
    environ.setdefault("UCX_LOG_FILE", str(Path(folder, "ucx")))
    environ.setdefault(OPEN_MPI_TELLS, "mpi_init")
    sys.stdout.flush()
    kept = os.dup(1)
    with open(Path(folder, "said"), "wb") as said:
        os.dup2(said.fileno(), 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # the library writes through C's buffers
        os.dup2(kept, 1)
        os.close(kept)


def told(folder):
    """{"inside": transports between ranks of one host, "between": of two hosts}; those of which MPI has said something."""
    found = {}
    for name in ("ucx", "said"):
        path = Path(folder, name)
        for where, which in (_UCX.findall(path.read_text()) + _OPEN_MPI.findall(path.read_text())) if path.exists() else ():
            if which != "n/a":
                found.setdefault("inside" if where in _INSIDE else "between", ", ".join(which.split()))
    return found


def check(pairs, said, ranks, environ=os.environ):
    """pairs: [Pair]. said: what `told` returned. ranks: see pinning.py."""
    settings = "; ".join(f"{name}={value}" for name, value in ranks[0]["settings"].items())
    for same_host, key, where in ((True, "inside", "inside a host"), (False, "between", "between hosts")):
        mine = [pair for pair in pairs if pair.same_host is same_host]
        if not mine:
            continue
        about = f"{where}: {said[key]}" if key in said else f"{where}: {'like TCP' if mine[0].tcp_like else 'faster than TCP'}, as measured"
        about += f" ({settings})" if settings else ""
        tcp = "tcp" in said[key] if key in said else mine[0].tcp_like
        yield from (_inside if same_host else _between)(about, tcp, mine, ranks, environ)


def _inside(about, tcp, pairs, ranks, environ):
    if tcp and environ.get("GRADWIRE_NETWORK") != "shaped":
        yield warning(
            "transport",
            f"{about}: not shared memory",
            "unset UCX_TLS, FI_PROVIDER and OMPI_MCA_btl unless this is wanted; ranks without cores look so too",
        )
    else:
        yield ok("transport", about)


def _between(about, tcp, pairs, ranks, environ):
    adapters = sorted({name for facts in ranks for name in facts["adapters"]})
    if tcp and adapters:
        yield problem("transport", f"{about}; the hosts have {', '.join(adapters)}, which MPI does not use", SITES_MPI)
    elif tcp:
        yield ok("transport", about, SITES_MPI)
    else:
        yield ok("transport", about)
