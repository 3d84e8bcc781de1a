"""The hook on several ranks: its mean is gw.average's, the same bits everywhere, in DistributedDataParallel and after a restart."""

import hashlib
import io
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "gradwire[torch]"')

import torch.distributed as dist  # noqa: E402
from torch import nn  # noqa: E402

import gradwire as gw  # noqa: E402
from gradwire.torch import State, ddp_hook  # noqa: E402

CODECS = [*gw.list_codecs(), "topk(ratio=0.1)+natural", "randomk(ratio=0.2, shared=true)+fp32"]
FEW = ["none", "fp16", "natural", "topk(ratio=0.1)+sign"]


def model():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(30, 60), nn.ReLU(), nn.Linear(60, 80), nn.ReLU(), nn.Linear(80, 7))


def batch(rank, step):
    x = torch.randn(8, 30, generator=torch.Generator().manual_seed(1000 * step + rank))
    return x, x[:, :7].argmax(1)


def parallel(hook=None, **options):
    """Two groups from the second step on: 5447 gradients in the one, 1860 in the other."""
    wrapped = nn.parallel.DistributedDataParallel(model(), bucket_cap_mb=0.016, **options)
    if hook is not None:
        wrapped.register_comm_hook(hook.state, hook)
    return wrapped


def train(wrapped, steps, lr=0.1):
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=lr)
    for step in steps:
        optimizer.zero_grad()
        x, y = batch(dist.get_rank(), step)
        nn.functional.cross_entropy(wrapped(x).float(), y).backward()
        optimizer.step()
    return torch.cat([each.detach().flatten() for each in wrapped.parameters()])


def agree(comm, *tensors):
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()
    assert set(comm.allgather(digest)) == {digest}


@pytest.mark.ranks(2, 3)
def test_the_mean_is_that_of_gradwire_average(comm, group, bucket):
    """In one message; the messages' steps are those of parts, numbered as DDP's groups are."""
    parameters = [nn.Parameter(torch.zeros(n)) for n in (301, 1, 40)]
    for spec in CODECS:
        hook, feedback = ddp_hook(spec, error_feedback=True, seed=3), gw.ErrorFeedback(342)
        collective = "allreduce" if spec in ("none", "fp16", "bf16") else "allgather"
        for index in range(3):
            values = np.random.default_rng((comm.rank, index)).normal(size=342).astype(np.float32)
            mean = hook(None, bucket(parameters, values)).wait().numpy()
            seed = gw.Step(index, 3).part(0).seed
            step, gradient = gw.Step(index, seed), gw.Gradient(values, 342)
            expected = gw.average(comm, gradient, spec, collective, feedback=feedback, step=step).to_dense()
            if spec == "none":
                np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)  # MPI and gloo add three values in their own orders
            else:
                np.testing.assert_array_equal(mean, expected, err_msg=spec)
            agree(comm, torch.from_numpy(mean))
        residuals = hook.state.residuals
        np.testing.assert_array_equal(torch.cat([residuals[2 - i] for i in range(3)]).numpy(), feedback.residual)


@pytest.mark.ranks(2)
def test_bytes_are_those_of_the_buffers(comm, group, bucket):
    """Messages of different lengths travel in buffers of the longest one's; sizes are 8 bytes for each group."""
    parameters, values = [nn.Parameter(torch.zeros(n)) for n in (500, 501)], np.zeros(1001, np.float32)
    values[:: 2 + 50 * comm.rank] = 1.0
    for granularity, headers in (("bucket", 1), ("tensor", 2)):
        hook = ddp_hook("nonzero+raw+fp32", granularity=granularity)
        hook(None, bucket(parameters, values)).wait()
        found, nnz = hook.state.bytes, np.count_nonzero(values)
        own = sum(found[name] for name in ("header", "keys", "values", "tables"))
        everyone = comm.allgather(own)
        assert found["sent"] == max(everyone) == own + found["padding"]
        assert found["received"] == 2 * max(everyone)
        assert found["control"] == 8
        assert found["header"] == headers * (40 + 2 * 8) + (16 if granularity == "tensor" else 0)  # two sections; sizes of two messages
        assert 4 * nnz <= found["values"] < 4 * nnz + 8 * headers
        assert (found["padding"] > 0) == (comm.rank == 1)
    sixteen = ddp_hook("bf16")
    sixteen(None, bucket(parameters, values)).wait()  # 501 words to the other rank, and 501 means
    assert {name: sixteen.state.bytes[name] for name in ("sent", "received", "padding")} == {"sent": 2004, "received": 3006, "padding": 2}
    plain = ddp_hook("none")
    plain(None, bucket(parameters, values)).wait()
    assert {name: plain.state.bytes[name] for name in ("sent", "received", "padding")} == {"sent": 4004, "received": 4004, "padding": 0}


