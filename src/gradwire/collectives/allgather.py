"""allgather: every rank receives every message and decodes all of them in rank order, so all ranks hold the same bits. No root
and no second encoding; each rank receives and decodes P messages.
"""

from dataclasses import dataclass

from ..codecs.base import Reduction
from ..message import Message
from .base import Collective, collect, mean_of, share_sizes


@dataclass(frozen=True)
class Allgather(Collective):
    name = "allgather"
    summary = "every rank receives and decodes every message"
    paper = ""
    accepts = frozenset((Reduction.SUM, Reduction.MERGE, Reduction.GATHER))

    def exchange(self, comm, message, codec, step, *, downlink, watch, ledger):
        with watch("wait"):
            comm.Barrier()
        with watch("transfer"):
            sizes = share_sizes(comm, message.nbytes, ledger)
            buffers = collect(comm, message.buffer, sizes, ledger)
        with watch("decode"):
            ledger.up(message.split_nbytes())
            messages = [Message.from_bytes(buffer) for buffer in buffers]
            for other in messages[: comm.rank] + messages[comm.rank + 1 :]:
                ledger.down(other.split_nbytes())
            return mean_of(codec, messages, step, message.dim)
