"""The loop on neural networks: every way to exchange their dense gradients trains, resumes to the bit, and a divergence is a result."""

import numpy as np
import pytest

import gradwire as gw
from gradwire import config, data, training
from gradwire.data.base import Prepared, Table
from gradwire.errors import DataError, Diverged, IncompatibleError, Stopped
from gradwire.logs import Quiet

pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'gradwire[torch]'")

EXPERIMENT = """
[data]
name = "fashion-mnist"
[model]
name = "mlp"
hidden = [8]
[optimizer]
name = "momentum"
lr = 0.01
[collective]
name = "allgather"
[run]
epochs = 2
batch_size = 20
vnmse_samples = 2
"""
EF = "codec.error_feedback=true"
WAYS = {
    "allreduce": ("collective.name=allreduce",),
    "bf16": ("codec.uplink=bf16", "collective.name=allreduce"),
    "both ways": ("codec.uplink=natural", "collective.name=gather_bcast"),
    "tensors": ("codec.uplink=terngrad", "codec.granularity=tensor", "codec.uncompressed_below=50"),
    "layers": ("codec.uplink=onebit", "codec.granularity=layer", EF),
    "topk of tensors": ("codec.uplink=topk(ratio=0.05)+natural", "codec.granularity=tensor", "codec.uncompressed_below=50", EF),
    "hierarchical": ("codec.uplink=qsgd", "codec.granularity=tensor", "collective.name=hierarchical", "collective.per_node=2"),
    "powersgd": ("collective.name=powersgd", "collective.columns=1", EF),
    "deep gradient compression": (
        "codec.uplink=sampled_topk(ratio=0.05)", "codec.momentum=0.9", "codec.clip_norm=1", "codec.warmup_epochs=1", "optimizer.name=sgd", EF,
    ),
    "local steps": ("codec.uplink=natural", "run.local_steps=3", EF),
}  # fmt: skip


