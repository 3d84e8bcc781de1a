"""State: what a hook keeps from step to step: residuals, and counts of seconds and bytes.

A residual belongs to a parameter, not to a group of gradients: DistributedDataParallel groups them anew after the first step. A parameter's
`place` is how many of the model's parameters come after it. The first groups that DDP makes hold the parameters in the model's order, the
last ones first, so places are known as they come, and are the same when a restarted process loads what another has saved.
"""

import numpy as np
import torch

from ..errors import DataError, IncompatibleError
from .counts import Counts

_NUMBERS = ("step", "rank", "world_size", "device", "dtype", "host_copies")


class State:
    """One rank's progress through the training of one model.

    process_group: whose ranks average; None is PyTorch's default group. It is left out when a State is pickled or saved.

    step: steps done. rank, world_size: of the last step, None before it. device, dtype: of the gradients, as text.
    host_copies: how many groups of gradients were copied from a device to the host and back, once each way.

    seconds: encode, with the copy from the device, the residual and error feedback's decoding; wait: until the last rank has encoded;
    transfer: from the moment when the messages leave until they are there, while backward goes on, so these overlap; decode, with the
    copy to the device. Of several threads: no sum of them is a wall time.

    bytes: sizes of the buffers given to torch.distributed: sent (each once; of it padding), received, control (sizes and flags);
    and of this rank's messages, whether they travel or not: header, keys, values, tables.
    """

    def __init__(self, process_group=None):
        self.process_group = process_group
        self.step, self.rank, self.world_size = 0, None, None
        self.device, self.dtype, self.host_copies = None, None, 0
        self.counts = Counts()
        self._residuals, self._fresh = {}, {}
        self._parameters, self._places, self._complete = [], {}, False
        self.pending = []  # second halves of what the step's groups have begun: functions, to be called in the order of the groups

    @property
    def seconds(self):
        return self.counts.seconds

    @property
    def bytes(self):
        return self.counts.bytes

    @property
    def residuals(self):
        """{place: float32 (n,)}: what messages have lost of each parameter, in the order of its memory. Copies."""
        return {place: torch.from_numpy(values.copy()) for place, values in sorted(self._residuals.items())}

    def begin(self, call):
        """A group of gradients comes: a Call."""
        if call.number == 0:
            self.pending, self._fresh = [], {}
        now = call.rank, call.size
        if self._residuals and self.world_size is not None and now != (self.rank, self.world_size):
            raise IncompatibleError(
                f"these residuals are of rank {self.rank} of {self.world_size}, and this is rank {now[0]} of {now[1]}: "
                "each rank loads what it has saved; on another number of ranks, start with a new State"
            )
        self.rank, self.world_size = now
        self.answer()

    def answer(self):
        """Start what is pending."""
        pending, self.pending = self.pending, []
        for second in pending:
            second()

    def end(self):
        """All groups of the step are encoded and every rank knows it: what they have lost counts from now on."""
        self._residuals |= self._fresh
        self._fresh, self._complete = {}, True
        self.step += 1

    def places(self, parameters):
        """[place] of a group's parameters."""
        new = [each for each in parameters if id(each) not in self._places]
        if new and self._complete:
            raise IncompatibleError(
                "expected the model that this State has seen, got other parameters: a State is for one model; "
                "to go on with a copy of it, use load_state_dict of a new State"
            )
        for each in reversed(new):
            self._places[id(each)] = len(self._parameters)
            self._parameters.append(each)  # keeps its id its own
        return [self._places[id(each)] for each in parameters]

    def residual(self, places, sizes):
        """float32 (sum(sizes),): the residuals at these places, one behind the other; None if there is none yet."""
        found = [self._residuals.get(place) for place in places]
        for values, place, size in zip(found, places, sizes):
            if values is not None and len(values) != size:
                raise IncompatibleError(f"parameter {place} from the model's end has {size} values, its saved residual {len(values)}")
        if all(values is None for values in found):
            return None
        return np.concatenate([np.zeros(size, np.float32) if values is None else values for values, size in zip(found, sizes)])

    def keep(self, places, sizes, values):
        """What the step's messages have lost at these places; `end` makes it the residual."""
        self._fresh |= zip(places, np.split(values, np.cumsum(sizes)[:-1]))

    def state_dict(self):
        """Tensors, numbers and text, which torch.load(weights_only=True) reads. Each rank saves its own."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        return numbers | {"seconds": dict(self.seconds), "bytes": dict(self.bytes), "residuals": self.residuals}

    def load_state_dict(self, saved):
        """Continue from `state_dict()`. DataError if it is none; then nothing has changed."""
        expected = {*_NUMBERS, "seconds", "bytes", "residuals"}
        if not isinstance(saved, dict) or set(saved) != expected:
            known = sorted(saved) if isinstance(saved, dict) else type(saved).__name__
            raise DataError(f"expected the state_dict of a gradwire.torch.State, {sorted(expected)}, got {known}")
        residuals = {place: _checked(place, values) for place, values in saved["residuals"].items()}
        for name in _NUMBERS:
            setattr(self, name, saved[name])
        self.counts = Counts()
        self.seconds.update(saved["seconds"])
        self.bytes.update(saved["bytes"])
        self._residuals, self._fresh = residuals, {}

    def __getstate__(self):
        return self.state_dict()

    def __setstate__(self, saved):
        self.__init__()
        self.load_state_dict(saved)


def _checked(place, values):
    if not isinstance(values, torch.Tensor) or values.dtype != torch.float32 or values.dim() != 1 or not values.isfinite().all():
        raise DataError(f"expected the residual of parameter {place} as finite float32 values of shape (n,)")
    return values.detach().cpu().numpy().copy()
