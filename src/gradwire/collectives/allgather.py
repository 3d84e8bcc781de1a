"""allgather: every rank receives every message and decodes all of them in rank order, so all ranks hold the same bits. No root
and no second encoding; each rank receives and decodes P messages.

slices > 1: a gradient travels as that many messages; while one is on its way, the next is encoded and the one before is decoded. What
that gains depends on whether the MPI library moves bytes while nobody calls it. Its encoding and decoding count as such, the time
in MPI calls as transfer; and a sparse gradient's slices cost a header and a long first gap each.
"""

import itertools
from dataclasses import dataclass, replace

from ..errors import ConfigError, CorruptMessage
from ..gradient import Gradient, joined
from ..message import Message
from .base import Collective, check_divisible, mean_of, mean_of_gradients
from .exchange import Part
from .ranges import cut
from .transport import Collection, collect


@dataclass(frozen=True)
class Allgather(Collective):
    """slices: messages of each rank, 1 … 64."""

    slices: int = 1

    name = "allgather"
    is_plain = True
    summary = "every rank receives and decodes every message"
    paper = ""

    def __post_init__(self):
        if type(self.slices) is not int or not 1 <= self.slices <= 64:
            raise ConfigError(f"expected slices in 1 … 64, got {self.slices!r}")

    def check(self, uplink, downlink=None, size=1):
        super().check(uplink, downlink, size)
        if self.slices > 1:
            check_divisible(uplink, f"{self.name}(slices={self.slices})")

    def average(self, exchange, gradient, step):
        if self.slices > 1:
            return self._overlapped(exchange, gradient, step)
        comm, watch, ledger, codec = exchange.comm, exchange.watch, exchange.ledger, exchange.codec
        message = exchange.encode(gradient, step)
        exchange.meet()
        with watch("transfer"):
            buffers = collect(comm, message.buffer, ledger)
        with watch("decode"):
            ledger.up(message.split_nbytes())
            messages = [Message.from_bytes(buffer) for buffer in buffers]
            for other in messages[: comm.rank] + messages[comm.rank + 1 :]:
                ledger.down(other.split_nbytes())
            return mean_of(codec, messages, step, message.dim)

    def _overlapped(self, exchange, gradient, step):
        comm, watch, ledger, dim = exchange.comm, exchange.watch, exchange.ledger, gradient.dim
        count = min(self.slices, dim)
        whole = exchange.sparsified(gradient, step)
        with watch("encode"):
            parts = _slices(whole, count, step)
        waiting, moving = None, []
        for message in exchange.encode_parts(parts):
            if waiting is None:
                exchange.meet()
            with watch("transfer"):
                started = Collection(comm, message.buffer, ledger)
                if waiting:
                    moving.append(waiting.go())
                waiting = started
                ledger.up(message.split_nbytes())
        with watch("transfer"):
            moving.append(waiting.go())
        edges, ranks = _edges(dim, count), [[] for _ in range(comm.size)]
        for number, each in enumerate(moving):
            with watch("transfer"):
                buffers = each.finish()
            with watch("decode"):
                for rank, buffer in enumerate(buffers):
                    message = Message.from_bytes(buffer)
                    if rank != comm.rank:
                        ledger.down(message.split_nbytes())
                    at = replace(step, rank=rank).part(number)
                    ranks[rank].append(_placed(exchange.codec.unsparsified.decode(message, at), edges[number : number + 2], dim, rank))
        with watch("decode"):
            return mean_of_gradients([joined(parts, dim) for parts in ranks], dim)


def _slices(gradient, count, step):
    """[Part]: ranges of a dense gradient; of a sparse one equally many entries, each with all of dim around it."""
    if gradient.is_dense:
        return cut(gradient, _edges(gradient.dim, count), step)
    places = _edges(gradient.nnz, count)
    parts = [Gradient.trusted(gradient.values[a:b], gradient.dim, gradient.keys[a:b]) for a, b in itertools.pairwise(places)]
    return [Part(part, 0, step.part(number)) for number, part in enumerate(parts)]


def _placed(part, edges, dim, rank):
    """(part, its first key): that of its range, if it is one of a dense gradient, which its dim tells."""
    if part.dim not in (dim, edges[1] - edges[0]):
        raise CorruptMessage(f"expected a slice of dim {edges[1] - edges[0]} or {dim}, rank {rank} sent one of dim {part.dim}")
    return part, 0 if part.dim == dim else edges[0]


def _edges(size, count):
    return [size * number // count for number in range(count + 1)]
