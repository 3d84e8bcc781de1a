"""Tensors on their way to the host and back; a device that is not there is played by a stand-in."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "gradwire[torch]"')

import gradwire as gw  # noqa: E402
from gradwire.torch import compress_, ddp_hook, host  # noqa: E402


class OnDevice:
    """What host.py uses of a CUDA tensor, over memory that only `to("cpu")` and `copy_` reach; it keeps what was done."""

    layout, device = torch.strided, torch.device("cuda:0")

    def __init__(self, tensor, done):
        self.memory, self.done, self.dtype, self.shape = tensor, done, tensor.dtype, tensor.shape

    def numel(self):
        return self.memory.numel()

    def detach(self):
        return self

    def reshape(self, *shape):
        return OnDevice(self.memory.reshape(*shape), self.done)

    def to(self, device, dtype):
        self.done.append(device)
        return self.memory.to(dtype, copy=True)

    def copy_(self, other):
        assert other.device.type == "cpu"
        self.done.append("back")
        self.memory.copy_(other)


@pytest.fixture
def device(monkeypatch):
    """(make, done): a stand-in's maker, and the list of what happens to it."""
    done = []
    monkeypatch.setattr(host, "settle", lambda device: done.append(f"settled {device}"))
    return lambda tensor: OnDevice(tensor, done), done


def test_a_float32_tensor_on_the_cpu_is_not_copied():
    tensor = torch.arange(6.0).view(2, 3)
    values = host.to_host(tensor)
    values[0] = 7
    assert tensor[0, 0] == 7
    assert values.shape == (6,)


def test_any_strides():
    tensor = torch.arange(6.0).view(2, 3).t()
    assert host.to_host(tensor).tolist() == [0, 3, 1, 4, 2, 5]
    host.from_host(np.arange(6, dtype=np.float32), tensor)
    assert tensor.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_values_that_cannot_be_written_are_no_obstacle():
    tensor, values = torch.zeros(3), np.frombuffer(np.float32([1, 2, 3]).tobytes(), np.float32)
    host.from_host(values, tensor)
    assert tensor.tolist() == [1, 2, 3]


def test_the_stream_is_waited_for(monkeypatch):
    calls = []

    class Module:
        def current_stream(self, device):
            calls.append(device)
            return self

        def synchronize(self):
            calls.append("synchronize")

    monkeypatch.setattr(torch, "get_device_module", lambda device: Module())
    host.settle(torch.device("cuda:1"))
    assert calls == [torch.device("cuda:1"), "synchronize"]


def test_gradients_on_a_device_go_through_the_host(group, bucket, device):
    make, done = device
    parameters = [torch.nn.Parameter(torch.zeros(4))]
    hook, memory = ddp_hook("natural", error_feedback=True), torch.tensor([1.0, 2.0, 4.0, -8.0])  # powers of two stay
    mean = hook(None, bucket(parameters, make(memory))).wait()
    assert done == ["cpu", "back", "settled cuda:0"]
    assert mean.memory.tolist() == [1, 2, 4, -8]
    assert (hook.state.device, hook.state.dtype, hook.state.host_copies) == ("cuda:0", "torch.float32", 1)
    assert hook.state.seconds["encode"] > 0
    assert hook.state.seconds["decode"] > 0


def test_compress_goes_through_the_host(device):
    make, done = device
    tensor = make(torch.tensor([[1.0, 3.0], [5.0, 0.5]]).half())
    message = compress_(tensor, "topk(ratio=0.5)+fp32")
    assert tensor.memory.tolist() == [[0, 3], [5, 0]]
    assert done == ["cpu", "back", "settled cuda:0"]
    assert message.nnz == 2


def test_what_is_refused():
    with pytest.raises(gw.IncompatibleError, match="got torch.int32: messages hold float32"):
        host.to_host(torch.zeros(3, dtype=torch.int32))
