"""allreduce: MPI itself adds the encodings. For codecs whose dense encodings add: none, fp16, bf16.

Only the values travel, no header. MPI has no 16-bit float sum, so fp16 and bf16 bring their own operation, which decodes two
operands, adds them in fp32 and rounds once: a sum over P ranks is rounded up to P − 1 times, in the order that MPI chooses.
"""

from dataclasses import dataclass

import numpy as np

from ..codecs.base import Reduction
from ..gradient import Gradient
from .base import MAX_WORDS, Collective


@dataclass(frozen=True)
class Allreduce(Collective):
    name = "allreduce"
    summary = "MPI adds the encodings (dense codecs only)"
    paper = ""
    accepts = frozenset((Reduction.SUM,))
    needs_dense = True

    def exchange(self, comm, message, codec, step, *, downlink, watch, ledger):
        with watch("encode"):
            values = codec.composed.values
            mine = message.section("values").view(values.sum_dtype)
            total = np.empty_like(mine)
        with watch("wait"):
            comm.Barrier()
        with watch("transfer"):
            _allreduce(comm, mine, total, values)
        with watch("decode"):
            for count in (ledger.up, ledger.down):
                count({"values": mine.nbytes})
            ledger.sent += mine.nbytes
            ledger.received += total.nbytes
            mean = values.decode(total.view(np.uint8), None, step, message.dim)
            mean *= np.float32(1.0 / comm.size)
            return Gradient.trusted(mean, message.dim)


def _allreduce(comm, mine, total, values):
    from mpi4py import MPI

    if mine.dtype == np.float32:
        kind, operation = MPI.FLOAT, MPI.SUM
    else:
        kind = MPI.UINT16_T

        def add(operand, result, _):
            a, b = (np.frombuffer(buffer, np.uint8) for buffer in (operand, result))
            x, y = (values.decode(buffer, None, None, len(buffer) // 2) for buffer in (a, b))
            b[:] = values.encode(x + y, None, None)

        operation = MPI.Op.Create(add, commute=True)
    try:
        for start in range(0, len(mine), MAX_WORDS):
            stop = min(start + MAX_WORDS, len(mine))
            comm.Allreduce([mine[start:stop], stop - start, kind], [total[start:stop], stop - start, kind], op=operation)
    finally:
        if operation != MPI.SUM:
            operation.Free()
