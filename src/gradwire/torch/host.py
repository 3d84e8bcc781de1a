"""Tensors ↔ float32 arrays in host memory, where codecs work. A CPU tensor of float32 is not copied on its way there."""

import numpy as np
import torch

from ..errors import IncompatibleError

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
"""What is taken. The 16-bit ones become float32 without loss; values are rounded, and clamped to their range, on the way back."""


def check(tensor):
    """IncompatibleError unless the tensor is dense and one of DTYPES: float64 would lose what its owner asked for."""
    if tensor.layout is not torch.strided:
        raise IncompatibleError(
            f"expected a dense tensor, got one of layout {tensor.layout}; nn.Embedding(sparse=False) has dense gradients"
        )
    if tensor.dtype not in DTYPES:
        raise IncompatibleError(f"expected a tensor of {', '.join(map(str, DTYPES))}, got {tensor.dtype}: messages hold float32")


def on_host(tensor):
    """Whether host memory is where the tensor is."""
    return tensor.device.type == "cpu"


def to_host(tensor):
    """float32 (n,): the tensor's values in row-major order; its own memory if it is a contiguous one of float32 on the CPU."""
    check(tensor)
    return tensor.detach().reshape(-1).to("cpu", torch.float32).numpy()


def from_host(values, tensor):
    """Fill `tensor` with float32 (n,) values. What is not on the CPU is there when this returns, for every stream."""
    host = torch.from_numpy(np.require(values, requirements="W"))
    if tensor.dtype != torch.float32:
        largest = torch.finfo(tensor.dtype).max
        host = host.clamp(-largest, largest)
    tensor.detach().copy_(host.view(tensor.shape))
    if not on_host(tensor):
        settle(tensor.device)


def settle(device):
    """Wait for this thread's copies to the device: those who read there may do so on another stream."""
    torch.get_device_module(device).current_stream(device).synchronize()
