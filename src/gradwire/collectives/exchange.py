"""Exchange: one rank's side of averaging gradients, and `average`, the same in one call for any mpi4py program."""

from .. import spec
from ..codecs.none import densify
from ..step import Step
from ..stopwatch import Stopwatch
from .base import Ledger


class Exchange:
    """codec, downlink, collective and error feedback bound to a communicator.

    downlink: a codec, or None for the codec itself. feedback: None or an ErrorFeedback. Raises IncompatibleError for a bad pair,
    before any MPI call. `watch` and `ledger` collect times and bytes; `sent` is the gradient that the last message encodes.
    """

    def __init__(self, comm, codec, collective, *, downlink=None, feedback=None, watch=None, ledger=None):
        self.comm, self.feedback = comm, feedback
        self.codec = spec.codec(codec)
        self.collective = spec.one("collectives", collective) if isinstance(collective, str) else collective
        downlink = None if downlink in (None, "same") else spec.codec(downlink)
        self.collective.check(self.codec, downlink, comm.size)
        self.downlink = self.codec if downlink is None else downlink
        self.watch = Stopwatch() if watch is None else watch
        self.ledger = Ledger() if ledger is None else ledger
        self.sent = None

    def encode(self, gradient, step):
        """Message of the gradient, plus what earlier messages lost when there is error feedback."""
        if self.feedback is not None:
            gradient = self.feedback.compensate(gradient)
        if self.collective.needs_dense and not self.codec.shares_keys:
            gradient = densify(gradient, getattr(self.codec, "force", False), self.collective.name)
        message = self.codec.encode(gradient, step)
        if self.feedback is not None:
            self.feedback.update(gradient, self.codec.decode(message, step))
        self.sent = gradient
        return message

    def average(self, message, step):
        """Gradient: the mean over ranks of the decoded messages, the same bits on every rank. A collective call."""
        return self.collective.exchange(self.comm, message, self.codec, step, downlink=self.downlink, watch=self.watch, ledger=self.ledger)


def average(comm, gradient, codec, collective="allgather", *, downlink=None, feedback=None, step=None):
    """The mean over the ranks of `comm` of their gradients, each sent as `codec` encodes it. A collective call.

    comm: an mpi4py communicator. codec, collective, downlink: specification strings or instances. feedback: this rank's
    ErrorFeedback, kept by the caller between calls. step: index and seed of the step (default Step()); its rank is replaced by
    comm's. Returns a Gradient with the same bits on every rank. Raises IncompatibleError before any MPI call for a bad pair.
    """
    exchange = Exchange(comm, codec, collective, downlink=downlink, feedback=feedback)
    step = step or Step()
    return exchange.average(exchange.encode(gradient, Step(step.index, step.seed, comm.rank)), step)
