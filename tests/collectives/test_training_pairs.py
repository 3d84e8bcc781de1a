"""Every legal pair of collective and codec trains: 50 steps, with error feedback, momentum, local steps and downlinks around it."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import gradwire as gw
from gradwire import config, spec, training
from gradwire.checkpoint import Checkpoint
from gradwire.collectives.exchange import Exchange
from gradwire.logs import Quiet

DIM, ROWS, STEPS = 400, 5, 50
CORES = 2  # with more ranks than these, waiting for a core is what takes the time
FEEDBACK = "codec.error_feedback=true"
AROUND = {
    "plain": (),
    "feedback": (FEEDBACK,),
    "momentum": (FEEDBACK, "codec.momentum=0.9", "optimizer.name=sgd"),
    "local": ("run.local_steps=4",),
    "all": (FEEDBACK, "codec.momentum=0.9", "codec.momentum_masking=false", "run.local_steps=4"),
}
FEW = ("none", "natural", "topk(ratio=0.1)+natural", "randomk(ratio=0.1, shared=true)+fp32")


@pytest.fixture
def load(comm, shared_path, monkeypatch):
    """load(collective, codec, *overrides) → RunConfig, on 50 steps' rows for each rank."""
    monkeypatch.setenv("GRADWIRE_CACHE", str(shared_path / "cache"))
    path = shared_path / "pairs.toml"
    if comm.rank == 0:
        rng, lines = np.random.default_rng(4), []
        for _ in range(ROWS * STEPS * comm.size):
            keys = np.sort(rng.choice(DIM, 9, replace=False))
            lines.append(f"{int(keys.sum() > 9 * DIM / 2)} " + " ".join(f"{key}:1" for key in keys))
        for name, count in (("train", len(lines)), ("test", 10)):
            (shared_path / name).write_text("\n".join(lines[:count]) + "\n")
        path.write_text(
            f'[data]\nname = "libsvm"\ntrain = "{shared_path / "train"}"\ntest = "{shared_path / "test"}"\nn_features = {DIM}\nzero_based = true\n'
            f"[optimizer]\nlr = 0.01\n[run]\nepochs = 1\nbatch_size = {ROWS}\nvnmse_samples = 3\n"
        )
    comm.Barrier()

    def load(collective, codec, *overrides):
        ((name, options),) = spec.split(collective)
        chosen = [f'collective.name="{name}"', *(f"collective.{key}={json.dumps(value)}" for key, value in options.items())]
        return config.load(path, [*chosen, *overrides], codec=codec).runs()[0]

    return load


