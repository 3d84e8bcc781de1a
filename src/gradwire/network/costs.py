"""What a collective asks of the network: rounds, each costing a latency α, and bytes through the busiest link, each costing β.

    seconds = rounds · α + link_bytes · β + Σ times · max(0, nbytes · β − QUEUED_S)

Every rank has one full-duplex link into a switch that never blocks. The formulas are those of the algorithms that MPICH 5.0 takes
for one rank per host, read from its thresholds (MPIR_CVAR_…) and confirmed on shaped links:

- bcast: a binomial tree below 8 ranks or 12,288 bytes: log₂ P messages one after another where they go out in turn. Long ones to a
  node's children share its uplink: a tree then takes deg + max(subtree) messages' time (4 ranks: 3 instead of 2), less what of the
  first is in the queue before the second. TCP queues about a millisecond at its pacing rate, twice the line's in slow start (Linux:
  tcp_pacing_ss_ratio). 137 KB on shaped links took 2.0 messages' time at 1 Gbit/s, 2.4 at 300, 2.9 at 100 Mbit/s. Above: scatter, then
  an allgather of the pieces.
- gatherv: everybody sends to the root at once: P − 1 messages through its downlink (incast).
- allgatherv: P − 1 messages through every downlink, in ⌈log₂ P⌉ rounds below 81,920 bytes in all (or 524,288 where P is a power of
  two), in a ring of P − 1 above.
- allreduce: recursive doubling up to 2,048 bytes, above it reduce-scatter and allgather; ranks beyond a power of two first hand their
  vector over, and get the result at the end.
- alltoallv: a message to everyone else at once.
- powersgd: two allreduces, each of half of the bytes.
- switch: P − 1 workers' packets through the aggregator's downlink, and the sums through its uplink at the same time.

Around these each collective of gradwire has its barriers and says its sizes first (control messages of a few bytes, counted as rounds).
Not in here: what the processors do (profile.py), several ranks on one host sharing its link, other traffic, packet loss.
"""

from dataclasses import dataclass
from math import ceil

from ..errors import ConfigError, unknown

BCAST_TREE_RANKS, BCAST_TREE_BYTES, LONG_BYTES = 8, 12_288, 524_288
ALLGATHER_SHORT_BYTES, ALLREDUCE_SHORT_BYTES = 81_920, 2_048
BUFFERED_BYTES = 65_536
"""A message up to this size is in the socket's buffer when its send returns: it does not share the link with the next."""
QUEUED_S = 2e-3
"""Of a longer message, so many seconds on the line are queued before the next one's."""

WINDOW_BYTES = 16 * (8 + 4 * 4096)
"""What a worker of `switch` has on its way in its default slots."""


@dataclass(frozen=True)
class Cost:
    """rounds: messages one after another. link_bytes: what the busiest direction of the busiest link carries.

    late: (times, nbytes) of messages that share a link and so end later, but for what is queued.
    """

    rounds: float
    link_bytes: float = 0.0
    late: tuple[tuple[float, float], ...] = ()

    def __add__(self, other):
        return Cost(self.rounds + other.rounds, self.link_bytes + other.link_bytes, self.late + other.late)

    def spread(self, steps, inflation=1.0):
        """The cost of each of so many steps that share one exchange, if a byte takes `inflation` times what is promised."""
        late = tuple((times / steps, inflation * nbytes) for times, nbytes in self.late)
        return Cost(self.rounds / steps, inflation * self.link_bytes / steps, late)

    def line(self, beta):
        """(bytes, seconds): around this β, transfer is bytes · β + seconds."""
        late = [(times, nbytes) for times, nbytes in self.late if nbytes * beta > QUEUED_S]
        return self.link_bytes + sum(times * nbytes for times, nbytes in late), -QUEUED_S * sum(times for times, _ in late)

    def transfer(self, beta):
        """Seconds without latency. beta: seconds per byte."""
        nbytes, seconds = self.line(beta)
        return nbytes * beta + seconds

    def seconds(self, alpha, beta):
        """alpha: seconds per message. beta: seconds per byte."""
        return self.rounds * alpha + self.transfer(beta)


