"""The hook by itself, in a process group of one rank: what it returns, what it keeps, what it refuses."""

import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "gradwire[torch]"')

import gradwire as gw  # noqa: E402
from gradwire.torch import State, ddp_hook  # noqa: E402

COMPOSED = ["topk(ratio=0.1)+natural", "randomk(ratio=0.2, shared=true)+fp32", "threshold(t=0.5)+fp16", "sampled_topk(ratio=0.1)"]
CODECS = [*gw.list_codecs(), *COMPOSED]
SHAPES = [(8, 16), (8,), (3, 8), (3,), ()]


@pytest.fixture
def parameters():
    return [torch.nn.Parameter(torch.zeros(shape)) for shape in SHAPES]


def gradient(seed, dim=164):
    return np.random.default_rng(seed).normal(size=dim).astype(np.float32)


def decoded(codec, values, step):
    codec = gw.codec(codec)
    return codec.decode(codec.encode(gw.Gradient(values, len(values)), step), step).to_dense()


@pytest.mark.parametrize("codec", CODECS)
def test_of_one_rank_the_mean_is_what_the_message_decodes_to(group, bucket, parameters, codec):
    hook = ddp_hook(codec, seed=5)
    for index in range(2):
        mean = hook(hook.state, bucket(parameters, gradient(index))).wait()
        expected = decoded(codec, gradient(index), gw.Step(index, 5).part(0))
        np.testing.assert_array_equal(mean.numpy(), expected)
    assert hook.state.step == 2
    assert hook.state.bytes["sent"] == hook.state.bytes["received"] == hook.state.bytes["control"] == 0


@pytest.mark.parametrize("codec", CODECS)
def test_what_a_message_loses_is_in_the_residual(group, bucket, parameters, codec):
    """decoded + new residual = gradient + old residual, after every step; for one message and for one per tensor."""
    for granularity in ("bucket", "tensor"):
        hook = ddp_hook(codec, error_feedback=True, granularity=granularity)
        old = np.zeros_like(gradient(0))
        for index in range(3):
            mean = hook(None, bucket(parameters, gradient(index))).wait().numpy()
            residuals = hook.state.residuals
            assert sorted(residuals) == [0, 1, 2, 3, 4]
            assert [residuals[4 - i].numel() for i in range(5)] == [128, 8, 24, 3, 1]
            new = torch.cat([residuals[4 - i] for i in range(5)]).numpy()
            total = gradient(index) + old
            np.testing.assert_allclose(mean + new, total, rtol=0, atol=1e-6 * (np.abs(mean).max() + np.abs(total).max()))
            old = new
    if codec in ("sign", "terngrad", "topk(ratio=0.1)+natural"):
        assert np.abs(new).max() > 0.1
    if codec in ("none", "adam-sparse"):
        assert not new.any()


def test_a_message_for_each_tensor(group, bucket, parameters):
    """The scale of `sign` is the mean magnitude: of all values, or of each tensor's."""
    values = np.repeat(np.float32([1, -2, 4, 8, 16]), [128, 8, 24, 3, 1])
    per_tensor = ddp_hook("sign", granularity="tensor")(None, bucket(parameters, values)).wait().numpy()
    np.testing.assert_array_equal(per_tensor, values)
    per_bucket = ddp_hook("sign")(None, bucket(parameters, values)).wait().numpy()
    np.testing.assert_allclose(np.abs(per_bucket), np.abs(values).mean(), rtol=1e-6)


def test_bytes_are_those_of_the_messages(group, bucket, parameters):
    codec, values = gw.codec("topk(ratio=0.1)+natural"), gradient(0)
    step = gw.Step().part(0)
    split = codec.encode(gw.Gradient(values, len(values)), step).split_nbytes()
    hook = ddp_hook(codec)
    hook(None, bucket(parameters, values)).wait()
    assert {name: hook.state.bytes[name] for name in split} == split
    hook = ddp_hook("fp16")
    hook(None, bucket(parameters, values)).wait()
    assert {name: hook.state.bytes[name] for name in split} == {"header": 0, "keys": 0, "values": 2 * 164, "tables": 0}


def test_groups_and_tensors_share_no_random_numbers(group, bucket, parameters):
    """Equal values in two groups, and in two tensors, are rounded apart."""
    values = np.full(128, 1.5, np.float32)
    hook = ddp_hook("natural")
    one, two = (hook(None, bucket([parameters[0]], values, i, i == 1)).wait().numpy() for i in range(2))
    assert (one != two).any()
    hook, twins = ddp_hook("natural", granularity="tensor"), [torch.nn.Parameter(torch.zeros(128)) for _ in range(2)]
    both = hook(None, bucket(twins, np.tile(values, 2))).wait().numpy()
    assert (both[:128] != both[128:]).any()


def test_residuals_follow_their_parameters_into_other_groups(group, bucket):
    """DDP's first groups are in the model's order, last ones first; later ones in any order."""
    a, b, c = (torch.nn.Parameter(torch.zeros(n)) for n in (2, 3, 4))
    hook = ddp_hook("topk(ratio=0.2)", error_feedback=True)
    hook(None, bucket([b, c], np.float32([10, 20, 30, 1, 2, 3, 4]), 0, False)).wait()  # keeps 30 and 20: a fifth of 7 values, rounded up
    hook(None, bucket([a], np.float32([5, 6]), 1, True)).wait()  # keeps 6
    found = {place: values.tolist() for place, values in hook.state.residuals.items()}
    assert found == {2: [5, 0], 1: [10, 0, 0], 0: [1, 2, 3, 4]}
    mean = hook(None, bucket([c, a, b], np.zeros(9, np.float32), 0, True)).wait()
    assert mean.tolist() == [0, 0, 0, 0, 5, 0, 10, 0, 0]


