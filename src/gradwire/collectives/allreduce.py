"""allreduce: the encodings are added on their way. For codecs whose dense encodings add: none, fp16, bf16, intsgd; and for values at
coordinates that all ranks share: randomk(shared=true)+fp32.

Only the values travel, no header. MPI itself adds fp32 and integers. A sum beyond the range of fp32 is Diverged; integers are
scaled so that P of them cannot wrap (values/integer.py), for which the ranks first agree on the largest magnitude.

MPI has no 16-bit float sum. There every rank receives a P-th of the values of all ranks, adds them in fp32, divides, rounds once, and
all ranks gather the means: the bytes of a ring allreduce, in rank order, and no sum is beyond the format's range.
"""

from dataclasses import dataclass

import numpy as np

from .._ext import sparse as _sparse
from ..codecs.base import Reduction
from ..errors import Diverged, IncompatibleError
from ..gradient import Gradient
from .base import Collective
from .transport import collect_evenly, swap_evenly, total_of


@dataclass(frozen=True)
class Allreduce(Collective):
    name = "allreduce"
    is_plain = True
    summary = "the encodings are added on their way (dense ones, or at shared coordinates)"
    paper = ""
    accepts = frozenset((Reduction.SUM,))
    needs_dense = True

    def check(self, uplink, downlink=None, size=1):
        super().check(uplink, downlink, size)
        if getattr(uplink.summable, "sum_dtype", None) is None:
            raise IncompatibleError(
                f"allreduce: {uplink.spec} says that its encodings add, but offers no `summable` value coder with a sum_dtype; "
                "those of none, fp16, bf16, intsgd and randomk(shared=true)+fp32 do"
            )
        uplink.summable.check_sum(size)

    def average(self, exchange, gradient, step):
        comm, watch, ledger, codec = exchange.comm, exchange.watch, exchange.ledger, exchange.codec
        with watch("encode"):
            exchange.prepare(gradient)
        if codec.summable.shares_peak:
            codec = _with_common_peak(exchange, step)
        with watch("encode"):
            message = exchange.pack(codec, step)
            values = codec.summable
            mine = message.section("values").view(values.sum_dtype)
        exchange.meet()
        if mine.dtype == np.uint16:
            mean = _mean_of_halves(exchange, mine, values)
        else:
            with watch("transfer"):
                total = total_of(comm, mine, ledger)
            with watch("decode"):
                mean = values.mean_of_sum(total, comm.size)
        with watch("decode"):
            for count in (ledger.up, ledger.down):
                count({"values": mine.nbytes})
            keys = codec.shared_keys(message.dim, step)
            if (at := _sparse.first_nonfinite(mean)) >= 0:
                raise Diverged(f"allreduce: the sum over {comm.size} ranks overflows fp32 at key {at if keys is None else keys[at]}")
            averaged = Gradient.trusted(mean, message.dim, keys)
            return averaged if keys is None else averaged.without_zeros()


def _with_common_peak(exchange, step):
    """The codec, scaled so that the sum over all ranks cannot wrap: the ranks agree on the largest magnitude."""
    from mpi4py import MPI

    comm, watch, codec = exchange.comm, exchange.watch, exchange.codec
    with watch("encode"):
        exchange.encoded.check_finite(step.rank)  # before the ranks meet: the others would wait for the sum
        peak = np.array([codec.peak(exchange.encoded, step)], np.float32)
    exchange.meet()
    with watch("transfer"):
        comm.Allreduce(MPI.IN_PLACE, peak, op=MPI.MAX)
        exchange.ledger.control += peak.nbytes
    return codec.with_peak(float(peak[0]), comm.size)


def _mean_of_halves(exchange, mine, values):
    """float32: the mean over ranks of 16-bit floats, itself rounded to 16 bits."""
    comm, watch, ledger = exchange.comm, exchange.watch, exchange.ledger
    size, share = comm.size, -(-len(mine) // comm.size)
    with watch("transfer"):
        padded = np.zeros(size * share, np.uint16)
        padded[: len(mine)] = mine
        theirs = swap_evenly(comm, padded.reshape(size, share), ledger)
    with watch("decode"):
        total = np.zeros(share, np.float32)
        for words in theirs:
            total += values.decode(words.view(np.uint8), None, None, share) * np.float32(1 / size)
    with watch("encode"):
        reply = values.encode(total, None, None).view(np.uint16)
    exchange.meet()
    with watch("transfer"):
        everything = collect_evenly(comm, reply, ledger)
    with watch("decode"):
        return values.decode(everything[: len(mine)].view(np.uint8), None, None, len(mine))
