"""The lab's check of itself: what the links carry between neighbouring hosts, through MPI, and whether that is what was asked for.

    mpiexec -n HOSTS python -m mpi4py -m gradwire.network.lab_check '[1e9, 1e9]'      prints one line of JSON

Messages go from each host to the next and back, one pair at a time, each after a pause that fills the token buckets: 1 byte
(latency), 40 KB (a compressed gradient; a bucket that is too deep lets it through unshaped) and 4 MB (what the link carries).
A figure is the fastest quarter's slowest half of a round trip: of the link, not of what else this machine does at the moment.
The ranks that wait sleep: they leave the cores to those that measure.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass

SMALL, LARGE = 40_000, 4_000_000  # bytes
PAUSE_S = 0.01
WITHIN = 0.85
"""Least share of what a link should do. More than its rate is never right."""

LATENCY_S = 5e-5
"""Of a message without a link's help: more than this is a machine too busy for the lab, not a network."""


@dataclass(frozen=True)
class Measured:
    """One-way times of messages between two hosts, in seconds: 1 byte, SMALL bytes, large_nbytes."""

    sender: int
    receiver: int
    latency_s: float
    small_s: float
    large_s: float
    large_nbytes: int

    @property
    def small_bps(self):
        return SMALL * 8 / self.small_s

    @property
    def large_bps(self):
        return self.large_nbytes * 8 / self.large_s

    def text(self, rates):
        """A line for the user."""
        rate = min(rates[self.sender], rates[self.receiver]) / 1e6
        small, large = (f"{bps / 1e6:.4g} Mbit/s ({bps / 1e6 / rate:.0%})" for bps in (self.small_bps, self.large_bps))
        return (
            f"host {self.sender} to host {self.receiver}, {rate:g} Mbit/s: {SMALL / 1e3:g} KB after a pause at {small}, "
            f"{self.large_nbytes / 1e6:g} MB at {large}, 1 byte in {self.latency_s * 1e6:.0f} µs"
        )

    def described(self):
        """A dict for JSON: the fields and both rates."""
        return asdict(self) | {"small_nbytes": SMALL, "small_bps": self.small_bps, "large_bps": self.large_bps}


def judge(measured, rates, latency_s=0.0):
    """("ok", "above" or "below", the worst finding in words) of [Measured] between hosts with links of these rates, bit/s.

    above: a message was faster than size / rate or came before the latency that was asked for.
    below: it took over 15% longer than latency + size / rate, where the latency is the measured one, up to 50 µs more than asked.
    """
    findings = [finding for one in measured for finding in _findings(one, min(rates[one.sender], rates[one.receiver]), latency_s)]
    worst = max(findings, key=lambda finding: (finding[0] == "above", finding[1]), default=("ok", 0, ""))
    return worst[0], worst[2]


def _findings(one, rate, latency_s):
    """(verdict, excess over what is right as a factor, words) of whatever is wrong between two hosts."""
    where = f"from host {one.sender} to host {one.receiver}"
    if one.latency_s < 0.9 * latency_s:
        yield "above", latency_s / one.latency_s, f"1 byte {where} took {one.latency_s * 1e3:.3g} ms, expected {latency_s * 1e3:.3g} ms"
    latency = min(one.latency_s, latency_s + LATENCY_S)
    for nbytes, seconds in ((SMALL, one.small_s), (one.large_nbytes, one.large_s)):
        ideal = nbytes * 8 / rate
        words = f"messages of {nbytes:,} bytes {where} went at {nbytes * 8e-6 / seconds:.4g} Mbit/s, the link has {rate / 1e6:g}"
        if seconds < ideal:
            yield "above", ideal / seconds, words
        if seconds * WITHIN > latency + ideal:
            yield "below", seconds / (latency + ideal), words


def large_nbytes(rate):
    """4 MB, less on a slow link: what it carries in about a third of a second, but no less than the small size."""
    return max(SMALL, min(LARGE, int(rate * 0.32 / 8)))


def measure(comm, rates):
    """[Measured] of each pair of neighbouring hosts, on rank 0; None on the others. One rank per host. A collective call."""
    pairs = [(sender, (sender + 1) % comm.size) for sender in range(comm.size if comm.size > 2 else 1)]
    mine = []
    for pair in pairs:
        if comm.rank in pair:
            rate = min(rates[rank] for rank in pair)
            mine.append(_measure_pair(comm, *pair, large_nbytes(rate)))
        sleep_until_all(comm)
    everything = comm.gather(mine)
    return [one for of_rank in everything for one in of_rank if one] if comm.rank == 0 else None


def _measure_pair(comm, sender, receiver, nbytes):
    """Measured on the sender, None on the receiver."""
    times = [one_way_times(comm, sender, receiver, size, count) for size, count in ((1, 25), (SMALL, 15), (nbytes, 3))]
    quarter = [found[len(found) // 4] for found in times if found]  # a quarter of them were as fast
    return Measured(sender, receiver, *quarter, nbytes) if comm.rank == sender else None


def one_way_times(comm, sender, receiver, nbytes, count, pause_s=PAUSE_S):
    """On the sender half of each of `count` round trips, seconds, sorted; [] on the receiver. One that opens the connection comes first
    and does not count. pause_s: before each."""
    message, times = bytearray(nbytes), []
    for _ in range(count + 1):
        if comm.rank == sender:
            comm.Recv(message[:0], receiver)  # the receiver has slept too, and waits
            if pause_s:
                time.sleep(pause_s)
            began = time.perf_counter()
            comm.Send(message, receiver)
            comm.Recv(message, receiver)
            times.append((time.perf_counter() - began) / 2)
        else:
            comm.Send(message[:0], sender)
            comm.Recv(message, sender)
            comm.Send(message, sender)
    return sorted(times[1:])


def sleep_until_all(comm):
    """A barrier whose waiting ranks sleep."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(0.002)


def main(rates):
    from mpi4py import MPI

    measured = measure(MPI.COMM_WORLD, rates)
    if measured is not None:
        sys.stdout.write(json.dumps([asdict(one) for one in measured]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