@pytest.fixture
def pairs(comm, load, monkeypatch):
    """[(collective, codec)] of test_collectives.py that a run accepts on these ranks."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from test_collectives import COLLECTIVES, SPECS

    found = []
    for collective, codec in itertools.product(COLLECTIVES, SPECS):
        try:
            load(collective, codec).check(comm.size)
        except gw.IncompatibleError:
            continue
        found.append((collective, codec))
    assert {collective for collective, _ in found} == set(COLLECTIVES) and {codec for _, codec in found} == set(SPECS)
    return found


def keeps_growing(codec):
    """Unbiased with omega ≥ 1: not for error feedback, as a run says (cautions.py)."""
    codec = gw.codec(codec)
    return codec.unbiased and (codec.omega(DIM) or 0) >= 1


def downlinks(collective):
    """None is lossless; the mean is then that of the decoded messages."""
    return ("fp32", "same", "topk(ratio=0.5)+fp16") if gw.one("collectives", collective).has_downlink else (None,)


class Means:
    """Stands in for Exchange.average, and looks at every ninth mean."""

    def __init__(self):
        self.average, self.looked_at = Exchange.average, 0

    def __call__(self, exchange, gradient, step):
        mean = self.average(exchange, gradient, step)
        if step.index % 9 == 3 and exchange.downlink.spec != "topk(ratio=0.5)+adaptive+fp16":
            self.compare(exchange, mean.to_dense())
        return mean

    def compare(self, exchange, mean):
        comm, name = exchange.comm, exchange.collective.spec
        own = exchange.decoded().to_dense().astype(np.float64) if exchange.sent else np.zeros(DIM)
        largest = min(getattr(exchange.collective, "per_node", 1) or comm.size, comm.size)  # ranks of a node, whose mean has weight 1
        sent = comm.allreduce(own) * largest / comm.size
        halves = 1e-2 if "allreduce" in name else 0.0  # rounds the mean to 16 bits
        if "switch" in name or (exchange.collective.has_downlink and exchange.downlink is exchange.codec):
            return  # rounds the mean as the codec does
        assert np.allclose(mean, sent, rtol=1e-5 + halves, atol=1e-6 * max(1, np.abs(sent).max())), f"{name} {exchange.codec}"
        self.looked_at += 1


@pytest.mark.ranks(1, 2, 3)
def test_all_ranks_have_the_same_parameters_after_50_steps(comm, load, pairs, monkeypatch):
    means = Means()
    monkeypatch.setattr(Exchange, "average", lambda *arguments: means(*arguments))
    trained = 0
    for number, (collective, codec) in enumerate(pairs):
        around = [name for name in AROUND if FEEDBACK not in AROUND[name] or not keeps_growing(codec)]
        if codec not in FEW or comm.size > CORES:  # one after the other
            around = [around[number % len(around)]]
        for i, name in enumerate(around):
            down = downlinks(collective)[(number + i) % len(downlinks(collective))]
            chosen = load(collective, codec, *AROUND[name], *([] if down is None else [f"codec.downlink={down}"]))
            chosen.check(comm.size)
            run = training.Training(chosen, comm)
            run.epoch(0, Quiet())
            columns = run.columns()
            assert columns["steps"] == STEPS
            assert run.params_sha256() and np.isfinite(run.params).all() and run.params.any(), f"{collective} {codec} {name}"
            trained += 1
    assert trained > 100 and means.looked_at > 150


class StopAfter:
    """An Interruption that hears a signal after so many exchanges."""

    def __init__(self, exchanges):
        self.left = exchanges

    def after_step(self):
        self.left -= 1
        return None if self.left else 15


@pytest.mark.ranks(1, 3)
def test_every_pair_goes_on_as_if_it_had_not_been_stopped(comm, load, pairs, shared_path):
    """With error feedback wherever it holds, else without; stopped within the epoch, and gone on with by a Training that knows nothing."""
    fed = 0
    for number, (collective, codec) in enumerate(pairs):
        around = () if keeps_growing(codec) else AROUND[("feedback", "momentum", "all")[number % 3]]
        chosen = load(collective, codec, *around)
        fed += bool(around)
        whole, before, after = (training.Training(chosen, comm) for _ in range(3))
        whole.epoch(0, Quiet())
        before.epoch(0, Quiet(), interruption=StopAfter(1 + number % 5))
        done = before.done
        assert 0 < done < STEPS
        checkpoint = Checkpoint(shared_path, chosen, comm.rank, comm.size)
        checkpoint.save((0, done), *before.checkpointed(within=True), comm.Barrier)
        after.restore(*checkpoint.load(checkpoint.latest(True, 0)))
        after.epoch(0, Quiet(), first=done)
        assert after.done == STEPS
        assert after.params_sha256() == whole.params_sha256(), f"{collective} {codec} {around}"
        same = [{name: value for name, value in run.columns().items() if not name.endswith("_s")} for run in (whole, after)]
        np.testing.assert_equal(*same)
    assert fed > 60


@pytest.mark.ranks(1, 3)
def test_what_was_sent_loses_its_velocity_whatever_carries_it(comm, monkeypatch):
    """Also where parts are encoded apart (reduce_scatter, slices) or packets (switch): u = 0 where the messages say something."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from test_collectives import exchanges, gradient

    tried = 0
    for collective, codec, exchange in exchanges(comm):
        if keeps_growing(codec):
            continue
        exchange.feedback = feedback = gw.ErrorFeedback(gradient(0).dim, 0.9)
        for index in range(3):
            before = feedback.residual
            exchange.average(gradient(comm.rank, index), gw.Step(index, 3, comm.rank))
            if not exchange.sent:
                assert not feedback.velocity.any(), "hierarchical: the feedback is the leader's"
                continue
            v, sent = exchange.encoded.to_dense(), exchange.decoded().to_dense()
            expected = np.where(sent != 0, 0, v - before)
            assert np.allclose(feedback.velocity, expected, atol=1e-5 * max(1, np.abs(v).max())), f"{collective} {codec}"
            assert not feedback.velocity[sent != 0].any() and np.allclose(feedback.residual, v - sent)
            tried += 1
    assert tried > 100
