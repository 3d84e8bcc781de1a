"""What a collective must offer, the ledger of bytes, and what all collectives share.

Every MPI call that moves messages follows a barrier, so that waiting for the last rank (`wait`) is told from `transfer`.
Messages are multiples of 8 bytes and travel as 64-bit words.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from .._ext import sparse as _sparse
from ..codecs.base import Configured, Reduction
from ..errors import CorruptMessage, IncompatibleError
from ..gradient import Gradient

MAX_WORDS = (1 << 31) - 1
SPLIT = ("header", "keys", "values", "tables")


class Ledger:
    """Bytes of one rank since the last reset, exactly the sizes of the buffers given to MPI.

    uplink, downlink: {header, keys, values, tables}. sent, received: buffers handed to MPI as a sender and as a receiver, each
    once. control: sizes and flags that this rank sent.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        self.uplink = dict.fromkeys(SPLIT, 0)
        self.downlink = dict.fromkeys(SPLIT, 0)
        self.sent = self.received = self.control = 0

    def up(self, split):
        for name, nbytes in split.items():
            self.uplink[name] += nbytes

    def down(self, split):
        for name, nbytes in split.items():
            self.downlink[name] += nbytes


class Collective(Configured):
    """Averages messages over the ranks of a communicator.

    accepts: the reductions that it can carry. has_downlink: whether the average is encoded again on its way back.
    needs_dense: whether gradients are made dense before they are encoded, unless the codec sums sparse ones.
    """

    accepts: ClassVar[frozenset[Reduction]]
    has_downlink: ClassVar[bool] = False
    needs_dense: ClassVar[bool] = False

    def check(self, uplink, downlink=None, size=1):
        """Raise IncompatibleError, naming what would work, before any MPI call. downlink None means "same"."""
        if uplink.reduction not in self.accepts:
            raise IncompatibleError(
                f"collective {self.name} accepts codecs whose reduction is {self._accepted()}, got {uplink.spec} "
                f"({uplink.reduction.name}); pairs that work: {_pairs(uplink)}"
            )
        if downlink is not None and not self.has_downlink:
            raise IncompatibleError(
                f"collective {self.name} has no downlink codec, got downlink {downlink.spec}; "
                f'use downlink = "same" or the collective gather_bcast'
            )

    def _accepted(self):
        return " or ".join(sorted(reduction.name for reduction in self.accepts))

    def exchange(self, comm, message, codec, step, *, downlink, watch, ledger):
        """Gradient: the mean over ranks of what `message` decodes to on each. Every rank gets the same bits."""
        raise NotImplementedError


def _pairs(uplink):
    from ..spec import lookup, names

    fit = [name for name in names("collectives") if uplink.reduction in lookup("collectives", name).accepts]
    return ", ".join(f"{uplink.spec} with {name}" for name in fit) or "none"


def pieces(total_words):
    """(start, stop) of each piece of at most MAX_WORDS 64-bit words: MPI counts are 32-bit before MPI 4."""
    return [(start, min(start + MAX_WORDS, total_words)) for start in range(0, total_words, MAX_WORDS)]


def share_sizes(comm, nbytes, ledger):
    """Every rank's nbytes, a list, on every rank."""
    mine, sizes = np.array([nbytes], np.int64), np.empty(comm.size, np.int64)
    comm.Allgather(mine, sizes)
    ledger.control += mine.nbytes
    return sizes.tolist()


def collect(comm, buffer, sizes, ledger, root=None):
    """Every rank's bytes as a list of uint8 arrays: on `root`, None elsewhere; without a root on every rank."""
    from mpi4py import MPI

    counts = [size // 8 for size in sizes]
    starts = np.cumsum([0, *counts]).tolist()
    mine, receives = buffer.view(np.int64), root in (None, comm.rank)
    whole = np.empty(starts[-1] if receives else 0, np.int64)
    for start, _ in pieces(max(counts)):
        part = [min(max(count - start, 0), MAX_WORDS) for count in counts]
        send = [mine[start : start + part[comm.rank]], part[comm.rank], MPI.INT64_T]
        receive = [whole, part, [first + min(start, count) for first, count in zip(starts, counts)], MPI.INT64_T]
        if root is None:
            comm.Allgatherv(send, receive)
        else:
            comm.Gatherv(send, receive if receives else None, root=root)
    ledger.sent += len(buffer)
    if not receives:
        return None
    ledger.received += 8 * starts[-1]
    return [whole[first : first + count].view(np.uint8) for first, count in zip(starts, counts)]


def spread(comm, buffer, ledger, root):
    """The root's bytes, on every rank; `buffer` is None elsewhere."""
    from mpi4py import MPI

    size = np.array([len(buffer) if comm.rank == root else 0], np.int64)
    comm.Bcast(size, root=root)
    whole = np.empty(int(size[0]) // 8, np.int64) if buffer is None else buffer.view(np.int64)
    for start, stop in pieces(len(whole)):
        comm.Bcast([whole[start:stop], stop - start, MPI.INT64_T], root=root)
    if comm.rank == root:
        ledger.control += size.nbytes
        ledger.sent += 8 * len(whole)
    else:
        ledger.received += 8 * len(whole)
    return whole.view(np.uint8)


def mean_of(codec, messages, step, dim):
    """Decode every rank's message in rank order and average. Sparse messages cost O(total nnz)."""
    scale = 1.0 / len(messages)
    for rank, message in enumerate(messages):
        if message.dim != dim:
            raise CorruptMessage(f"expected a message of dim {dim}, rank {rank} sent one of dim {message.dim}")
    if any(message.is_dense for message in messages):
        total = np.zeros(dim, np.float32)
        for rank, message in enumerate(messages):
            codec.decode_add(message, total, scale, replace(step, rank=rank))
        return Gradient.trusted(total, dim)
    decoded = [codec.decode(message, replace(step, rank=rank)) for rank, message in enumerate(messages)]
    if len(decoded) == 1:
        return decoded[0]
    keys = np.concatenate([gradient.keys for gradient in decoded])
    values = np.concatenate([gradient.values for gradient in decoded])
    values *= np.float32(scale)  # before the sum, which could overflow where the mean does not
    keys, values = _sparse.sort_reduce(keys, values, dim)
    return Gradient.trusted(values, dim, keys)