def cost(collective, ranks, up, down=0.0):
    """Cost of one exchange.

    collective: allreduce, allreduce_halves (of 16-bit floats), allgather, gather_bcast, reduce_scatter, hierarchical (nodes that
    allgather), powersgd (its two allreduces taken for equally long) or switch, or an MPI call: barrier, bcast, gatherv, allgatherv,
    allreduce_call, alltoallv. ranks: those that have a link of their own (of hierarchical: the nodes). up: bytes of one rank's message;
    of reduce_scatter the sum of its P parts. down: bytes of the average's message, of reduce_scatter the sum of the owners' parts;
    ignored where nothing is encoded again. ConfigError for an unknown name.
    """
    if collective not in COSTS:
        raise ConfigError(unknown("collective", collective, COSTS))
    return COSTS[collective](ranks, up, down) if ranks > 1 else Cost(0.0)


def _log2(ranks):
    return (ranks - 1).bit_length()


def _power_of_two(ranks):
    return not ranks & (ranks - 1)


def _barrier(ranks, up=0, down=0):
    return Cost(_log2(ranks))


def _tree(ranks):
    """Messages' times that a binomial tree takes if every node serves its children at once."""
    children = [min(1 << level, ranks - (1 << level)) for level in range(_log2(ranks))]
    return len(children) + max(map(_tree, children)) if children else 0


def _bcast(ranks, up, down=0):
    rounds = _log2(ranks)
    if ranks < BCAST_TREE_RANKS or up < BCAST_TREE_BYTES:
        late = _tree(ranks) - rounds if up > BUFFERED_BYTES else 0
        return Cost(rounds, rounds * up, ((late, up),) if late else ())
    gather_rounds = rounds if up < LONG_BYTES and _power_of_two(ranks) else ranks - 1
    return Cost(rounds + gather_rounds, 2 * up * (ranks - 1) / ranks)


def _gatherv(ranks, up, down=0):
    return Cost(1, (ranks - 1) * up)


def _allgatherv(ranks, up, down=0):
    short = LONG_BYTES if _power_of_two(ranks) else ALLGATHER_SHORT_BYTES
    return Cost(_log2(ranks) if ranks * up < short else ranks - 1, (ranks - 1) * up)


def _allreduce_call(ranks, up, down=0):
    rounds, extra = ranks.bit_length() - 1, not _power_of_two(ranks)
    handed = Cost(2, 2 * up) if extra else Cost(0)
    if up <= ALLREDUCE_SHORT_BYTES:
        return Cost(rounds, rounds * up) + handed
    core = 1 << rounds
    return Cost(2 * rounds, 2 * up * (core - 1) / core) + handed


def _alltoallv(ranks, up, down=0):
    return Cost(1, up * (ranks - 1) / ranks)


def _allreduce(ranks, up, down=0):
    return _barrier(ranks) + _allreduce_call(ranks, up)


def _allgather(ranks, up, down=0):
    return _barrier(ranks) + _allgatherv(ranks, 8) + _allgatherv(ranks, up)


def _gather_bcast(ranks, up, down):
    way_up = _barrier(ranks) + _allgatherv(ranks, 8) + _gatherv(ranks, up)
    return way_up + _barrier(ranks) + _bcast(ranks, 8) + _bcast(ranks, down)


def _reduce_scatter(ranks, up, down):
    ranges = _barrier(ranks) + _allgatherv(ranks, 264)  # 33 numbers that say where a rank's keys lie
    way_up = _barrier(ranks) + _alltoallv(ranks, 16 * ranks) + _alltoallv(ranks, up)
    return ranges + way_up + _allgather(ranks, down / ranks)


def _allreduce_halves(ranks, up, down=0):
    """Each rank adds a P-th of the values of all, and all gather the sums: for 16-bit floats, which MPI cannot add."""
    return _barrier(ranks) + _alltoallv(ranks, up) + _barrier(ranks) + _allgatherv(ranks, up / ranks)


def _powersgd(ranks, up, down=0):
    return sum(2 * [_barrier(ranks) + _allreduce_call(ranks, up / 2)], Cost(0))


def _switch(ranks, up, down):
    """Packets go to one of the ranks and sums come back over the other direction of its link; each slot waits for its sum."""
    return _barrier(ranks) + Cost(2 + 2 * ceil(up / WINDOW_BYTES), (ranks - 1) * max(up, down))


COSTS = {
    "allreduce": _allreduce,
    "allgather": _allgather,
    "gather_bcast": _gather_bcast,
    "reduce_scatter": _reduce_scatter,
    "hierarchical": _allgather,
    "switch": _switch,
    "powersgd": _powersgd,
    "allreduce_halves": _allreduce_halves,
    "barrier": _barrier,
    "bcast": _bcast,
    "gatherv": _gatherv,
    "allgatherv": _allgatherv,
    "allreduce_call": _allreduce_call,
    "alltoallv": _alltoallv,
}
