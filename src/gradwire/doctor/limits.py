"""Checks of what a host grants MPI: shared memory, open files, locked memory. ranks: see pinning.py."""

import resource

from .finding import ok, problem, warning
from .pinning import hosts_of

SHM_NBYTES, SHM_PER_RANK = 16 << 20, 6 << 20
"""MPICH 5 and UCX take 5.2 MiB of /dev/shm a rank. With 1 to 12 ranks, 16 MiB more was always enough; with less they end in a
segmentation fault, but for a size below 15 MiB, which they notice."""
MIN_FILES, FILES_PER_RANK = 256, 4


def check_shm(ranks):
    for host, members in hosts_of(ranks).items():
        shm, needed = ranks[members[0]]["shm"], SHM_NBYTES + SHM_PER_RANK * len(members)
        cores = len(frozenset().union(*(ranks[rank]["cores"] for rank in members)))
        more = "make it larger: `docker run --shm-size=1g`, or `mount -o remount,size=1g /dev/shm` as root"
        if shm is None:
            yield problem("shared memory", f"no /dev/shm on {host}; MPI needs it between the ranks of a host", "mount a tmpfs there")
            continue
        free, whole = shm
        about = f"/dev/shm on {host}: {free >> 20:,} of {whole >> 20:,} MiB free"
        if free < needed:
            yield problem("shared memory", f"{about}; {len(members)} ranks need {needed >> 20}", more)
        elif free < (full := SHM_NBYTES + SHM_PER_RANK * cores):
            yield warning("shared memory", f"{about}; one rank on each of {cores} cores needs {full >> 20}", more)
        else:
            yield ok("shared memory", about)
        number, nbytes = ranks[members[0]]["stale"]
        if number:
            left = f"{number} segment{'s' * (number > 1)} of {nbytes / 2**20:,.0f} MiB"
            yield warning(
                "shared memory",
                f"/dev/shm on {host} has {left} that no process uses: killed ranks left them",
                "while no MPI program of yours runs: `rm /dev/shm/mpich_shm_* /dev/shm/ucx_shm_* /dev/shm/sm_segment.*`",
            )


def check_files(ranks):
    """A rank may need a connection to each other one, and a few more."""
    least = min(range(len(ranks)), key=lambda rank: _amount(ranks[rank]["nofile"]))
    limit, needed = ranks[least]["nofile"], MIN_FILES + FILES_PER_RANK * len(ranks)
    about = f"open files: at most {_word(limit)} on {ranks[least]['host']}"
    if _amount(limit) < needed:
        yield warning(
            "limits", f"{about}; {len(ranks)} ranks may need {needed}", f"`ulimit -n {needed}` before, or LimitNOFILE / limits.conf"
        )
    else:
        yield ok("limits", about)


def check_memlock(ranks):
    """Only adapters that write to a program's memory need it locked."""
    for host, members in hosts_of(ranks).items():
        facts = ranks[members[0]]
        if not facts["adapters"]:
            continue
        about = f"{host}: {', '.join(facts['adapters'])}; locked memory: at most {_word(facts['memlock'])} bytes"
        if facts["memlock"] != resource.RLIM_INFINITY:
            yield warning(
                "locked memory", about, "`ulimit -l unlimited` (limits.conf, or PropagateResourceLimitsExcept=MEMLOCK in slurm.conf)"
            )
        else:
            yield ok("locked memory", about)


def _amount(limit):
    return float("inf") if limit == resource.RLIM_INFINITY else limit


def _word(limit):
    return "unlimited" if limit == resource.RLIM_INFINITY else f"{limit:,}"
