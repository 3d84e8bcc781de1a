"""compress_: what a codec makes of one tensor, for training loops that exchange gradients in their own way."""

from .. import spec
from ..gradient import Gradient
from ..step import Step
from . import host


def compress_(tensor, codec, step=None, feedback=None):
    """Replace the tensor's values by what their message decodes to; returns the Message, whose nbytes is what would travel.

    tensor: float32, float16 or bfloat16, any shape and strides, on any device (through host memory); at least one value. A parameter's
    .grad, say. codec: a specification string or a Codec. step: a Step (default Step()); vary its index from call to call and its
    rank from sender to sender, or their random numbers are the same. feedback: an ErrorFeedback(tensor.numel()) of this tensor, kept by
    the caller. Raises DataError if a value is NaN or infinite, IncompatibleError for other dtypes; then nothing has changed.
    """
    codec, step = spec.codec(codec), step or Step()
    gradient = Gradient(host.to_host(tensor), tensor.numel())
    if feedback is not None:
        gradient = feedback.compensate(gradient)
    message = codec.encode(gradient, step)
    decoded = codec.decode(message, step)
    if feedback is not None:
        feedback.update(gradient, decoded)
    host.from_host(decoded.to_dense(), tensor)
    return message
