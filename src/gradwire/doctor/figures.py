"""Judging what was measured between ranks: latency, bandwidth, allgather, clocks. ranks.py measures."""

from dataclasses import dataclass

from .finding import ok, warning

TCP_LATENCY_S, TCP_BYTES_PER_S = 20e-6, 1.5e9
"""Slower than both is like TCP: shared memory takes about 1 µs, InfiniBand and Slingshot 2 µs and 10 GB/s or more."""
BUSY_S, MEMORY_BYTES_PER_S = 1e-3, 0.1e9
"""A latency over the one, or a bandwidth inside a host below the other, is that of ranks without cores."""
APART_S = 1e-3
DISTURBED = 20
PLACES = ((True, "inside a host"), (False, "between hosts"))


@dataclass(frozen=True)
class Pair:
    """Two ranks, on one host or two. latency_s: of 1 byte one way, (median, 5%, 95%). bytes_per_s: the median of messages of nbytes."""

    first: int
    second: int
    same_host: bool
    latency_s: tuple
    bytes_per_s: float
    nbytes: int

    @property
    def tcp_like(self):
        return self.latency_s[0] > TCP_LATENCY_S and self.bytes_per_s < TCP_BYTES_PER_S


def check_pairs(pairs, skipped=0):
    """Latency and bandwidth of the typical and of the slowest pair, inside hosts and between them. skipped: pairs without a figure."""
    for same_host, where in PLACES:
        mine = [pair for pair in pairs if pair.same_host is same_host]
        if mine:
            yield _check_latency(where, sorted(mine, key=lambda pair: pair.latency_s[0]), skipped)
            yield _check_bandwidth(where, sorted(mine, key=lambda pair: -pair.bytes_per_s), skipped)


def _check_latency(where, pairs, skipped):
    """pairs: the fastest first."""
    about = f"1 byte {where}: {_told(pairs, _latency, skipped)}"
    if pairs[-1].latency_s[0] > BUSY_S:
        return warning("latency", about, "a millisecond is a busy core, or a slow network: close what else computes, pin the ranks")
    return ok("latency", about)


def _check_bandwidth(where, pairs, skipped):
    """pairs: the fastest first."""
    about = f"{_typical(pairs).nbytes / 1e6:.2g} MB {where}: {_told(pairs, _bandwidth, skipped)}"
    if not pairs[-1].same_host and pairs[-1].bytes_per_s < 0.5 * _typical(pairs).bytes_per_s:
        return warning("bandwidth", about, "less than half of what is typical: look at the cable, the switch and the hosts of that pair")
    if pairs[-1].same_host and pairs[-1].bytes_per_s < MEMORY_BYTES_PER_S:
        return warning("bandwidth", about, "memory is faster: the ranks wait for cores; close what else computes, pin the ranks")
    return ok("bandwidth", about)


def check_allgather(rows):
    """rows: of bench.collectives.measure, allgather at one size."""
    by_method = {row["method"]: row for row in rows}
    raw, ours = by_method["mpi"], by_method["gradwire"]
    about = (
        f"{raw['nbytes'] / 1e3:g} KB from each of {raw['ranks']} ranks: {_us(raw['median_s'])} "
        f"(5–95%: {_us(raw['p5_s'])}–{_us(raw['p95_s'])}, n {raw['calls']}); as gradwire exchanges it, {_us(ours['median_s'])}"
    )
    if raw["p95_s"] > DISTURBED * raw["median_s"]:
        yield warning("allgather", about, "some calls wait long: ranks share cores, or something else computes on them")
    else:
        yield ok("allgather", about)


def check_clocks(offsets, hosts):
    """offsets: of collectives.clock_offsets. hosts: of each rank. Ranks of one host read one clock; those of several need not agree."""
    own = [(abs(ahead) - within, within, rank) for rank, (ahead, within) in enumerate(offsets) if rank and hosts[rank] == hosts[0]]
    worst, _, rank = max(own, default=(0.0, 0.0, 0))
    if worst > APART_S:
        about = f"rank {rank} is {_us(worst)} off rank 0 on the same host"
        yield warning("clocks", about, "are they in one container or virtual machine? times are taken on each rank and stay right")
    elif own:
        yield ok("clocks", f"ranks of rank 0's host agree, known to {_us(max(within for _, within, _ in own))}")
    else:
        yield ok("clocks", "each host has its own; no times of two hosts are compared")


def _told(pairs, words, skipped):
    """The typical pair and, of several, the slowest."""
    slowest = f"; slowest of {len(pairs)} pairs: {words(pairs[-1])}" if len(pairs) > 1 else ""
    return words(_typical(pairs)) + slowest + (f"; {skipped} pairs were left out for want of time" if skipped else "")


def _typical(pairs):
    return pairs[(len(pairs) - 1) // 2]


def _latency(pair):
    median, low, high = pair.latency_s
    return f"{_us(median)} (5–95%: {_us(low)}–{_us(high)}, ranks {pair.first} and {pair.second})"


def _bandwidth(pair):
    speed = f"{pair.bytes_per_s / 1e9:.2f} GB/s" if pair.bytes_per_s >= 1e9 else f"{pair.bytes_per_s / 1e6:.3g} MB/s"
    return f"{speed} (ranks {pair.first} and {pair.second})"


def _us(seconds):
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"