def table(rows, seed):
    """Digits that can be learnt: a bright bar whose place is the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, rows).astype(np.uint8)
    pixels = rng.integers(0, 60, (rows, 784)).astype(np.uint8)
    for row, label in enumerate(labels.tolist()):
        pixels[row, 70 * label : 70 * label + 70] += 120
    return Table(pixels.ravel(), labels, 784)


class Still:
    """A guard of files that nobody changes."""

    def check(self):
        pass


@pytest.fixture
def experiment(shared_path, monkeypatch):
    """experiment(*overrides) → RunConfig on 400 rows to train and 100 to test on."""
    prepared = Prepared(table(400, 0), table(100, 1), 784, "images", guard=Still())
    monkeypatch.setattr(data, "load", lambda dataset, **_: prepared)

    def chosen(comm, *overrides):
        if comm.rank == 0:
            (shared_path / "trial.toml").write_text(EXPERIMENT)
        comm.Barrier()
        return config.load(shared_path / "trial.toml", overrides, ranks=comm.size).runs()[0]

    return chosen


class StopAfter:
    """An interruption after so many steps."""

    def __init__(self, steps):
        self.left = steps

    def after_step(self):
        self.left -= 1
        return self.left == 0

    def agreed(self):
        return False


@pytest.mark.ranks(1, 2, 3)
def test_every_way_trains_and_goes_on_to_the_bit(comm, shared_path, experiment):
    for name, overrides in WAYS.items():
        chosen = experiment(comm, *overrides)
        path = training.train(chosen, comm, shared_path / "whole", progress=Quiet())
        comm.Barrier()
        whole = gw.load_run(path)
        assert whole.finished and whole.dim == 784 * 8 + 8 + 80 + 10, name
        losses = whole.epochs["test_loss"]
        assert losses[-1] < 2.2 and whole.epochs["test_metric"][-1] > 0.2, (name, losses)
        with pytest.raises(Stopped):
            training.train(chosen, comm, shared_path / "cut", progress=Quiet(), interruption=StopAfter(2))
        training.train(chosen, comm, shared_path / "cut", resume=True, progress=Quiet())
        comm.Barrier()
        cut = gw.load_run(shared_path / "cut" / path.relative_to(shared_path / "whole"))
        assert cut.final_params_sha256 == whole.final_params_sha256, name
        for column in ("uplink_bytes", "sent_bytes", "nnz", "vnmse", "test_loss", "train_loss"):
            assert np.array_equal(cut.epochs[column], whole.epochs[column], equal_nan=True), (name, column)


@pytest.mark.ranks(2)
def test_small_tensors_travel_uncompressed_and_are_counted(comm, shared_path, experiment):
    """The tensors have 6272, 8, 80 and 10 parameters; 400 rows, 2 ranks, 20 rows a step: 10 steps."""
    chosen = experiment(comm, "codec.uplink=natural", "codec.granularity=tensor", "codec.uncompressed_below=50")
    found = gw.load_run(training.train(chosen, comm, shared_path / "results", progress=Quiet()))
    one = 8 * -(-6272 * 9 // 64) + 8 * -(-80 * 9 // 64)
    small = 8 * 4 + 10 * 4
    values = found.epochs["uplink_values_bytes"][0, 0] / 10
    assert one + small <= values <= one + small + 4 * 16  # padding, and what natural adds to a payload
    assert found.epochs["uplink_tables_bytes"][0, 0] == 10 * 16 and found.epochs["entropy_bound_bytes"][0, 0] == 0


@pytest.mark.ranks(1, 2)
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adagrad"])
def test_what_a_codec_leaves_out_is_a_zero_for_the_optimizer(comm, experiment, optimizer):
    """A lossless sparse codec trains as none does, to the last bit: momentum goes on where nothing was sent."""
    digests, kept = [], set()
    for codec in ("none", "adam-sparse", "nonzero+raw+fp32"):
        chosen = experiment(comm, f"codec.uplink={codec}", f"optimizer.name={optimizer}", "collective.name=gather_bcast")
        trained = training.Training(chosen, comm)
        trained.epoch(0, Quiet())
        columns = trained.columns()
        kept.add(int(columns["message_nnz"]) < 6370 * columns["steps"])
        digests.append(trained.params_sha256())
    assert len(set(digests)) == 1 and kept == {False, True}


@pytest.mark.ranks(2)
def test_the_run_file_says_what_the_codecs_claim(comm, shared_path, experiment):
    d = 784 * 8 + 8 + 80 + 10
    claims = {
        "natural": ((1 / 8, 0), ("codec.uplink=natural",)),
        "both ways": ((1 / 8, 1 / 8), ("codec.uplink=natural", "collective.name=gather_bcast")),
        "two codecs": ((0, 1 / 8), ("codec.uplink=none", "codec.downlink=natural", "collective.name=gather_bcast")),
        "largest tensor": ((np.sqrt(6272) / 8, 0), ("codec.uplink=qsgd(levels=8)", "codec.granularity=tensor")),
        "flat": ((np.sqrt(d) / 8, 0), ("codec.uplink=qsgd(levels=8)",)),
        "biased": ((np.nan, 0), ("codec.uplink=onebit", EF)),
        "powersgd": ((np.nan, np.nan), ("collective.name=powersgd", "collective.columns=1", EF)),
    }
    for name, (expected, overrides) in claims.items():
        path = training.train(experiment(comm, *overrides, "run.epochs=1"), comm, shared_path / name, progress=Quiet())
        comm.Barrier()
        assert gw.load_run(path).omegas == pytest.approx(expected, nan_ok=True), name


@pytest.mark.ranks(2)
def test_the_loss_of_some_training_rows(comm, shared_path, experiment):
    every, some = experiment(comm), experiment(comm, "run.train_loss_rows=50")
    assert every.run_id != some.run_id and experiment(comm, "run.train_loss_rows=0").run_id == every.run_id
    trained = training.Training(some, comm)
    found = trained.evaluate()
    total, _ = trained.model.evaluate(trained.params, trained.train, 0, 50)
    assert found["train_loss"] == pytest.approx(total / 50, rel=1e-6)
    whole, _ = trained.model.evaluate(trained.params, trained.test, 0, 100)
    assert found["test_loss"] == pytest.approx(whole / 100, rel=1e-6)


@pytest.mark.ranks(1, 2)
@pytest.mark.parametrize("codec", ["none", "natural"])
def test_divergence_is_an_error_or_a_result(comm, shared_path, experiment, codec):
    wild = ("optimizer.lr=1e38", f"codec.uplink={codec}", "optimizer.name=sgd")
    with pytest.raises(Diverged, match="expected finite values"):
        training.train(experiment(comm, *wild), comm, shared_path / "error", progress=Quiet())
    chosen = experiment(comm, *wild, "run.divergence=record")
    path = training.train(chosen, comm, shared_path / "record", progress=Quiet())
    comm.Barrier()
    found = gw.load_run(path)
    assert found.finished and "expected finite values" in found.diverged and len(found.epochs["test_loss"]) == 1
    assert np.isnan(found.epochs["test_loss"][-1]) and 0 < found.epochs["steps"][0, 0] < 20
    assert (found.epochs["other_wall_s"] >= 0).all()
    assert not list((shared_path / "record").rglob("*.ckpt"))


def test_linear_models_have_no_layers(tmp_path):
    from mpi4py import MPI

    (tmp_path / "rows.svm").write_text("+1 1:1 3:1\n-1 2:1\n" * 10)
    path = tmp_path / "linear.toml"
    path.write_text(
        f'[data]\nname = "libsvm"\ntrain = "{tmp_path / "rows.svm"}"\ntest_fraction = 0.25\nn_features = 4\nzero_based = false\n'
        '[codec]\nuplink = "natural"\ngranularity = "layer"\n[run]\nepochs = 1\nbatch_size = 5\n'
    )
    (chosen,) = config.load(path, ranks=1).runs()
    with pytest.raises(IncompatibleError, match='codec.granularity = "layer": model logistic has one tensor; expected "flat"'):
        training.Training(chosen, MPI.COMM_SELF)


def test_data_that_a_model_is_not_for_are_refused_before_they_are_fetched(experiment, monkeypatch):
    from mpi4py import MPI

    chosen = experiment(MPI.COMM_SELF, "codec.uplink=natural")
    linear = dict(vars(chosen)) | {"model": {"name": "linear", "options": {}}}
    monkeypatch.setattr(data, "load", None)
    with pytest.raises(IncompatibleError, match="model linear is for regression, data fashion-mnist is for images"):
        training.Training(type(chosen)(**linear), MPI.COMM_SELF)


def test_rows_that_a_model_cannot_learn_are_refused_at_the_start(experiment, monkeypatch):
    from mpi4py import MPI

    chosen, train = experiment(MPI.COMM_SELF, "codec.uplink=natural"), table(40, 0)
    train.labels[3] = 10
    monkeypatch.setattr(data, "load", lambda dataset, **_: Prepared(train, table(10, 1), 784, "images", guard=Still()))
    with pytest.raises(DataError, match="model mlp is for classes 0 … 9, got a label 10"):
        training.Training(chosen, MPI.COMM_SELF)


@pytest.mark.ranks(2)
def test_without_samples_the_error_is_unknown(comm, shared_path, experiment):
    found = gw.load_run(training.train(experiment(comm, "run.vnmse_samples=0", "run.epochs=1"), comm, shared_path, progress=Quiet()))
    assert np.isnan(found.epochs["vnmse"]).all()
