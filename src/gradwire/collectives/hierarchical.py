"""hierarchical: the ranks of a node hand their gradients to its leader uncompressed, over shared memory; the leaders compress the nodes'
means and average them with another collective; each leader hands the result on. The network sees one message per node instead of one
per rank, and quantisation errs once per node.

Uplink and downlink bytes are those between leaders; what stays inside a node is in sent, received and local. Error feedback is the
leader's, of its node's mean. MPI says which ranks share memory, and moves their bytes through it.
"""

import copy
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from ..codecs.none import check_dense
from ..errors import ConfigError
from ..gradient import Gradient
from ..message import Message
from ..spec import codec as parse
from ..spec import one
from .base import Collective, mean_of
from .communicators import kept
from .transport import collect, spread


@dataclass(frozen=True)
class Hierarchical(Collective):
    """per_node: 0 for the ranks that share memory, else nodes of so many consecutive ranks, to try it on one machine.
    between: specification of the leaders' collective, any but this one."""

    per_node: int = 0
    between: str = "allgather"

    name = "hierarchical"
    summary = "uncompressed inside a node, compressed between the nodes' leaders"
    paper = ""

    def __post_init__(self):
        if type(self.per_node) is not int or self.per_node < 0:
            raise ConfigError(f"expected per_node as an integer ≥ 0, got {self.per_node!r}")
        if isinstance(self._between, Hierarchical):
            raise ConfigError("hierarchical: expected another collective between the leaders")

    @property
    def has_downlink(self):
        return self._between.has_downlink

    @cached_property
    def _between(self):
        return one("collectives", self.between)

    def check(self, uplink, downlink=None, size=1):
        self._between.check(uplink, downlink, -(-size // self.per_node) if self.per_node else size)

    def average(self, exchange, gradient, step):
        node, leaders, count = _groups(exchange.comm, self.per_node)
        # What only the leaders would refuse, all ranks refuse: nobody waits for them.
        self._between.check(exchange.codec, size=count)
        exchange.codec.check_gradient(gradient)
        if self._between.needs_dense and not exchange.codec.shares_keys:
            check_dense(gradient, getattr(exchange.codec, "force", False), self.name)
        watch, ledger, raw = exchange.watch, exchange.ledger, _raw()
        with watch("encode"):
            mine = raw.encode(gradient, step) if node.size > 1 else None
        if mine is not None:
            with watch("wait"):
                node.Barrier()
            with watch("transfer"):
                buffers = collect(node, mine.buffer, ledger, 0)
                ledger.local += mine.nbytes
        reply = None
        if leaders is not None:
            if mine is not None:
                with watch("decode"):
                    gradient = mean_of(raw, [Message.from_bytes(buffer) for buffer in buffers], step, gradient.dim)
            share = node.size * leaders.size / exchange.comm.size
            if share != 1:  # nodes of different sizes count for their ranks
                with watch("encode"):
                    gradient = Gradient.trusted(gradient.values * np.float32(share), gradient.dim, gradient.keys)
            inner = copy.copy(exchange)
            inner.comm, inner.collective = leaders, self._between
            mean = inner.collective.average(inner, gradient, replace(step, rank=leaders.rank))
            exchange.encoded, exchange.sent = inner.encoded, inner.sent
            if mine is None:
                return mean
            with watch("encode"):
                reply = raw.encode(mean, step).buffer
        with watch("wait"):
            node.Barrier()
        with watch("transfer"):
            before = ledger.sent
            reply = spread(node, reply, ledger, 0)
            ledger.local += ledger.sent - before
        with watch("decode"):
            return raw.decode(Message.from_bytes(reply), step)


@cache
def _raw():
    """What travels inside a node."""
    return parse("raw+fp32")


def _groups(comm, per_node):
    """(this node's ranks, the nodes' leaders or None on other ranks, how many leaders), made once for each communicator."""
    return kept(comm, ("hierarchical", per_node), lambda: _split(comm, per_node))


def _split(comm, per_node):
    from mpi4py import MPI

    node = comm.Split(comm.rank // per_node, comm.rank) if per_node else comm.Split_type(MPI.COMM_TYPE_SHARED, comm.rank)
    leaders = comm.Split(0 if node.rank == 0 else MPI.UNDEFINED, comm.rank)
    return node, None if leaders == MPI.COMM_NULL else leaders, comm.allreduce(int(node.rank == 0))