@pytest.mark.ranks(2)
def test_ddp_with_none_is_ddp(comm, group):
    without = train(parallel(), range(4))
    for options in ({}, {"gradient_as_bucket_view": True}, {"find_unused_parameters": True}, {"static_graph": True}):
        found = train(parallel(ddp_hook("none"), **options), range(4))
        np.testing.assert_allclose(found.numpy(), without.numpy(), rtol=1e-4, atol=1e-6)
        agree(comm, found)


@pytest.mark.ranks(3)
def test_all_ranks_hold_the_same_bits(comm, group):
    for spec in CODECS:
        hook = ddp_hook(spec, error_feedback=gw.codec(spec).needs_feedback, granularity="tensor")
        agree(comm, train(parallel(hook), range(3), lr=0.01))
        assert hook.state.step == 3
        assert hook.state.bytes["control"] == 8 * (1 + 2 + 2)  # a group in the first step, two in the others
    for dtype in (torch.bfloat16, torch.float16):
        wrapped = nn.parallel.DistributedDataParallel(nn.Linear(30, 7).to(dtype))
        hook = ddp_hook("natural")
        wrapped.register_comm_hook(None, hook)
        wrapped(batch(comm.rank, 0)[0].to(dtype)).sum().backward()
        agree(comm, wrapped.module.weight.grad.float())
        assert hook.state.dtype == str(dtype)


@pytest.mark.ranks(2)
def test_nothing_is_lost_when_ddp_groups_anew(comm, group):
    """Sum of the mean gradients + mean residual = sum of the ranks' mean gradients, for every parameter."""
    for granularity in ("bucket", "tensor"):
        hook = ddp_hook("topk(ratio=0.05)+natural", error_feedback=True, granularity=granularity)
        wrapped, plain = parallel(hook), parallel()
        total, expected = ([torch.zeros_like(each) for each in wrapped.parameters()] for _ in range(2))
        for step in range(5):
            for each, sums in ((wrapped, total), (plain, expected)):
                each.zero_grad()
                x, y = batch(comm.rank, step)
                nn.functional.cross_entropy(each(x), y).backward()
                for found, parameter in zip(sums, each.parameters()):
                    found += parameter.grad
        residuals = comm.allgather([values.numpy() for values in hook.state.residuals.values()])
        mean = [(a + b) / 2 for a, b in zip(*residuals)]
        for found, wanted, residual in zip(total, expected, reversed(mean)):  # places count from the model's end
            np.testing.assert_allclose(found.numpy().ravel() + residual, wanted.numpy().ravel(), atol=1e-5)
            assert np.abs(residual).max() > 1e-4


@pytest.mark.ranks(2)
def test_a_restarted_process_goes_on_with_the_same_bits(comm, group):
    """Saved after four steps as torch.save and pickle do it, read with weights_only; DDP starts with its first groups again."""
    for spec in ("topk(ratio=0.05)+natural", "sign"):
        untouched = ddp_hook(spec, error_feedback=True, granularity="tensor", seed=2)
        expected = train(parallel(untouched), range(8))
        for way in ("torch", "pickle"):
            hook = ddp_hook(spec, error_feedback=True, granularity="tensor", seed=2)
            first = parallel(hook)
            train(first, range(4))
            file = io.BytesIO()
            torch.save({"model": first.module.state_dict(), "hook": hook.state.state_dict()}, file)
            file.seek(0)
            saved = torch.load(file, weights_only=True)
            state = pickle.loads(pickle.dumps(hook.state)) if way == "pickle" else State()
            if way == "torch":
                state.load_state_dict(saved["hook"])
            second = model()
            second.load_state_dict(saved["model"])
            second = nn.parallel.DistributedDataParallel(second, bucket_cap_mb=0.016)
            second.register_comm_hook(state, ddp_hook(spec, error_feedback=True, granularity="tensor", seed=2))
            found = train(second, range(4, 8))
            assert torch.equal(found, expected)
            assert state.step == 8
            assert all(torch.equal(a, b) for a, b in zip(state.residuals.values(), untouched.state.residuals.values()))
        lost = ddp_hook(spec, error_feedback=True, granularity="tensor", seed=2)
        lost.state.step = 4
        second = model()
        second.load_state_dict(saved["model"])
        second = nn.parallel.DistributedDataParallel(second, bucket_cap_mb=0.016)
        second.register_comm_hook(None, lost)
        assert not torch.equal(train(second, range(4, 8)), expected)  # residuals matter


