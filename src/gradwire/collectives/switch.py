"""switch: aggregation in the network. Workers send packets of integers to a switch, which can only add integers, in a fixed pool of slots,
and sends the sums back to all.

SwitchML: Sapio et al., NSDI 2021; with natural compression: Horváth et al., arXiv 1905.10988, section 6 and appendix. A rank
plays the switch (and goes on being a worker); so this shows the protocol, its bytes and its error, not the speed of a switch.

Packet k holds `packet` values. All workers scale it by the same power of two, 2^e ≥ the largest magnitude that any of them has there.
Exponents travel ahead: packet k carries the exponent of packet k + slots, the next in its slot; the switch returns the largest of all.
A worker sends packet k + slots when it has the sum of packet k.

    codec none      int32: round(v · (2³¹ − 1) / (P · 2^e)); P of them cannot wrap. 4 bytes per value each way.
    codec natural   a byte each way: 0, or sign and j + 1 for the addend ±2^j of units u = 2^(e − 30 + ⌈log₂ P⌉). Values are rounded at
                    random to powers of two, those below u to 0 or u. The switch looks addends up, adds them as int32, |sum| ≤ 2³⁰, and
                    rounds the sum to a power of two.

On the wire, either way: 8 bytes (k, uint32; exponent, int8; zeros), the values. Magnitudes beyond 2¹²⁷ saturate and are counted.
Sums of integers do not depend on their order, so all ranks get the same bits whoever is first.
"""

from dataclasses import dataclass

import numpy as np

from ..codecs.composed import Composed
from ..errors import ConfigError, IncompatibleError
from ..gradient import Gradient
from .base import Collective
from .communicators import kept
from .exchange import Part, Sent
from .packets import Int32Packets, NaturalPackets, exponents

HEAD = 8
TAG = 71


@dataclass(frozen=True)
class Switch(Collective):
    """packet: values in a packet, 1 … 2²⁰. slots: packets of a worker on their way, 1 … 1024. root: the rank that plays the switch."""

    packet: int = 4096
    slots: int = 16
    root: int = 0

    name = "switch"
    summary = "a switch adds packets of integers (a rank plays it); none or natural"
    paper = "SwitchML: Sapio et al., NSDI 2021; Natural Compression, arXiv 1905.10988"
    needs_dense = True

    def __post_init__(self):
        for name, most in (("packet", 1 << 20), ("slots", 1024)):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise ConfigError(f"expected {name} in 1 … {most}, got {value!r}")

    @classmethod
    def takes(cls, uplink):
        return _packets_of(uplink) is not None

    def _accepted(self):
        return "none and natural"

    def check(self, uplink, downlink=None, size=1):
        super().check(uplink, downlink, size)
        if type(self.root) is not int or not 0 <= self.root < size:
            raise IncompatibleError(f"switch: expected a root in 0 … {size - 1}, got {self.root}")

    def average(self, exchange, gradient, step):
        watch = exchange.watch
        with watch("encode"):
            exchange.prepare(gradient)
            exchange.encoded.check_finite(step.rank)
            values = exchange.encoded.values
            packets = _packets_of(exchange.codec)(values, self.packet, exchange.comm.size, step)
            own = exponents(values, self.packet)
        exchange.meet()
        run = _Root(self, exchange, packets, own) if exchange.comm.rank == self.root else _Worker(self, exchange, packets, own)
        mean = run.average()
        with watch("encode"):
            sent = Gradient.trusted(packets.sent, len(values))
            exchange.sent.append(Sent(Part(exchange.encoded, 0, step), _Own(sent, packets.saturated), _Own(sent, packets.saturated)))
            exchange.remember()
        return Gradient.trusted(mean, len(values))


def _packets_of(codec):
    """The class of packets for this codec, None if there is none."""
    parts = getattr(codec, "composed", codec)
    if not isinstance(parts, Composed) or parts.sparsifier is not None:
        return None
    if parts.values.name == "natural":
        return NaturalPackets if parts.values.unbiased else None
    return Int32Packets if parts.values.name == "fp32" else None