def test_sixteen_bit_gradients_become_float32_and_return(group, bucket, parameters):
    for dtype in (torch.float16, torch.bfloat16):
        hook, values = ddp_hook("fastsgd"), torch.from_numpy(gradient(0)).to(dtype)
        mean = hook(None, bucket(parameters, values.clone())).wait()
        expected = decoded("fastsgd", values.float().numpy(), gw.Step().part(0))
        assert mean.dtype == dtype
        assert torch.equal(mean, torch.from_numpy(expected.copy()).to(dtype))
        assert hook.state.dtype == str(dtype)
    values = torch.full((164,), 60000.0, dtype=torch.float16)  # natural rounds some of them up to 65536
    assert ddp_hook("natural")(None, bucket(parameters, values)).wait().max().item() == torch.finfo(torch.float16).max


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("codec", ["none", "fp16", "natural", "topk"])
def test_a_gradient_that_is_not_finite_changes_nothing(group, bucket, parameters, codec, bad):
    hook = ddp_hook(codec, error_feedback=True)
    hook(None, bucket(parameters[:2], gradient(0, 136), 0, False)).wait()
    hook(None, bucket(parameters[2:], gradient(1, 28), 1, True)).wait()
    before = hook.state.residuals
    broken = gradient(2, 28)
    broken[7] = bad
    hook(None, bucket(parameters[:2], gradient(3, 136), 0, False)).wait()
    with pytest.raises(gw.DataError, match="key 7 on rank 0"):
        hook(None, bucket(parameters[2:], broken, 1, True))
    assert hook.state.step == 1
    assert all(torch.equal(before[place], values) for place, values in hook.state.residuals.items())
    hook(None, bucket(parameters[:2], gradient(3, 136), 0, False)).wait()
    hook(None, bucket(parameters[2:], gradient(2, 28), 1, True)).wait()
    assert hook.state.step == 2


def test_what_is_refused(group, bucket, parameters):
    with pytest.raises(gw.ConfigError, match="unknown granularity 'tensors' .did you mean 'tensor'"):
        ddp_hook(granularity="tensors")
    with pytest.raises(gw.ConfigError, match="expected error_feedback as True or False, got 'no'"):
        ddp_hook(error_feedback="no")
    with pytest.raises(gw.ConfigError, match="natrual"):
        ddp_hook("natrual")
    with pytest.raises(gw.ConfigError, match="expected a gradwire.torch.State, a process group or None, got int"):
        ddp_hook()(1, bucket(parameters, gradient(0)))
    with pytest.raises(gw.IncompatibleError, match="torch.float64"):
        ddp_hook()(None, bucket(parameters, gradient(0).astype(np.float64)))
    sparse = torch.sparse_coo_tensor([[0, 2]], [1.0, 2.0], (3,), check_invariants=True)
    with pytest.raises(gw.IncompatibleError, match="nn.Embedding"):
        ddp_hook()(None, bucket([torch.nn.Parameter(torch.zeros(3))], sparse))


def test_a_group_without_a_cpu_backend_is_refused(group, bucket, parameters, monkeypatch):
    monkeypatch.setattr("torch.distributed.get_backend_config", lambda group: "cuda:nccl")
    with pytest.raises(gw.IncompatibleError, match="gloo, got cuda:nccl"):
        ddp_hook()(None, bucket(parameters, gradient(0)))


def test_a_state_is_for_one_model(group, bucket, parameters):
    hook = ddp_hook("natural", error_feedback=True)
    hook(None, bucket(parameters, gradient(0)))
    others = [torch.nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
    with pytest.raises(gw.IncompatibleError, match="a State is for one model"):
        hook(None, bucket(others, gradient(0)))
    hook(State(), bucket(others, gradient(0)))


def test_the_state_may_be_none_or_a_process_group(group, bucket, parameters):
    hook = ddp_hook()
    hook(None, bucket(parameters, gradient(0)))
    hook(group, bucket(parameters, gradient(1)))
    assert hook.state.step == 2
    assert hook.state.process_group is group
    own = State()
    hook(own, bucket(parameters, gradient(1)))
    assert (own.step, hook.state.step) == (1, 2)


def test_ddp_takes_the_hook(group):
    """DDP reads the signature, the name and the qualified name."""
    assert inspect.signature(ddp_hook()).return_annotation == torch.futures.Future[torch.Tensor]
    model = torch.nn.Linear(4, 3)
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    hook = ddp_hook("topk(ratio=0.5)+natural", error_feedback=True)
    parallel.register_comm_hook(hook.state, hook)
    parallel(torch.ones(2, 4)).sum().backward()
    assert hook.state.step == 1
    assert np.isin(np.abs(model.bias.grad.numpy()), [0, 2]).all()  # the gradient is 2 everywhere; half of it is sent
    assert hook.__qualname__ == "gradwire_hook(topk(ratio=0.5)+adaptive+natural)"
