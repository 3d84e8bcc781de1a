"""compress_: the tensor holds what the message decodes to."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "gradwire[torch]"')

import gradwire as gw  # noqa: E402
from gradwire.torch import compress_  # noqa: E402

CODECS = [*gw.list_codecs(), "topk(ratio=0.1)", "topk(ratio=0.1)+bitflag+natural", "randomk(ratio=0.5)+sign"]


def values(*shape):
    return torch.from_numpy(np.random.default_rng(3).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("codec", CODECS)
def test_the_tensor_holds_what_the_message_decodes_to(codec):
    tensor, step = values(6, 7, 5), gw.Step(3, 4, 1)
    before = tensor.clone()
    message = compress_(tensor, codec, step)
    expected = gw.codec(codec).encode(gw.Gradient(before.numpy().ravel(), 210), step)
    assert bytes(message) == bytes(expected)
    np.testing.assert_array_equal(tensor.numpy().ravel(), gw.codec(codec).decode(expected, step).to_dense())


def test_strides_and_shapes():
    whole = values(4, 6)
    part, flat = whole[:, ::2].t(), whole[:, ::2].t().clone()
    others = whole[:, 1::2].clone()
    assert bytes(compress_(part, "sign")) == bytes(compress_(flat, "sign"))
    assert torch.equal(part, flat)
    assert torch.equal(whole[:, 1::2], others)
    scalar = torch.tensor(-3.0)
    compress_(scalar, "bf16")
    assert scalar.item() == -3


def test_a_parameter_s_gradient_in_place():
    weight = torch.nn.Parameter(values(5, 5))
    (weight**2).sum().backward()
    compress_(weight.grad, "topk(ratio=0.2)+fp32")
    assert weight.grad.count_nonzero() == 5
    compress_(weight, "fp16")  # one that autograd watches
    assert weight.requires_grad


def test_error_feedback():
    feedback, total = gw.ErrorFeedback(40), torch.zeros(40)
    gradient = values(40)
    for index in range(30):
        sent = gradient.clone()
        compress_(sent, "topk(ratio=0.1)+fp32", gw.Step(index), feedback)
        total += sent
    np.testing.assert_allclose(total.numpy() + feedback.residual, 30 * gradient.numpy(), rtol=1e-4)
    assert np.abs(feedback.residual).max() < 30 * gradient.abs().max().item()


def test_nothing_changes_after_an_error():
    tensor, feedback = values(8), gw.ErrorFeedback(8)
    compress_(tensor, "sign", feedback=feedback)
    before, residual = tensor.clone(), feedback.residual
    tensor[3] = before[3] = float("nan")
    with pytest.raises(gw.DataError, match="key 3"):
        compress_(tensor, "sign", feedback=feedback)
    assert torch.equal(tensor.nan_to_num(), before.nan_to_num())
    np.testing.assert_array_equal(feedback.residual, residual)
    with pytest.raises(gw.IncompatibleError, match="got torch.float64"):
        compress_(torch.zeros(3, dtype=torch.float64), "none")
    with pytest.raises(gw.DataError, match="dim"):
        compress_(torch.zeros(0), "none")
    with pytest.raises(gw.IncompatibleError, match="dim 8"):
        compress_(torch.zeros(9), "none", feedback=feedback)