class _Worker:
    """One rank's side of a step."""

    def __init__(self, switch, exchange, packets, own):
        (self.comm,) = kept(exchange.comm, "switch", lambda: (exchange.comm.Dup(),))  # nobody else's messages arrive here
        self.watch, self.ledger = exchange.watch, exchange.ledger
        self.packets, self.own, self.slots, self.root = packets, own, switch.slots, switch.root
        self.mean = np.empty_like(packets.values)

    def average(self):
        """float32 (dim,): the mean over ranks."""
        first = self._first_exponents()
        count = len(self.own)
        for k in range(min(self.slots, count)):
            self._send(k, first[k])
        for k in range(count):
            reply = np.empty(self._nbytes(k), np.uint8)
            with self.watch("transfer"):
                self.comm.Recv(reply, source=self.root, tag=TAG)
            self.ledger.received += len(reply)
            self._take(k, reply)
        return self.mean

    def _first_exponents(self):
        """Of the first packet of each slot: a round of exponents alone."""
        from mpi4py import MPI

        with self.watch("transfer"):
            first = self.own[: self.slots].copy()
            self.comm.Allreduce(MPI.IN_PLACE, first, op=MPI.MAX)
            self.ledger.control += first.nbytes
        self.exponent = dict(enumerate(first.tolist()))
        return self.exponent

    def _send(self, k, e):
        with self.watch("encode"):
            packet = self._packet(k, e)
        with self.watch("transfer"):
            self.comm.Send(packet, dest=self.root, tag=TAG)
            self.ledger.sent += len(packet)

    def _packet(self, k, e):
        """The bytes of packet k, which also asks for packet k + slots."""
        ahead = int(self.own[k + self.slots]) if k + self.slots < len(self.own) else 0
        packet = np.concatenate([_head(k, ahead), self.packets.encode(k, e)])
        self.ledger.up({"header": HEAD, "values": len(packet) - HEAD})
        return packet

    def _take(self, k, reply):
        """The sum of packet k has come: use it, and send the next packet of its slot."""
        with self.watch("decode"):
            self.mean[self.packets.at(k)] = self.packets.mean(reply[HEAD:], k, self.exponent.pop(k))
            self.ledger.down({"header": HEAD, "values": len(reply) - HEAD})
        if k + self.slots < len(self.own):
            self.exponent[k + self.slots] = int(reply[4:5].view(np.int8)[0])
            self._send(k + self.slots, self.exponent[k + self.slots])

    def _nbytes(self, k):
        at = self.packets.at(k)
        return HEAD + self.packets.width * (at.stop - at.start)


class _Root(_Worker):
    """The worker that plays the switch too. Its own packets do not pass through MPI."""

    def average(self):
        from mpi4py import MPI

        self.slot, self.done, self.requests = {}, [], {}
        first, count, status = self._first_exponents(), len(self.own), MPI.Status()
        buffer = np.empty(self._nbytes(0), np.uint8)
        for k in range(min(self.slots, count)):
            self._send(k, first[k])
        for _ in range(count * (self.comm.size - 1)):
            with self.watch("transfer"):
                self.comm.Recv(buffer, source=MPI.ANY_SOURCE, tag=TAG, status=status)
            nbytes = status.Get_count(MPI.BYTE)
            self.ledger.received += nbytes
            self._arrived(buffer[:nbytes])
            self._own_replies()
        self._own_replies()
        with self.watch("transfer"):
            MPI.Request.Waitall([request for requests in self.requests.values() for request in requests])
        return self.mean

    def _send(self, k, e):
        with self.watch("encode"):
            packet = self._packet(k, e)
        self._arrived(packet)

    def _own_replies(self):
        """The root's own worker takes the sums that are ready; what it sends then may complete further ones."""
        while self.done:
            self._take(*self.done.pop(0))

    def _arrived(self, packet):
        """The switch: add, and when a packet has come from all, send the sum back and free the slot."""
        with self.watch("decode"):
            k, ahead = int(packet[:4].view("<u4")[0]), int(packet[4:5].view(np.int8)[0])
            at = self.packets.at(k)
            slot = self.slot.setdefault(k, [np.zeros(at.stop - at.start, np.int32), 0, -128])
            self.packets.add(slot[0], packet[HEAD:])
            slot[1] += 1
            slot[2] = max(slot[2], ahead)
            if slot[1] < self.comm.size:
                return
            del self.slot[k]
            reply = np.concatenate([_head(k, slot[2]), self.packets.reply(slot[0], k)])
        with self.watch("transfer"):
            _wait_for(self.requests.pop(k - self.slots, []))
            others = [rank for rank in range(self.comm.size) if rank != self.comm.rank]
            self.requests[k] = [self.comm.Isend(reply, dest=rank, tag=TAG) for rank in others]
            self.ledger.sent += len(others) * len(reply)
        self.done.append((k, reply))


def _wait_for(requests):
    for request in requests:
        request.Wait()


def _head(k, e):
    head = np.zeros(HEAD, np.uint8)
    head[:4].view("<u4")[0], head[4:5].view(np.int8)[0] = k, e
    return head


class _Own:
    """What this rank's packets say, where other collectives have a message and its codec."""

    def __init__(self, gradient, saturated):
        self.gradient, self.saturated, self.nnz, self.dim = gradient, saturated, gradient.nnz, gradient.dim

    def decode(self, message, step):
        return self.gradient

    def key_sets(self, message):
        return []

    def count_overflow(self, gradient):
        return self.saturated