@pytest.mark.ranks(3)
def test_an_error_of_one_rank_is_one_of_all(comm, group, bucket):
    last = comm.size - 1
    for spec in FEW:
        hook = ddp_hook(spec, error_feedback=True)
        wrapped = parallel(hook)
        train(wrapped, range(2))
        before = hook.state.residuals
        x, y = batch(comm.rank, 2)
        if comm.rank == last:
            x[0, 0] = float("nan")
        said = f"on rank {last}" if comm.rank == last else f"step 2: gradients of rank {last} are not finite"
        with pytest.raises(gw.DataError, match=said):
            nn.functional.cross_entropy(wrapped(x), y).backward()
        assert hook.state.step == 2
        assert all(torch.equal(before[place], values) for place, values in hook.state.residuals.items())
        agree(comm, train(parallel(ddp_hook(spec)), range(2)))  # nothing is left on its way
        parameter = nn.Parameter(torch.zeros(3 if comm.rank else 4))
        gradient = np.ones(len(parameter), np.float32)
        broken = ddp_hook(spec, error_feedback=True)
        if comm.rank == last:
            broken.state.load_state_dict(State().state_dict() | {"residuals": {0: torch.ones(2)}})
            with pytest.raises(gw.IncompatibleError, match=r"has 3 values, its saved residual 2"):
                broken(None, bucket([parameter], gradient))
        else:
            with pytest.raises(gw.GradwireError, match=f"gradients of rank {last} cannot be encoded"):
                broken(None, bucket([parameter], gradient))


@pytest.mark.ranks(2)
def test_an_error_while_decoding_ends_backward(comm, group):
    """It is raised by a callback, in a thread of gloo's; a sum that overflows, and a message that is not what was sent."""
    hook = ddp_hook("none")
    wrapped = nn.parallel.DistributedDataParallel(nn.Linear(3, 1, bias=False))
    wrapped.register_comm_hook(None, hook)
    with pytest.raises(RuntimeError, match="the sum over 2 ranks overflows fp32 at key 0"):
        wrapped(torch.full((1, 3), 3e38)).sum().backward()
    other = ddp_hook(("sign", "natural")[comm.rank])
    wrapped = nn.parallel.DistributedDataParallel(nn.Linear(3, 1, bias=False))
    wrapped.register_comm_hook(None, other)
    with pytest.raises(RuntimeError, match="expected a message of"):
        wrapped(torch.ones(1, 3)).sum().backward()


@pytest.mark.ranks(3)
def test_a_process_group_of_some_ranks_and_a_state_of_another_rank(comm, group, bucket):
    pair = dist.new_group([0, 2])
    if comm.rank != 1:
        hook = ddp_hook("natural")
        mean = hook(State(pair), bucket([nn.Parameter(torch.zeros(2))], np.full(2, 2.0 ** (comm.rank + 1), np.float32))).wait()
        assert mean.tolist() == [5, 5]
    other = ddp_hook("sign", error_feedback=True)
    other.state.load_state_dict(State().state_dict() | {"rank": 1, "world_size": 2, "residuals": {0: torch.ones(3)}})
    with pytest.raises(gw.IncompatibleError, match=f"of rank 1 of 2, and this is rank {comm.rank} of 3"):
        other(None, bucket([nn.Parameter(torch.zeros(3))], np.float32([1, 2, 3])))


@pytest.mark.ranks(2)
def test_a_process_group_never_ends_in_a_thread_of_its_own(comm, group, bucket):
    """Its destructor waits for its threads: if a callback had the last reference, the process would abort."""
    for spec in ("none", "bf16", "natural"):
        for _ in range(10):
            state = State(dist.new_group([0, 1]))
            future = ddp_hook(spec)(state, bucket([nn.Parameter(torch.zeros(2))], np.float32([4, 2])))
            assert future.wait().tolist() == [4, 2]
            dist.destroy_process_group(state.process_group)
            del state
