"""gather_bcast: the papers' driver. The root gathers all messages, decodes and averages them, encodes the mean with the downlink
codec and broadcasts it. Two-way compression; the root's link and cores are the bottleneck.
"""

from dataclasses import dataclass, replace

from ..errors import IncompatibleError
from ..message import Message
from .base import Collective, mean_of
from .transport import collect, spread


@dataclass(frozen=True)
class GatherBcast(Collective):
    """root: the rank that plays the driver."""

    root: int = 0

    name = "gather_bcast"
    is_plain = True
    summary = "a root decodes, averages, encodes again and broadcasts"
    paper = "the driver of SketchML and FastSGD; Natural Compression, Algorithm 1"
    has_downlink = True

    def check(self, uplink, downlink=None, size=1):
        super().check(uplink, downlink, size)
        if type(self.root) is not int or not 0 <= self.root < size:
            raise IncompatibleError(f"gather_bcast: expected a root in 0 … {size - 1}, got {self.root}")

    def average(self, exchange, gradient, step):
        comm, watch, ledger, downlink = exchange.comm, exchange.watch, exchange.ledger, exchange.downlink
        message = exchange.encode(gradient, step)
        # The driver is one more sender: its random numbers, shared ones too, are those of no worker.
        driver = replace(step, seed=step.shared("downlink"), rank=comm.size)
        reply = None
        exchange.meet()
        with watch("transfer"):
            buffers = collect(comm, message.buffer, ledger, self.root)
        exchange.met = False  # who waits for the root hears what went wrong with it
        if comm.rank == self.root:
            with watch("decode"):
                mean = mean_of(exchange.codec, [Message.from_bytes(buffer) for buffer in buffers], step, message.dim)
            with watch("encode"):
                reply = downlink.encode(mean, driver).buffer
        exchange.meet()
        with watch("transfer"):
            reply = spread(comm, reply, ledger, self.root)
        with watch("decode"):
            received = Message.from_bytes(reply)
            ledger.up(message.split_nbytes())
            ledger.down(received.split_nbytes())
            return downlink.decode(received, driver)
