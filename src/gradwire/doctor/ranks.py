"""The part of `gradwire doctor` that takes several ranks: their facts, whether they see the same folders, and what passes between them.

Every rank calls `examine`; judging is rank 0's. The timing is that of `gradwire bench collectives` and of the lab's check of its links.
"""

import os
import secrets
import time
from pathlib import Path

import numpy as np

from ..bench import collectives
from ..data import cache
from ..network.lab_check import SMALL, large_nbytes, one_way_times, sleep_until_all
from . import figures, limits, pinning, slurm, storage, transport
from .figures import Pair
from .finding import attempt, ok, problem, warning

ALLGATHER_NBYTES = 40_000
ROUNDS, LARGE_ROUNDS = 200, 5
PAIRS_LIMIT_S = 10.0
SEEN_WITHIN_S = 2.0
"""A network file system may show a new file a little later."""
CHECKS = {
    "pinning": pinning.check_cores,
    "threads": pinning.check_threads,
    "CPU quota": pinning.check_quota,
    "CPU frequency": pinning.check_frequency,
    "equal ranks": pinning.check_alike,
    "shared memory": limits.check_shm,
    "limits": limits.check_files,
    "locked memory": limits.check_memlock,
}
THREAD_LEVELS = ("SINGLE", "FUNNELED", "SERIALIZED", "MULTIPLE")


def check_facts(ranks):
    """[Finding] of what facts.collect() returned on each rank."""
    return [finding for name, check in CHECKS.items() for finding in attempt(name, check, ranks)]


def examine(comm, mine, thread_level, results, told, found, stage):
    """Add the findings to the list `found`, on rank 0. A collective call.

    mine: this rank's facts, and its "node", equal on ranks that share memory as MPI sees it. told: function that says what
    transport.told does. stage(words, findings): called with what comes next and what was found.
    """
    stage("collecting what each rank is", found)
    ranks = comm.gather(mine)
    if comm.rank == 0:
        found += attempt("ranks", check_world, comm.size, ranks, thread_level)
        found += attempt("Slurm job", slurm.check_tasks, comm.size)
        found += check_facts(ranks)
    for what, folder, advice in (
        ("results", results, "choose a --results that all hosts share: every rank keeps its checkpoint there"),
        ("cache", cache.root(), "set GRADWIRE_CACHE to a folder that all hosts share"),
    ):
        stage(f"looking at the same {what} folder on all ranks", found)
        found += check_shared(comm, what, folder, advice)
    if comm.size > 1:
        _examine_network(comm, ranks, told, found, stage)


def _examine_network(comm, ranks, told, found, stage):
    places = comm.bcast([(facts["host"], facts["node"]) for facts in ranks] if comm.rank == 0 else None)
    hosts, nodes = zip(*places)
    pairs, skipped = measure_pairs(comm, nodes, lambda words: stage(words, found))
    stage("measuring allgather", found)
    rows = collectives.measure(comm, ["allgather"], (ALLGATHER_NBYTES,), calls=100)
    stage("comparing clocks", found)
    offsets = collectives.clock_offsets(comm)
    if comm.rank == 0:
        found += attempt("transport", transport.check, pairs, told(), ranks)
        found += attempt("latency", figures.check_pairs, pairs, skipped)
        found += attempt("allgather", figures.check_allgather, rows)
        found += attempt("clocks", figures.check_clocks, offsets.tolist(), hosts)


def check_world(size, ranks, thread_level):
    hosts = pinning.hosts_of(ranks)
    level = THREAD_LEVELS[thread_level] if 0 <= thread_level < len(THREAD_LEVELS) else str(thread_level)
    names = ", ".join([*list(hosts)[:8], *["…"] * (len(hosts) > 8)])
    about = f"{size} on {len(hosts)} host{'s' * (len(hosts) > 1)} ({names}), thread level {level}"
    if thread_level < 1:
        yield warning("ranks", about, "expected at least FUNNELED, Python has threads: use an MPI that was built with them")
    elif size == 1:
        yield ok("ranks", about, "nothing passes between ranks: `gradwire doctor --ranks 2` measures that")
    else:
        yield ok("ranks", about)


def check_shared(comm, what, folder, advice):
    """[Finding] on rank 0, [] on the others: whether all ranks see a file that rank 0 makes in the folder, or above it. Collective."""
    name, failure, path = f".gradwire-doctor-{secrets.token_hex(8)}", False, None
    if comm.rank == 0:
        try:
            path = storage.existing(folder) / name
            path.touch(exist_ok=False)
        except OSError:
            path, failure = None, True
    name, failure = comm.bcast((name, failure))
    seen = comm.gather("" if failure else _looked(folder, name))
    if path is not None:
        path.unlink(missing_ok=True)
    if comm.rank or failure:  # that rank 0 cannot write is what storage.check found
        return []
    blind = {rank: why for rank, why in enumerate(seen) if why}
    if blind:
        rank, why = next(iter(blind.items()))
        return [
            problem(
                f"{what} shared", f"{len(blind)} of {comm.size} ranks do not see what rank 0 writes, such as rank {rank}: {why}", advice
            )
        ]
    return [ok(f"{what} shared", f"all {comm.size} ranks see it" if comm.size > 1 else "seen by its one rank")]


def _looked(folder, name):
    """ "" when the file is seen, else why not."""
    until = time.monotonic() + SEEN_WITHIN_S
    try:
        path = Path(storage.existing(folder), name)
        while not path.exists():
            if time.monotonic() > until:
                return f"no {path.name} in {path.parent} on {os.uname().nodename}"
            os.listdir(path.parent)  # asks the server anew
            time.sleep(0.05)
    except OSError as error:
        return str(error)
    return ""


def pairs_of(size):
    """Rank 0 with each other one, then the other neighbours."""
    return [(0, rank) for rank in range(1, size)] + [(rank, rank + 1) for rank in range(1, size - 1)]


def measure_pairs(comm, nodes, stage, limit_s=PAIRS_LIMIT_S):
    """([Pair] on rank 0, [] elsewhere; how many were left out after limit_s seconds). A collective call."""
    mine, began, skipped = [], time.monotonic(), 0
    for number, (first, second) in enumerate(pairs_of(comm.size)):
        stage(f"measuring between ranks {first} and {second}")
        if comm.bcast(time.monotonic() - began > limit_s):
            skipped = len(pairs_of(comm.size)) - number
            break
        if comm.rank in (first, second):
            pair = _measure_pair(comm, first, second, nodes)
            mine += [pair] if comm.rank == first else []
        sleep_until_all(comm)
    return [pair for of_rank in comm.gather(mine) or () for pair in of_rank], skipped


def _measure_pair(comm, first, second, nodes):
    latency = one_way_times(comm, first, second, 1, ROUNDS, pause_s=0)
    small = one_way_times(comm, first, second, SMALL, LARGE_ROUNDS, pause_s=0)
    if comm.rank == first:
        nbytes = large_nbytes(SMALL * 8 / float(np.median(small)))
        comm.send(nbytes, second)
    else:
        nbytes = comm.recv(source=first)
    large = one_way_times(comm, first, second, nbytes, LARGE_ROUNDS, pause_s=0)
    if comm.rank != first:
        return None
    median, low, high = np.percentile(latency, (50, 5, 95)).tolist()
    return Pair(first, second, nodes[first] == nodes[second], (median, low, high), nbytes / float(np.median(large)), nbytes)
