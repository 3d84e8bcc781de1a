"""reduce_scatter: every rank owns a range of keys. It receives that range of every rank's gradient, decodes and averages, encodes the
mean with the downlink codec, and all ranks gather the means. Two-way compression without a root: each rank decodes P parts of a P-th
of the keys, and sends and receives about as much as every other.

Ranges hold about equally many entries, not equally many keys: features numbered by popularity crowd at the low end. Each rank says
where the keys lie that it is to send, 33 numbers, before it encodes. Parts are encoded apart, so a codec with a table or a scale for
each message has one for each part. A sparsifier sees the whole gradient on its way up, and the owner's range alone on its way down.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import ConfigError
from ..gradient import joined
from ..message import Message
from .base import Collective, check_divisible, mean_of
from .ranges import cut, filled
from .transport import collect, share, swap

SAMPLES = 32


@dataclass(frozen=True)
class ReduceScatter(Collective):
    """balance: whether ranges hold equally many entries; False: equally many keys, which saves a small exchange before the encoding."""

    balance: bool = True

    name = "reduce_scatter"
    is_plain = True
    summary = "each rank averages a range of keys and encodes it again; no root"
    paper = ""
    has_downlink = True

    def __post_init__(self):
        if not isinstance(self.balance, bool):
            raise ConfigError(f"expected balance as true or false, got {self.balance!r}")

    def check(self, uplink, downlink=None, size=1):
        super().check(uplink, downlink, size)
        for codec in (uplink, downlink):
            check_divisible(codec, self.name)

    def average(self, exchange, gradient, step):
        comm, watch, ledger, dim = exchange.comm, exchange.watch, exchange.ledger, gradient.dim
        whole = exchange.sparsified(gradient, step)
        edges = self._edges(exchange, whole)
        owners = filled(edges)
        with watch("encode"):
            parts = cut(whole, edges, step)
        messages = list(exchange.encode_parts(parts))
        outgoing = dict(zip(owners, messages))
        nothing = np.empty(0, np.uint8)
        exchange.meet()
        with watch("transfer"):
            buffers = swap(comm, [outgoing[rank].buffer if rank in outgoing else nothing for rank in range(comm.size)], ledger)
        exchange.met = False  # who waits for an owner hears what went wrong with it
        reply = nothing
        if comm.rank in outgoing:
            with watch("decode"):
                width, mine = edges[comm.rank + 1] - edges[comm.rank], step.part(comm.rank)
                mean = mean_of(exchange.codec.unsparsified, [Message.from_bytes(buffer) for buffer in buffers], mine, width)
            with watch("encode"):
                reply = exchange.downlink.encode(mean, _owner(step, comm.rank, comm.size)).buffer
        exchange.meet()
        with watch("transfer"):
            replies = collect(comm, reply, ledger)
        with watch("decode"):
            for message in messages:
                ledger.up(message.split_nbytes())
            means = []
            for rank in owners:
                received = Message.from_bytes(replies[rank])
                ledger.down(received.split_nbytes())
                means.append((exchange.downlink.decode(received, _owner(step, rank, comm.size)), edges[rank]))
            return joined(means, dim)

    def _edges(self, exchange, gradient):
        """The ranges' P + 1 edges, the same on every rank."""
        comm, dim = exchange.comm, gradient.dim
        even = [dim * rank // comm.size for rank in range(comm.size + 1)]
        if not self.balance or comm.size == 1:
            return even
        with exchange.watch("encode"):
            mine = np.zeros(1 + SAMPLES, np.int64)
            mine[0] = -1 if gradient.is_dense else gradient.nnz
            if mine[0] > 0:
                mine[1:] = gradient.keys[(2 * np.arange(SAMPLES) + 1) * gradient.nnz // (2 * SAMPLES)]
        exchange.meet()
        with exchange.watch("transfer"):
            everyone = share(comm, mine, exchange.ledger)
        with exchange.watch("encode"):
            return balanced(everyone, dim, comm.size) or even


def balanced(samples, dim, size):
    """size + 1 edges between which about equally many entries lie, None if there is nothing to tell by.

    samples: int64 (ranks, 1 + SAMPLES), for each rank its number of entries, -1 if dense, and keys evenly spread over them.
    """
    counts = samples[:, 0]
    if (counts < 0).any() or not counts.any():
        return None
    keys = samples[counts > 0, 1:]
    weights = np.broadcast_to(counts[counts > 0, None], keys.shape).ravel()
    order = np.argsort(keys.ravel(), kind="stable")
    keys, below = keys.ravel()[order], np.cumsum(weights[order])
    inner = keys[np.searchsorted(below, below[-1] * np.arange(1, size) // size)] + 1
    return [0, *np.minimum(inner, dim).tolist(), dim]


def _owner(step, rank, size):
    """The Step of an owner's reply: its random numbers, shared ones too, are those of no worker."""
    return replace(step, seed=step.shared(f"downlink {rank}"), rank=size)
