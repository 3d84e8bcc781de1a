"""hierarchical: the ranks of a node hand their gradients to its leader uncompressed, over shared memory; the leaders compress the nodes'
means and average them with another collective; each leader hands the result on. The network sees one message per node instead of one
per rank, and quantisation errs once per node.

Uplink and downlink bytes are those between leaders; what stays inside a node is in sent, received and local. Error feedback is the
leader's, of its node's mean. MPI says which ranks share memory, and moves their bytes through it.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from .._ext import sparse as _sparse
from ..codecs.none import check_dense
from ..errors import ConfigError, Diverged
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
    all_encode = False

    def __post_init__(self):
        if type(self.per_node) is not int or self.per_node < 0:
            raise ConfigError(f"expected per_node as an integer ≥ 0, got {self.per_node!r}")
        if isinstance(self._between, Hierarchical):
            raise ConfigError("hierarchical: expected another collective between the leaders")

    @property
    def has_downlink(self):
        return self._between.has_downlink

    @property
    def needs_feedback(self):
        return self._between.needs_feedback

    @property
    def in_place_of(self):
        return self._between.in_place_of

    def memory(self, dim, blocks):
        return self._between.memory(dim, blocks)

    def check_memory(self, memory):
        self._between.check_memory(memory)

    @cached_property
    def _between(self):
        return one("collectives", self.between)

    def check(self, uplink, downlink=None, size=1):
        self._between.check(uplink, downlink, -(-size // self.per_node) if self.per_node else size)

    def average(self, exchange, gradient, step):
        node, leaders, count, largest = _groups(exchange.comm, self.per_node)
        self._between.check(exchange.codec, size=count)  # what only the leaders would refuse, all ranks refuse
        exchange.met = True  # the ranks of each node meet, and then the leaders
        near = exchange.over(node, self)
        far = exchange.over(leaders, self._between) if leaders is not None else None
        with far.sharing_errors() if far else nullcontext():
            with near.sharing_errors():
                buffers = self._gathered(near, gradient, step)
            near.met = False  # who waits for the leader hears what went wrong with it
            with near.sharing_errors():
                reply = None
                if far:
                    mean = _between_nodes(far, buffers, gradient, step, node.size / largest, largest * count / exchange.comm.size)
                    exchange.encoded, exchange.sent = far.encoded, far.sent
                    if buffers is None:
                        return mean
                    with near.watch("encode"):
                        reply = _raw().encode(mean, step).buffer
                near.meet()
        with near.watch("transfer"):
            before = near.ledger.sent
            reply = spread(node, reply, near.ledger, 0)
            near.ledger.local += near.ledger.sent - before
        with near.watch("decode"):
            return _raw().decode(Message.from_bytes(reply), step)

    def _gathered(self, near, gradient, step):
        """The node's messages, on its leader; None on other ranks, and where the leader is alone."""
        near.codec.check_gradient(gradient)
        if self._between.needs_dense and not near.codec.shares_keys:
            check_dense(gradient, getattr(near.codec, "force", False), self.name)
        if near.comm.size == 1:
            return None
        with near.watch("encode"):
            mine = _raw().encode(gradient, step)
        near.meet()
        with near.watch("transfer"):
            buffers = collect(near.comm, mine.buffer, near.ledger, 0)
            near.ledger.local += mine.nbytes
        return buffers


def _between_nodes(far, buffers, gradient, step, weight, scale):
    """Gradient: the mean over all ranks, on every leader. A node counts for its ranks: `weight` ≤ 1 of its mean goes in, for no sum may be
    beyond fp32 where the mean over the ranks is not, and `scale` ≥ 1 times what comes out."""
    if buffers is not None:
        with far.watch("decode"):
            gradient = mean_of(_raw(), [Message.from_bytes(buffer) for buffer in buffers], step, gradient.dim)
    with far.watch("encode"):
        gradient = _times(gradient, weight)
    mean = far.average(gradient, replace(step, rank=far.comm.rank))
    with far.watch("decode"):
        mean = _times(mean, scale)
        if (at := _sparse.first_nonfinite(mean.values)) >= 0:  # a leader that is alone would not encode it, and not see it
            raise Diverged(f"hierarchical: the mean over the nodes overflows fp32 at key {at if mean.is_dense else mean.keys[at]}")
        return mean


def _times(gradient, factor):
    if factor == 1:
        return gradient
    with np.errstate(over="ignore"):
        return Gradient.trusted(gradient.values * np.float32(factor), gradient.dim, gradient.keys, gradient.fresh_nnz)


@cache
def _raw():
    """What travels inside a node."""
    return parse("raw+fp32")


def _groups(comm, per_node):
    """(this node's ranks, the nodes' leaders or None on other ranks, how many leaders, ranks of the largest node), made once for each
    communicator."""
    return kept(comm, ("hierarchical", per_node), lambda: _split(comm, per_node))


def _split(comm, per_node):
    from mpi4py import MPI

    node = comm.Split(comm.rank // per_node, comm.rank) if per_node else comm.Split_type(MPI.COMM_TYPE_SHARED, comm.rank)
    leaders = comm.Split(0 if node.rank == 0 else MPI.UNDEFINED, comm.rank)
    sizes = [size for size in comm.allgather(node.size if node.rank == 0 else 0) if size]
    return node, None if leaders == MPI.COMM_NULL else leaders, len(sizes), max(sizes)
