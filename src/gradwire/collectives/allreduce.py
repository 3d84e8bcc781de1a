"""allreduce: MPI itself adds the encodings. For codecs whose dense encodings add: none, fp16, bf16; and for values at coordinates
that all ranks share: randomk(shared=true)+fp32.

Only the values travel, no header. MPI has no 16-bit float sum, so fp16 and bf16 bring their own operation, which decodes two
operands, adds them in fp32 and rounds once: a sum over P ranks is rounded up to P − 1 times, in the order that MPI chooses. A sum
beyond the range of the format becomes its largest finite value; beyond that of fp32 it is a DataError.
"""

from dataclasses import dataclass

import numpy as np

from .._ext import sparse as _sparse
from ..codecs.base import Reduction
from ..errors import DataError, IncompatibleError
from ..gradient import Gradient
from .base import MAX_WORDS, Collective

LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True)
class Allreduce(Collective):
    name = "allreduce"
    summary = "MPI adds the encodings (dense ones, or at shared coordinates)"
    paper = ""
    accepts = frozenset((Reduction.SUM,))
    needs_dense = True

    def check(self, uplink, downlink=None, size=1):
        super().check(uplink, downlink, size)
        if getattr(uplink.summable, "sum_dtype", None) is None:
            raise IncompatibleError(
                f"allreduce: {uplink.spec} says that its encodings add, but offers no `summable` value coder with a sum_dtype; "
                "those of none, fp16, bf16 and randomk(shared=true)+fp32 do"
            )

    def exchange(self, comm, message, codec, step, *, downlink, watch, ledger):
        with watch("encode"):
            values = codec.summable
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
            keys = codec.shared_keys(message.dim, step)
            if total.dtype == np.float32 and (at := _sparse.first_nonfinite(total)) >= 0:
                raise DataError(f"allreduce: the sum over {comm.size} ranks overflows fp32 at key {at if keys is None else keys[at]}")
            mean = values.decode(total.view(np.uint8), None, step, message.nnz)
            mean *= np.float32(1.0 / comm.size)
            summed = Gradient.trusted(mean, message.dim, keys)
            return summed if keys is None else summed.without_zeros()


def _allreduce(comm, mine, total, values):
    from mpi4py import MPI

    if mine.dtype == np.float32:
        kind, operation = MPI.FLOAT, MPI.SUM
    else:
        kind = MPI.UINT16_T

        def add(operand, result, _):
            a, b = (np.frombuffer(buffer, np.uint8) for buffer in (operand, result))
            x, y = (values.decode(buffer, None, None, len(buffer) // 2) for buffer in (a, b))
            b[:] = values.encode(np.clip(x + y, -LARGEST, LARGEST), None, None)

        operation = MPI.Op.Create(add, commute=True)
    try:
        for start in range(0, len(mine), MAX_WORDS):
            stop = min(start + MAX_WORDS, len(mine))
            comm.Allreduce([mine[start:stop], stop - start, kind], [total[start:stop], stop - start, kind], op=operation)
    finally:
        if operation != MPI.SUM:
            operation.Free()
