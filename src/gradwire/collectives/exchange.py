"""Exchange: one rank's side of averaging gradients, and `average`, the same in one call for any mpi4py program."""

import copy
from contextlib import contextmanager
from typing import NamedTuple

from .. import spec
from ..codecs.base import Codec
from ..codecs.none import densify
from ..errors import GradwireError
from ..gradient import Gradient, joined
from ..message import Message
from ..step import Step
from ..stopwatch import Stopwatch
from .base import Ledger
from .transport import meet


class Part(NamedTuple):
    """A part of a gradient that is encoded as one message: its keys count from `start`. step: encodes and decodes it."""

    gradient: Gradient
    start: int
    step: Step


class Sent(NamedTuple):
    """One message of this rank's step: the part of the gradient that it encodes, and what decodes it."""

    part: Part
    message: Message
    codec: Codec


class Exchange:
    """codec, downlink, collective and error feedback bound to a communicator.

    downlink: a codec, or None for the codec itself. feedback: None or an ErrorFeedback. memory: what collective.memory made, where the
    collective hands something on from step to step (powersgd); None: every step starts afresh. Raises IncompatibleError for a bad pair,
    before any MPI call. `watch` and `ledger` collect times and bytes. After a step, `encoded` is the gradient that went into its messages,
    residual included (None if this rank encoded nothing), and `sent` lists those.
    """

    def __init__(self, comm, codec, collective, *, downlink=None, feedback=None, memory=None, watch=None, ledger=None):
        self.comm, self.rank, self.feedback = comm, comm.rank, feedback
        self.codec = spec.codec(codec)
        self.collective = spec.one("collectives", collective) if isinstance(collective, str) else collective
        downlink = None if downlink in (None, "same") else spec.codec(downlink)
        self.collective.check(self.codec, downlink, comm.size)
        self.collective.check_memory(memory)
        self.memory = memory
        self.downlink = self.codec if downlink is None else downlink
        self.watch = Stopwatch() if watch is None else watch
        self.ledger = Ledger() if ledger is None else ledger
        self.encoded, self.sent, self.met, self.dim = None, [], False, None

    def average(self, gradient, step):
        """Gradient: the mean over ranks of the decoded messages, the same bits on every rank. A collective call.

        IncompatibleError on every rank if their gradients differ in dim. What one rank alone cannot encode is an error of all ranks.
        After an error the residual and the velocity are what they were before the step, on every rank.
        """
        self.encoded, self.sent, self.met, self.dim = None, [], False, gradient.dim
        before = copy.copy(self.feedback)
        try:
            with self.sharing_errors():
                return self.collective.average(self, gradient, step)
        except Exception:
            if before is not None:  # its gradients are never changed in place
                vars(self.feedback).update(vars(before))
            raise

    @contextmanager
    def sharing_errors(self):
        """What is raised in here before the ranks have met is an error of all of them: they wait for this one. What is no GradwireError (a
        plug-in's mistake, no memory) becomes one, as other ranks may not know its class."""
        try:
            yield
        except Exception as error:
            if not self.met:
                known = isinstance(error, GradwireError)
                self.meet(error if known else GradwireError(f"rank {self.rank}: {type(error).__name__}: {error}"))
            raise

    def meet(self, error=None):
        """Wait for the last rank; collectives call it before messages move. The first time in a step the ranks tell each other their
        gradients' dim, and whether they have an error (transport.meet)."""
        with self.watch("wait"):
            if self.met:
                self.comm.Barrier()
            else:
                self.met = True
                meet(self.comm, self.dim, self.rank, self.ledger, error)

    def over(self, comm, collective):
        """The same over other ranks, with a step of its own; `rank` stays what this rank is called."""
        other = copy.copy(self)
        other.comm, other.collective, other.encoded, other.sent, other.met = comm, collective, None, [], False
        return other

    def encode(self, gradient, step):
        """Message of the gradient, plus what earlier messages lost when there is error feedback."""
        with self.watch("encode"):
            self.prepare(gradient)
            return self.pack(self.codec, step)

    def sparsified(self, gradient, step):
        """The entries that are to be sent, for a collective that encodes them in parts. A sparsifier sees the whole gradient, so that its
        ratio means what it says."""
        with self.watch("encode"):
            self.prepare(gradient)
            self.encoded.check_finite(step.rank)
            return self.codec.sparsify(self.encoded, step)

    def encode_parts(self, parts):
        """Yields a Message for each Part of what `sparsified` gave, side by side, encoded by the rest of the codec, `codec.unsparsified`.

        Exhaust it: error feedback is updated at the end.
        """
        for part in parts:
            with self.watch("encode"):
                message = self._message(self.codec.unsparsified, part)
            yield message
        with self.watch("encode"):
            self.remember()

    def decoded(self):
        """Gradient: what this step's messages of this rank decode to."""
        parts = [(sent.codec.decode(sent.message, sent.part.step), sent.part.start) for sent in self.sent]
        return parts[0][0] if len(parts) == 1 else joined(parts, self.encoded.dim)

    def prepare(self, gradient):
        """Make `encoded` of the gradient: plus the residual, and dense if the collective wants that."""
        if self.feedback is not None:
            gradient = self.feedback.compensate(gradient, self.comm.size)
        if self.collective.needs_dense and not self.codec.shares_keys:
            gradient = densify(gradient, getattr(self.codec, "force", False), self.collective.name)
        self.encoded = gradient

    def pack(self, codec, step):
        """Message of `encoded`; not timed here."""
        message = self._message(codec, Part(self.encoded, 0, step))
        self.remember()
        return message

    def remember(self):
        """Keep what the step's messages lost, for the next step."""
        if self.feedback is not None:
            self.feedback.update(self.encoded, self.decoded())

    def _message(self, codec, part):
        message = codec.encode(part.gradient, part.step)
        self.sent.append(Sent(part, message, codec))
        return message


def average(comm, gradient, codec, collective="allgather", *, downlink=None, feedback=None, memory=None, step=None):
    """The mean over the ranks of `comm` of their gradients, each sent as `codec` encodes it. A collective call.

    comm: an mpi4py communicator. codec, collective, downlink: specification strings or instances. feedback: this rank's
    ErrorFeedback, kept by the caller between calls. memory: of powersgd, what it hands on from call to call, kept by the caller too and
    made by `gw.one("collectives", "powersgd").memory(dim, blocks)`; without it every call starts afresh, on one flat block.
    step: index and seed of the step (default Step()); its rank is replaced by comm's. Returns a Gradient with the same bits on every
    rank. Raises IncompatibleError before any MPI call for a bad pair.
    """
    exchange = Exchange(comm, codec, collective, downlink=downlink, feedback=feedback, memory=memory)
    step = step or Step()
    return exchange.average(gradient, Step(step.index, step.seed, comm.rank))
