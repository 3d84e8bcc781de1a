"""`gradwire bench collectives`: how long a collective takes against the size of its messages, three ways, in one launch.

    gradwire   the transfer of an exchange of dense fp32 gradients with the codec `none`, as training times it: sizes first, in
               pieces, message headers included; what is encoded or decoded does not count
    mpi        the MPI calls that it stands for, on buffers that exist, through mpi4py. After a barrier; the slowest rank of each call
    osu        the same calls as the OSU micro-benchmarks time them (osu_allgather and others): the mean over calls of the mean over
               ranks, barriers after the calls and outside the clock

So `mpi` and `osu` time equal calls and differ in what they make of them: a median of the slowest rank's times against a mean of all
ranks'. Of `mpi` the mean over calls and ranks is kept too, which must agree with `osu`. The three take turns in blocks of calls, the
first of each block not counted: a drift of the machine hits all of them, and none runs in caches that another has filled.

Bandwidths as nccl-tests defines them: algbw = S / t, where S is the size of the result on a rank; busbw = algbw · factor, with
2 (P − 1) / P for allreduce and (P − 1) / P for allgather. It has none for the others' calls. Not measured: codecs, overlap.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..collectives.exchange import Exchange
from ..gradient import Gradient
from ..recorder import write_rows
from ..report.collectives import COLUMNS, SCHEMA, SCHEMA_VERSION
from ..step import Step
from .gradients import median_interval

SIZES = tuple(4**k for k in range(3, 12))
"""Bytes of a rank's message: 64 … 4 Mi."""
BLOCKS = 10
"""How often the methods take turns."""


@dataclass(frozen=True)
class Calls:
    """What the MPI calls of a collective are. call: makes them once. result_nbytes: S. factor: of busbw, NaN where there is none."""

    call: Callable | None
    result_nbytes: int
    factor: float


def allgather(comm, nbytes):
    mine, whole = np.zeros(nbytes, np.uint8), np.empty(nbytes * comm.size, np.uint8)
    return Calls(lambda: comm.Allgather(mine, whole), len(whole), (comm.size - 1) / comm.size)


