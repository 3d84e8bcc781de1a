"""ddp_hook: a gradwire codec as a communication hook of PyTorch's DistributedDataParallel (Li et al., VLDB 2020).

DDP puts the gradients of several parameters into one tensor, a group (its word is bucket), and calls the hook as soon as backward has
filled one. The hook encodes, the ranks tell each other how much they will send, or that they cannot, and while the messages are on
their way backward goes on; they are decoded and averaged when they have arrived. All ranks get the same bits.

Not here: momentum, clipping, and PowerSGD, of which PyTorch has its own hook.
"""

import torch
import torch.distributed as dist

from .. import spec
from ..errors import ConfigError, unknown
from .call import Call
from .routes import route
from .state import State

GRANULARITIES = ("bucket", "tensor")


class Hook:
    """What `ddp_hook` makes. `state` is a State, ready for use; codec, error_feedback, seed and granularity are what was asked for."""

    def __init__(self, codec, error_feedback, seed, granularity):
        self.codec, self.error_feedback, self.seed, self.granularity = spec.codec(codec), error_feedback, seed, granularity
        if granularity not in GRANULARITIES:
            raise ConfigError(unknown("granularity", granularity, GRANULARITIES))
        if not isinstance(error_feedback, bool):
            raise ConfigError(f"expected error_feedback as True or False, got {error_feedback!r}")
        self.state, self._route = State(), route(self.codec)
        self.__name__, self.__qualname__ = "gradwire_hook", f"gradwire_hook({self.codec.spec})"  # DDP reads the one and logs the other

    def __call__(self, state: object, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
        """The mean of the bucket over ranks. state: a State, or None or a process group: then the hook's own `state` is used.

        Raises on every rank if one cannot encode: DataError naming the rank if its gradients are not finite.
        """
        state = self._own(state)
        call = Call(self, state, bucket)
        try:
            state.begin(call)
            with state.counts.timed("encode"):
                payload, split = self._route.pack(call.encode())
        except Exception as error:
            call.meet(error=error)  # raises, here and on the ranks that wait for this one
        sizes = call.meet(payload.nbytes)
        state.counts.add_bytes(**split)
        future = self._route.send(call, payload, sizes)
        call.release()
        if call.is_last:
            state.end()
            state.answer()
        return future

    def _own(self, state):
        if isinstance(state, State):
            return state
        if state is not None and not isinstance(state, dist.ProcessGroup):
            raise ConfigError(f"expected a gradwire.torch.State, a process group or None, got {type(state).__name__}")
        if state is not None:
            self.state.process_group = state
        return self.state


def ddp_hook(codec="natural", error_feedback=False, seed=0, granularity="bucket"):
    """A hook for `model.register_comm_hook(hook.state, hook)`, to be registered before the first backward.

    codec: a specification string or a Codec. Equal on all ranks, as are the other arguments. error_feedback: whether what a message loses
    is added to the next gradient; the residuals are in the state. seed: of the codecs' random numbers.
    granularity: "bucket", one message for each of DDP's groups, whose scales, thresholds and ratios then are the group's;
    "tensor", one for each parameter, in one transfer for the group. Only then is training that a restarted process goes on with the
    same to the last bit, as DDP groups parameters anew. `fp16` and `bf16` send values alone and do not depend on it; `none` is gloo's
    own sum, which on three and more ranks adds in an order that depends on the groups.

    Gradients of float32, float16 and bfloat16, also on a device: then they are copied to the host, which the state counts. The process
    group needs a backend for CPU tensors (gloo). A gradient that is not finite is an error, so this is not for torch.amp.GradScaler.
    """
    return Hook(codec, error_feedback, seed, granularity)
