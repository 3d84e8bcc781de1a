"""State: what it saves and refuses."""

import io
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "gradwire[torch]"')

import gradwire as gw  # noqa: E402
from gradwire.torch import State, ddp_hook  # noqa: E402


@pytest.fixture
def used(group, bucket):
    """A hook and its parameters, two steps done."""
    hook, parameters = ddp_hook("sign", error_feedback=True), [torch.nn.Parameter(torch.zeros(n)) for n in (3, 2)]
    for step in range(2):
        hook(group, bucket(parameters, np.arange(5, dtype=np.float32) + step)).wait()
    return hook, parameters


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    residuals = a.pop("residuals"), b.pop("residuals")
    return a == b and residuals[0].keys() == residuals[1].keys() and all(torch.equal(x, residuals[1][k]) for k, x in residuals[0].items())


def test_a_new_one_is_empty():
    state = State()
    assert (state.step, state.rank, state.world_size, state.residuals) == (0, None, None, {})
    assert not any(state.bytes.values())
    assert not any(state.seconds.values())
    assert same(pickle.loads(pickle.dumps(state)), state)


def test_saved_and_read_again(used):
    state = used[0].state
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    file.seek(0)
    read = State()
    read.load_state_dict(torch.load(file, weights_only=True))
    assert same(read, state)
    copied = pickle.loads(pickle.dumps(state))
    assert same(copied, state)
    assert copied.process_group is None
    assert (state.step, state.rank, state.world_size, state.device, state.dtype) == (2, 0, 1, "cpu", "torch.float32")


def test_what_is_saved_stays_as_it_was(used, bucket):
    hook, parameters = used
    saved = hook.state.state_dict()
    residual, nbytes = saved["residuals"][0].clone(), dict(saved["bytes"])
    hook(None, bucket(parameters, np.float32([5, 0, 1, 3, 2]))).wait()
    assert torch.equal(saved["residuals"][0], residual)
    assert saved["bytes"] == nbytes
    hook.state.load_state_dict(saved)
    saved["residuals"][0][:] = 7
    assert torch.equal(hook.state.residuals[0], residual)


def test_an_earlier_step_can_be_gone_back_to(used, bucket):
    """In the same process: parameters keep their places."""
    hook, parameters = used
    saved, gradient = hook.state.state_dict(), np.float32([5, 0, 1, 3, 2])
    first = hook(None, bucket(parameters, gradient)).wait()
    hook.state.load_state_dict(saved)
    assert torch.equal(hook(None, bucket(parameters[::-1], gradient[[3, 4, 0, 1, 2]])).wait(), first[[3, 4, 0, 1, 2]])


def test_what_is_refused(used):
    state = used[0].state
    before = state.state_dict()
    for bad in ({}, {"step": 1}, [1], before | {"more": 1}):
        with pytest.raises(gw.DataError, match="expected the state_dict of a gradwire.torch.State"):
            state.load_state_dict(bad)
    for values in (torch.zeros(3, dtype=torch.float64), torch.zeros(3, 1), torch.tensor([float("nan")]), [0.0]):
        with pytest.raises(gw.DataError, match="residual of parameter 1 as finite float32"):
            state.load_state_dict(before | {"residuals": {1: values}})
    untouched = State()
    untouched.load_state_dict(before)
    assert same(state, untouched)


def test_only_some_parameters_have_residuals(used, bucket):
    """A model that has grown at its front: what is new starts without."""
    hook, _ = used
    saved, parameters = hook.state.state_dict(), [torch.nn.Parameter(torch.zeros(n)) for n in (4, 3, 2)]
    grown = ddp_hook("topk(ratio=1.0)+fp32", error_feedback=True)
    grown.state.load_state_dict(saved)
    mean = grown(None, bucket(parameters, np.zeros(9, np.float32))).wait()
    assert torch.equal(mean, torch.cat([torch.zeros(4), saved["residuals"][1], saved["residuals"][0]]))
