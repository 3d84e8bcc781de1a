"""Call: one group of gradients on its way through a step: encoded part by part, averaged by a route (routes.py), put back."""

from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist

from ..codecs.feedback import ErrorFeedback
from ..collectives.base import mean_of
from ..errors import CorruptMessage, DataError, GradwireError, IncompatibleError
from ..gradient import Gradient
from ..message import Message
from ..step import Step
from . import host

NOT_FINITE, FAILED = -1, -2
"""Instead of a number of bytes: this rank cannot encode."""


class Part(NamedTuple):
    """Values start … stop − 1 of the group, one message: the parameters at `places`, of these sizes. step: encodes and decodes it."""

    start: int
    stop: int
    places: list[int]
    sizes: list[int]
    step: Step


class Call:
    """hook's codec and options, one bucket of DDP's, and the state. rank, size: of the state's process group.

    Callbacks hold a Call and end in gloo's threads. A process group whose last reference is dropped there waits for its own thread, for
    ever: so `group` and `state`, which has one, are for the thread that runs backward alone, and `release` drops them.
    """

    def __init__(self, hook, state, bucket):
        self.codec, self.state, self.counts, self.error_feedback = hook.codec, state, state.counts, hook.error_feedback
        self.group = dist.group.WORLD if state.process_group is None else state.process_group
        self.rank, self.size = dist.get_rank(self.group), dist.get_world_size(self.group)
        _check_backend(self.group)
        self.number, self.is_last, self.buffer = bucket.index(), bucket.is_last(), bucket.buffer()
        self.step = Step(state.step, hook.seed, self.rank)
        self._parameters, self._granularity, self.parts = bucket.parameters(), hook.granularity, []

    def encode(self):
        """[Message] of the parts."""
        state = self.state
        host.check(self.buffer)
        self.parts = self._cut()
        state.device, state.dtype = str(self.buffer.device), str(self.buffer.dtype)
        state.host_copies += not host.on_host(self.buffer)
        values = host.to_host(self.buffer)
        return [self._encode_part(part, Gradient(values[part.start : part.stop], part.stop - part.start)) for part in self.parts]

    def _cut(self):
        places, sizes = self.state.places(self._parameters), [each.numel() for each in self._parameters]
        if self._granularity == "bucket":
            return [Part(0, sum(sizes), places, sizes, self.step.part(self.number))]
        stops = np.cumsum(sizes).tolist()
        return [Part(b - n, b, [p], [n], self.step.part(p)) for b, n, p in zip(stops, sizes, places)]

    def _encode_part(self, part, gradient):
        if not self.error_feedback:
            return self.codec.encode(gradient, part.step)
        feedback = ErrorFeedback(gradient.dim)
        residual = self.state.residual(part.places, part.sizes)
        if residual is not None:
            feedback.restore({"values": residual})
        gradient = feedback.compensate(gradient)
        message = self.codec.encode(gradient, part.step)
        feedback.update(gradient, self.codec.decode(message, part.step))
        self.state.keep(part.places, part.sizes, feedback.state()["values"])
        return message

    def meet(self, nbytes=0, error=None):
        """[int]: how many bytes each rank sends. If any rank has an error, all ranks raise: it its own, the others a word of it."""
        if error is not None:
            nbytes = NOT_FINITE if isinstance(error, DataError) else FAILED
        sizes = [nbytes]
        if self.size > 1:
            everyone = torch.empty(self.size, dtype=torch.int64)
            with self.counts.timed("wait"):
                gather(everyone, torch.tensor([nbytes]), group=self.group)
            self.counts.add_bytes(control=8)
            sizes = everyone.tolist()
        if error is not None:
            raise error
        for rank, size in enumerate(sizes):
            if size < 0:
                kind, why = (DataError, "are not finite") if size == NOT_FINITE else (GradwireError, "cannot be encoded")
                raise kind(f"step {self.step.index}: gradients of rank {rank} {why}; that rank says more")
        return sizes

    def after(self, work, finish):
        """Future of finish(), called when the Work is done; its failure, and finish's, is the future's."""
        began = perf_counter()

        def done(future):
            future.value()  # raises if a rank has gone
            self.counts.add_seconds("transfer", perf_counter() - began)
            return finish()

        return work.get_future().then(done)

    def mean(self, payloads):
        """float32 (dim,): the mean over ranks of what their messages decode to, from what `joined` made of each rank's."""
        ranks = [apart(payload, len(self.parts)) for payload in payloads]
        means = [self._mean_of(part, [Message.from_bytes(each[number]) for each in ranks]) for number, part in enumerate(self.parts)]
        return means[0] if len(means) == 1 else np.concatenate(means)

    def _mean_of(self, part, messages):
        if self.size == 1:
            return self.codec.decode(messages[0], part.step).to_dense()
        return mean_of(self.codec, messages, part.step, part.stop - part.start).to_dense()

    def release(self):
        """Only callbacks use this from now on."""
        self.group = self.state = self._parameters = None

    def put(self, mean):
        """The group's tensor, filled with the mean."""
        host.from_host(mean, self.buffer)
        return self.buffer


def _check_backend(group):
    backends = dist.get_backend_config(group)
    if "cpu:" not in backends:
        raise IncompatibleError(
            f"messages leave from host memory: expected a process group with a backend for it, gloo, got {backends}; "
            'init_process_group("cpu:gloo,cuda:nccl") has both'
        )


def joined(messages):
    """uint8: the messages, one behind the other; if there are several, after their sizes as int64."""
    if len(messages) == 1:
        return messages[0].buffer
    sizes = np.array([message.nbytes for message in messages], np.int64)
    return np.concatenate([sizes.view(np.uint8), *(message.buffer for message in messages)])


def apart(payload, count):
    """[uint8]: the buffers of `count` messages, from what `joined` made."""
    if count == 1:
        return [payload]
    if len(payload) < 8 * count:
        raise CorruptMessage(f"expected {count} messages, got {len(payload)} bytes")
    sizes = payload[: 8 * count].view(np.int64)
    if (sizes < 0).any() or sizes.max() > len(payload) or 8 * count + sizes.sum() != len(payload):
        raise CorruptMessage(f"expected {count} messages in {len(payload)} bytes, got sizes {sizes.tolist()}")
    return np.split(payload[8 * count :], np.cumsum(sizes)[:-1])


def gather(whole, mine, group, async_op=False):
    """torch.distributed's gathering of equally long tensors into one, by its name in this release of PyTorch."""
    function = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    return function(whole, mine, group=group, async_op=async_op)