def allreduce(comm, nbytes):
    mine = np.zeros(nbytes // 4, np.float32)
    total = np.empty_like(mine)
    return Calls(lambda: comm.Allreduce(mine, total), nbytes, 2 * (comm.size - 1) / comm.size)


def gather_bcast(comm, nbytes):
    mine, whole = np.zeros(nbytes, np.uint8), np.empty(nbytes * comm.size, np.uint8)

    def call():
        comm.Gather(mine, whole if comm.rank == 0 else None)
        comm.Bcast(mine)

    return Calls(call, nbytes, math.nan)


def reduce_scatter(comm, nbytes):
    share = max(nbytes // comm.size, 1)
    mine, theirs, whole = (np.zeros(share * comm.size, np.uint8) for _ in range(3))

    def call():
        comm.Alltoall(mine, theirs)
        comm.Allgather(theirs[:share], whole)

    return Calls(call, nbytes, math.nan)


MPI_CALLS = {"allgather": allgather, "allreduce": allreduce, "gather_bcast": gather_bcast, "reduce_scatter": reduce_scatter}
"""hierarchical and switch are protocols of several calls that depend on the ranks' places: they stand alone."""


def measure(comm, collectives=(), sizes=SIZES, calls=200, launch=0):
    """[dict of COLUMNS] on every rank. A collective call. collectives: specifications; when empty all that are registered and send such
    messages: of powersgd nbytes are what its factors stand for.

    calls: timed calls of each method and size; fewer where a size takes more than about two seconds.
    """
    rows = []
    for spec in collectives or _all():
        name = spec.partition("(")[0]
        for nbytes in sizes:
            ours = Exchange(comm, "none", spec)
            gradient = Gradient(np.ones(max(nbytes // 4, 1), np.float32), max(nbytes // 4, 1))
            raw = MPI_CALLS[name](comm, nbytes) if name in MPI_CALLS else Calls(None, nbytes, math.nan)
            timed = {"gradwire": lambda x=ours, g=gradient: _transfer(x, g)}
            if raw.call:
                timed |= dict.fromkeys(("mpi", "osu"), lambda call=raw.call: _seconds(call))
            counted = _affordable(comm, timed["gradwire"], calls)
            what = {"collective": spec, "launch": launch, "ranks": comm.size, "nbytes": nbytes, "calls": counted}
            for method, samples in _in_turns(comm, timed, counted).items():
                found = (
                    dict.fromkeys(COLUMNS, math.nan) | {"mean_s": float(samples.mean())} if method == "osu" else _statistics(samples, raw)
                )
                rows.append(found | what | {"method": method})
    return rows


def save(path, rows, attributes):
    """Write the rows as columns of an HDF5 file."""
    write_rows(path, SCHEMA, SCHEMA_VERSION, attributes, COLUMNS, rows)


def clock_offsets(comm, rounds=50):
    """(size, 2): seconds that every rank's perf_counter is ahead of rank 0's, and how far off that may be, half the fastest round trip."""
    stamp, found = np.zeros(1), np.zeros((comm.size, 2))
    for rank in range(1, comm.size):
        best = math.inf
        for _ in range(rounds if comm.rank in (0, rank) else 0):
            if comm.rank == 0:
                began = time.perf_counter()
                comm.Send(stamp, dest=rank)
                comm.Recv(stamp, source=rank)
                ended = time.perf_counter()
                if ended - began < best:
                    best = ended - began
                    found[rank] = stamp[0] - (began + ended) / 2, best / 2
            else:
                comm.Recv(stamp, source=0)
                stamp[0] = time.perf_counter()
                comm.Send(stamp, dest=0)
    comm.Bcast(found)
    return found


def _all():
    from ..spec import codec, names, one

    known = {name: one("collectives", name) for name in names("collectives")}
    return [name for name, collective in known.items() if collective.takes(codec("none")) and not collective.in_place_of]


def _seconds(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _transfer(exchange, gradient):
    """What training would count as transfer."""
    exchange.watch.reset()
    exchange.average(gradient, Step(0, 0, exchange.comm.rank))
    return exchange.watch.wall["transfer"]


def _affordable(comm, call, calls):
    """How many calls of each fit into about two seconds, 10 … calls, the same on every rank. Warms up as it goes."""
    took = max(comm.allgather(sum(call() for _ in range(3)) / 3))
    return int(np.clip(2.0 / max(took, 1e-9), 10, max(calls, 10)))


def _in_turns(comm, timed, calls):
    """method → seconds of each call on each rank, (ranks, calls). Methods take turns in BLOCKS of calls."""
    mine = {method: np.empty(calls) for method in timed}
    for block in np.array_split(np.arange(calls), min(BLOCKS, calls)):
        for method, call in timed.items():
            block_loop = _after_calls if method == "osu" else _before_calls
            mine[method][block] = block_loop(comm, call, 1 + len(block))[1:]
    return {method: np.array(comm.allgather(samples)) for method, samples in mine.items()}


def _before_calls(comm, call, calls):
    """Seconds of each call, a barrier before it."""
    seconds = []
    for _ in range(calls):
        comm.Barrier()
        seconds.append(call())
    return seconds


def _after_calls(comm, call, calls):
    """Seconds of each call, a barrier after it: the loop of the OSU micro-benchmarks."""
    seconds = []
    for _ in range(calls):
        seconds.append(call())
        comm.Barrier()
    return seconds


def _statistics(samples, raw):
    slowest = samples.max(axis=0)
    median, low, high = median_interval(slowest)
    algbw = raw.result_nbytes / median
    return {
        "result_nbytes": raw.result_nbytes,
        **dict(zip(("median_s", "low_s", "high_s"), (median, low, high))),
        **dict(zip(("p5_s", "p95_s", "p99_s"), np.percentile(slowest, (5, 95, 99)).tolist())),
        "mean_s": float(samples.mean()),
        "algbw_bytes_per_s": algbw,
        "busbw_bytes_per_s": algbw * raw.factor,
    }
