"""What a collective must offer, the ledger of bytes, and what all collectives share.

Every MPI call that moves messages follows a barrier, so that waiting for the last rank (`wait`) is told from `transfer`. The first
barrier of a step carries what ranks must agree on (Exchange.meet).
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from .._ext import sparse as _sparse
from ..codecs.base import Configured, Reduction
from ..errors import CorruptMessage, IncompatibleError
from ..gradient import Gradient

SPLIT = ("header", "keys", "values", "tables")


class Ledger:
    """Bytes of one rank since the last reset, exactly the sizes of the buffers given to MPI.

    uplink, downlink: {header, keys, values, tables}. sent, received: buffers handed to MPI as a sender and as a receiver, each
    once. local: of `sent`, what stayed inside a node. control: sizes and flags that this rank sent.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        self.uplink = dict.fromkeys(SPLIT, 0)
        self.downlink = dict.fromkeys(SPLIT, 0)
        self.sent = self.received = self.local = self.control = 0

    def up(self, split):
        for name, nbytes in split.items():
            self.uplink[name] += nbytes

    def down(self, split):
        for name, nbytes in split.items():
            self.downlink[name] += nbytes


class Collective(Configured):
    """Averages gradients over the ranks of a communicator.

    accepts: the reductions that it can carry. has_downlink: whether the average is encoded again on its way back.
    all_encode: whether every rank encodes its gradient, and with error feedback has a residual of its own.
    needs_dense: whether gradients are made dense before they are encoded, unless the codec sums sparse ones.
    needs_feedback: True for one that is meant for error feedback only: a run without it says so.
    in_place_of: "" for one that sends the codec's messages. Else the collective beside whose rows it stands in a table: what a run with it
        sent is not what the codec's name says, and tells nothing about other collectives.
    is_plain: whether the mean is that of one message of each rank, as it was decoded, encoded again if has_downlink and else not: what the
        theory of compression both ways is about.
    """

    accepts: ClassVar[frozenset[Reduction]] = frozenset(Reduction)
    has_downlink: ClassVar[bool] = False
    all_encode: ClassVar[bool] = True
    needs_dense: ClassVar[bool] = False
    needs_feedback: ClassVar[bool] = False
    in_place_of: ClassVar[str] = ""
    is_plain: ClassVar[bool] = False

    def check(self, uplink, downlink=None, size=1):
        """Raise IncompatibleError, naming what would work, before any MPI call. downlink None means "same"."""
        if not self.takes(uplink):
            raise IncompatibleError(
                f"collective {self.name} accepts {self._accepted()}, got {uplink.spec} "
                f"({uplink.reduction.name}); pairs that work: {pairs(uplink)}"
            )
        if downlink is not None and not self.has_downlink:
            raise IncompatibleError(
                f"collective {self.name} has no downlink codec, got downlink {downlink.spec}; "
                f'use downlink = "same" or the collective gather_bcast or reduce_scatter'
            )

    @classmethod
    def takes(cls, uplink):
        """Whether it can carry this codec."""
        return uplink.reduction in cls.accepts

    def _accepted(self):
        return "codecs whose reduction is " + " or ".join(sorted(reduction.name for reduction in self.accepts))

    def memory(self, dim, blocks):
        """What a step hands on to the next, equal on all ranks, for an Exchange of gradients of `dim` parameters in `blocks`
        (blocks.Block, in order, without gaps): an object with `state()`, name → array for a checkpoint, and `restore(state)`, or None."""
        return None

    def check_memory(self, memory):
        """Raise IncompatibleError if `memory` is not None and not one that this collective made."""
        if memory is not None:
            raise IncompatibleError(f"collective {self.name} keeps nothing from one step to the next, got {memory!r}")

    def average(self, exchange, gradient, step):
        """Gradient: the mean over ranks of what each rank's messages decode to. Every rank gets the same bits. A collective call.

        exchange: an Exchange, whose `encode` makes messages, whose comm, codec, downlink, watch and ledger are to be used, and whose
        `meet` every rank must call before its first message.
        gradient: this rank's. step: this rank's.
        """
        raise NotImplementedError


def check_divisible(codec, who):
    """IncompatibleError if `who`, a collective that cuts gradients into parts, cannot carry this codec or None."""
    if codec is not None and codec.whole:
        raise IncompatibleError(
            f"{who} cuts gradients into parts, and {codec.spec} codes whole ones; allgather and gather_bcast send them whole"
        )


def pairs(uplink):
    """ "natural with allgather, natural with gather_bcast": the collectives that take this codec."""
    from ..spec import lookup, names

    fit = [name for name in names("collectives") if _fits(lookup("collectives", name), uplink)]
    return ", ".join(f"{uplink.spec} with {name}" for name in fit) or "none"


def _fits(collective, uplink):
    if not collective.takes(uplink):
        return False
    try:
        collective().check(uplink)
    except IncompatibleError:
        return False
    return True


def mean_of(codec, messages, step, dim):
    """Decode every rank's message in rank order and average. Sparse messages cost O(total nnz)."""
    for rank, message in enumerate(messages):
        if message.dim != dim:
            raise CorruptMessage(f"expected a message of dim {dim}, rank {rank} sent one of dim {message.dim}")
    if any(message.is_dense for message in messages):  # without a dense copy of each
        total = np.zeros(dim, np.float32)
        for rank, message in enumerate(messages):
            codec.decode_add(message, total, 1.0 / len(messages), replace(step, rank=rank))
        return Gradient.trusted(total, dim)
    return mean_of_gradients([codec.decode(message, replace(step, rank=rank)) for rank, message in enumerate(messages)], dim)


def mean_of_gradients(gradients, dim):
    """Every rank's gradient, in rank order, averaged; dense if one is."""
    scale = np.float32(1.0 / len(gradients))
    if len(gradients) == 1:
        return gradients[0]
    if any(gradient.is_dense for gradient in gradients):
        total = np.zeros(dim, np.float32)
        for gradient in gradients:
            if gradient.is_dense:
                _sparse.axpy(total, gradient.values, scale)
            else:
                _sparse.scatter_add(total, gradient.keys, gradient.values, scale)
        return Gradient.trusted(total, dim)
    keys = np.concatenate([gradient.keys for gradient in gradients])
    values = np.concatenate([gradient.values for gradient in gradients])
    values *= scale  # before the sum, which could overflow where the mean does not
    keys, values = _sparse.sort_reduce(keys, values, dim)
    return Gradient.trusted(values, dim, keys)
