"""The loop, end to end, on small libsvm files: what is recorded, and that equal runs are equal."""

import json
import re
import tomllib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

import gradwire as gw
from gradwire import arrayfile, config, gradients, recorder, training
from gradwire.logs import Quiet

DIM = 3000


def write_data(folder, rows=600, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=DIM)
    lines = []
    for _ in range(rows):
        keys = np.sort(rng.choice(DIM, 12, replace=False))
        label = 1 if weights[keys].sum() + rng.normal() > 0 else 0
        lines.append(f"{label} " + " ".join(f"{key}:1" for key in keys))
    (folder / "rows.svm").write_text("\n".join(lines) + "\n")


def prepare(comm, folder, monkeypatch):
    monkeypatch.setenv("GRADWIRE_CACHE", str(folder / "cache"))
    if comm.rank == 0:
        write_data(folder)
        (folder / "trial.toml").write_text(
            f'[data]\nname = "libsvm"\ntrain = "{folder / "rows.svm"}"\ntest_fraction = 0.25\nn_features = {DIM}\nzero_based = true\n'
            "[optimizer]\nlr = 0.05\n[run]\nepochs = 3\nbatch_size = 40\nvnmse_samples = 2\n"
        )
    comm.Barrier()


def run(comm, folder, *overrides, resume=False, results="results"):
    chosen = config.load(folder / "trial.toml", overrides).runs()[0]
    path = training.train(chosen, comm, folder / results, resume=resume, progress=Quiet())
    comm.Barrier()
    return gw.load_run(path)


@pytest.mark.ranks(1, 2, 3, 4)
def test_a_run_records_every_second_and_byte(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    found = run(comm, shared_path, "codec.uplink=adam-sparse")
    rows, ranks = found.epochs, comm.size
    assert found.finished and found.ranks == ranks and found.dim == DIM
    assert rows["epoch_time_s"].shape == (3, ranks) and rows["test_loss"].shape == (3,)
    for clock in ("wall", "cpu"):
        total = sum(rows[f"{phase}_{clock}_s"] for phase in ("compute", "encode", "comm", "decode", "update", "other"))
        if clock == "wall":
            assert np.allclose(total, rows["epoch_time_s"])
        assert (total > 0).all()
    assert (rows["comm_wait_s"] <= rows["comm_wall_s"]).all()
    for link in ("uplink", "downlink"):
        parts = sum(rows[f"{link}_{part}_bytes"] for part in ("header", "keys", "values", "tables"))
        assert np.array_equal(parts, rows[f"{link}_bytes"])
    steps = rows["steps"][0, 0]
    # At zero weights the pull of opposite labels cancels exactly: those pairs are not sent.
    assert (rows["message_nnz"] <= rows["nnz"]).all() and np.array_equal(rows["message_nnz"][1:], rows["nnz"][1:])
    # 8 bytes a pair, each of the two sections padded to 8, a header of 56.
    assert (rows["uplink_bytes"] - 8 * rows["message_nnz"] >= 56 * steps).all()
    assert (rows["uplink_bytes"] - 8 * rows["message_nnz"] <= 64 * steps).all()
    assert (rows["dense_baseline_bytes"] == 4 * DIM * steps).all()
    assert (rows["entropy_bound_bytes"] > 0).all() and (rows["entropy_bound_bytes"] < rows["uplink_keys_bytes"]).all()
    assert (rows["vnmse"] == 0).all()
    assert rows["warmup"].tolist() == [1, 0, 0]
    assert rows["rows"].sum(axis=1).tolist() == [rows["rows"][0].sum()] * 3
    assert rows["train_loss"][-1] < rows["train_loss"][0]
    assert 0.5 < rows["test_metric"][-1] <= 1


@pytest.mark.ranks(3)
def test_equal_runs_are_equal_and_uncompressed_forms_agree(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    first = run(comm, shared_path, "codec.uplink=natural", results="a")
    second = run(comm, shared_path, "codec.uplink=natural", results="b")
    assert first.final_params_sha256 == second.final_params_sha256
    assert first.run_id == second.run_id
    for name in ("train_loss", "uplink_bytes", "vnmse", "nnz"):
        assert np.array_equal(first.epochs[name], second.epochs[name])
    dense = run(comm, shared_path, "codec.uplink=none", "collective.name=allreduce")
    sparse = run(comm, shared_path, "codec.uplink=adam-sparse", "collective.name=allgather")
    assert np.allclose(dense.epochs["train_loss"], sparse.epochs["train_loss"], rtol=1e-4)


FEEDBACK = ("codec.uplink=topk(ratio=0.1)+bitflag+natural", "codec.error_feedback=true")
POWERSGD = ("codec.uplink=none", "codec.error_feedback=true", "collective.name=powersgd")
RESUMABLE = {
    "no feedback": ("codec.uplink=natural",),
    "feedback": FEEDBACK,
    "momentum": (*FEEDBACK, "codec.momentum=0.9", "optimizer.name=sgd"),
    "momentum on dense gradients": (*FEEDBACK, "codec.momentum=0.9", "codec.momentum_masking=false", "model.l2_mode=full", "model.l2=0.01"),
    "warm-up": (*FEEDBACK, "codec.warmup_epochs=2", "optimizer.warmup_epochs=2"),
    "local steps": ("codec.uplink=natural", "run.local_steps=3"),
    "local steps on dense gradients": (
        "codec.uplink=fp16",
        "collective.name=allreduce",
        "run.local_steps=3",
        "model.l2_mode=full",
        "model.l2=0.01",
    ),
    "powersgd": (*POWERSGD, "collective.columns=3"),
    "powersgd and local steps": (*POWERSGD, "codec.clip_norm=0.05", "run.local_steps=3"),
    "all": (
        *FEEDBACK,
        "codec.momentum=0.5",
        "codec.clip_norm=0.05",
        "codec.warmup_epochs=2",
        "run.local_steps=3",
        "collective.name=reduce_scatter",
    ),
}


class Signalled:
    """An Interruption that hears a signal after so many questions."""

    def __init__(self, after):
        self.left = after

    def after_step(self):
        return self.agreed()

    def agreed(self):
        self.left -= 1
        return 15 if self.left < 0 else None


class Crash(Quiet):
    """Progress that fails after a step."""

    def __init__(self, at):
        self.at = at

    def step(self, epoch, step):
        if (epoch, step) == self.at:
            raise RuntimeError("crash")


def cut(comm, folder, overrides, *, crash=None, after=None):
    """A run that ends before its time, by a crash after a step or a signal; its path."""
    chosen = config.load(folder / "trial.toml", overrides).runs()[0]
    path = recorder.run_path(folder / "cut", chosen)
    with pytest.raises(RuntimeError if crash else gw.errors.Stopped, match="crash" if crash else "add --resume"):
        training.train(
            chosen, comm, folder / "cut", resume=path.exists(), progress=Crash(crash), interruption=None if crash else Signalled(after)
        )
    comm.Barrier()
    assert recorder.run_state(path) == "unfinished"
    return path


def assert_same_but_for_times(resumed, whole):
    for column in recorder.PER_RANK | recorder.PER_EPOCH:
        if not column.endswith("_s") and column != "warmup":
            assert np.array_equal(resumed.epochs[column], whole.epochs[column]), column


@pytest.mark.ranks(2)
@pytest.mark.parametrize("name", RESUMABLE)
def test_resume_goes_on_as_if_nothing_had_happened(comm, shared_path, monkeypatch, name):
    overrides = RESUMABLE[name]
    prepare(comm, shared_path, monkeypatch)
    whole = run(comm, shared_path, *overrides, results="whole")
    path = cut(comm, shared_path, overrides, crash=(2, 3))
    kept = gw.load_run(path).epochs["epoch_time_s"]
    resumed = run(comm, shared_path, *overrides, resume=True, results="cut")
    assert resumed.final_params_sha256 == whole.final_params_sha256
    assert np.array_equal(resumed.epochs["epoch_time_s"][:2], kept), "recorded epochs were run again"
    assert_same_but_for_times(resumed, whole)


@pytest.mark.ranks(2)
@pytest.mark.parametrize("name", RESUMABLE)
def test_a_stopped_run_goes_on_within_its_epoch(comm, shared_path, monkeypatch, name):
    """Stopped after a step, after an epoch, and after another step: not one step is made again, and every sum is that of a whole run."""
    overrides = RESUMABLE[name]
    prepare(comm, shared_path, monkeypatch)
    whole = run(comm, shared_path, *overrides, results="whole")
    made = []
    step = training.Training.step
    monkeypatch.setattr(training.Training, "step", lambda self, *arguments: made.append(0) or step(self, *arguments))
    path = cut(comm, shared_path, overrides, after=0)
    assert len(gw.load_run(path).epochs["test_loss"]) == 0, "an epoch that is not done has no row"
    exchanges = -(-whole.epochs["steps"][0, 0] // int(whole.config["run"].get("local_steps", 1)))
    path = cut(comm, shared_path, overrides, after=int(exchanges) - 1)
    first_epoch = gw.load_run(path).epochs
    assert len(first_epoch["test_loss"]) == 1
    cut(comm, shared_path, overrides, after=0)
    resumed = run(comm, shared_path, *overrides, resume=True, results="cut")
    assert len(made) == whole.epochs["steps"][:, 0].sum()
    assert resumed.final_params_sha256 == whole.final_params_sha256
    assert_same_but_for_times(resumed, whole)
    assert np.array_equal(resumed.epochs["epoch_time_s"][0], first_epoch["epoch_time_s"][0])
    assert (resumed.epochs["compute_wall_s"] > 0).all() and not list((shared_path / "cut").rglob("*.ckpt"))


@pytest.mark.ranks(3)
def test_other_numbers_of_ranks_go_on_between_epochs(comm, shared_path, monkeypatch):
    """Begun by 2 of 3 ranks, gone on with by all, by one, and finished by 2."""
    from mpi4py import MPI

    prepare(comm, shared_path, monkeypatch)
    overrides = (*FEEDBACK, "run.epochs=4")
    chosen = config.load(shared_path / "trial.toml", overrides, ranks=2).runs()[0]
    path = recorder.run_path(shared_path / "results", chosen)
    some = [comm.Split(0 if comm.rank < size else MPI.UNDEFINED, comm.rank) for size in (1, 2, 3)]
    for number, size in enumerate((2, 3, 1, 2)):
        ranks = some[size - 1]
        if comm.rank < size:
            stopped = number < 3
            with pytest.raises(gw.errors.Stopped) if stopped else nullcontext():
                training.train(
                    chosen,
                    ranks,
                    shared_path / "results",
                    resume=number > 0,
                    progress=Quiet(),
                    interruption=StopAtEpochsEnd() if stopped else None,
                )
        comm.Barrier()
    found = gw.load_run(path)
    assert found.finished and found.ranks == 2 and found.epochs["ranks"].tolist() == [2, 3, 1, 2]
    assert found.ranks_text == "2, then 3, then 1, then 2"
    loss = found.epochs["train_loss"]
    assert (np.diff(loss) < 0).all(), "it goes on learning"
    assert found.epochs["uplink_bytes"].astype(bool).sum(axis=1).tolist() == [2, 3, 1, 2]


class StopAtEpochsEnd:
    """An Interruption that hears a signal after an epoch's last step."""

    def after_step(self):
        return None

    def agreed(self):
        return 15


@pytest.mark.ranks(2)
def test_what_ranks_have_of_their_own_may_need_as_many_ranks(comm, shared_path, monkeypatch):
    from gradwire.commands.planning import plan_of

    prepare(comm, shared_path, monkeypatch)
    cases = {
        ("run.local_steps=3",): "expected --resume on 2 ranks, which began it: with run.local_steps each rank's optimizer",
        (*FEEDBACK, "collective.name=hierarchical"): "with error feedback in hierarchical only some ranks have a residual",
    }
    for overrides, reason in cases.items():
        chosen, other = (config.load(shared_path / "trial.toml", overrides, ranks=ranks).runs()[0] for ranks in (2, 3))
        with pytest.raises(gw.errors.Stopped):
            training.train(chosen, comm, shared_path / "own", progress=Quiet(), interruption=StopAtEpochsEnd())
        comm.Barrier()
        with pytest.raises(gw.IncompatibleError, match=reason):
            plan_of([other], shared_path / "own", True, False, 3)
        assert plan_of([chosen], shared_path / "own", True, False, 2)[0][2] == "unfinished"


@pytest.mark.ranks(2)
def test_resume_finds_what_another_number_of_ranks_began(comm, shared_path, monkeypatch):
    from gradwire.commands.planning import plan_of

    prepare(comm, shared_path, monkeypatch)
    chosen, other = (config.load(shared_path / "trial.toml", FEEDBACK, ranks=ranks).runs()[0] for ranks in (2, 3))
    results = shared_path / "found"
    with pytest.raises(gw.errors.Stopped):
        training.train(chosen, comm, results, progress=Quiet(), interruption=Signalled(1))
    comm.Barrier()
    assert plan_of([other], results, True, False, 3)[0][0] == other, "there is nothing that 3 ranks could go on with"
    with pytest.raises(gw.errors.Stopped):
        training.train(chosen, comm, results, resume=True, progress=Quiet(), interruption=StopAtEpochsEnd())
    comm.Barrier()
    assert plan_of([other], results, False, False, 3)[0][0] == other, "not without --resume"
    run, path, state = plan_of([other], results, True, False, 3)[0]
    assert (run, path, state) == (chosen, recorder.run_path(results, chosen), "unfinished")
    comm.Barrier()  # who plans later would find the claim
    if comm.rank == 0:
        with recorder.claim(path, "unfinished"):
            assert plan_of([other], results, True, False, 3)[0][0] == other, "it is being trained now"
    comm.Barrier()


@pytest.mark.ranks(1, 3)
def test_powersgd_learns_from_few_bytes(comm, shared_path, monkeypatch):
    """3000 parameters as 55 × 55 in 2 · 2 · 55 values a step; what it remembers is kept with what all ranks share."""
    prepare(comm, shared_path, monkeypatch)
    dense = run(comm, shared_path, "codec.uplink=none", "collective.name=allreduce")
    found = run(comm, shared_path, *POWERSGD)
    assert (found.epochs["uplink_bytes"] == 4 * 220 * found.epochs["steps"]).all()
    assert np.array_equal(found.epochs["uplink_bytes"], found.epochs["uplink_values_bytes"])
    assert (found.epochs["dense_baseline_bytes"] / found.epochs["uplink_bytes"] == DIM / 220).all()
    assert ((found.epochs["vnmse"] > 0.3) & (found.epochs["vnmse"] < 1)).all()
    losses = found.epochs["train_loss"]
    assert (np.diff(losses) < 0).all() and np.log(2) - losses[-1] > 0.2 * (np.log(2) - dense.epochs["train_loss"][-1])
    trained = training.Training(config.load(shared_path / "trial.toml", POWERSGD).runs()[0], comm)
    trained.epoch(0, Quiet())
    shared, private = trained.checkpointed()
    assert shared["memory/q"].shape == (2 * 55,) and shared["memory/q"].any() and not [name for name in private if "memory" in name]
    assert len(set(comm.allgather(shared["memory/q"].tobytes()))) == 1
    with pytest.raises(gw.DataError, match="expected a checkpoint with memory/q, got one without"):
        trained.restore({name: value for name, value in shared.items() if name != "memory/q"}, private)


@pytest.mark.ranks(1)
def test_a_checkpoint_of_another_dimension_is_refused(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    trained = training.Training(config.load(shared_path / "trial.toml").runs()[0], comm)
    shared, _ = trained.checkpointed()
    with pytest.raises(gw.DataError, match=f"a checkpoint of {DIM} parameters, got"):
        trained.restore(shared | {"params": np.zeros(5, np.float32)}, {})


@pytest.mark.ranks(1)
def test_checkpoints_that_cannot_be_used_say_what_to_do(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    overrides = (*FEEDBACK, "codec.momentum=0.9", "optimizer.name=sgd")
    cut(comm, shared_path, overrides, after=1)
    (shared,) = (shared_path / "cut").rglob("*.shared.ckpt")
    (own,) = (shared_path / "cut").rglob("*.rank-0-of-1.ckpt")
    place = str(shared).removesuffix("shared.ckpt") + "*"
    kept = arrayfile.read(own)
    arrayfile.write(own, {name: value for name, value in kept.items() if "velocity" not in name})  # as of a run without momentum
    for text in ("expected a checkpoint with velocity_values, got one without", "not a whole array file: expected"):
        with pytest.raises(gw.DataError, match=f"{text}.*; remove {re.escape(place)} to go on from what was kept before"):
            run(comm, shared_path, *overrides, resume=True, results="cut")
        own.write_bytes(own.read_bytes()[:-1])
    own.unlink()
    assert run(comm, shared_path, *overrides, resume=True, results="cut").finished


@pytest.mark.ranks(1)
def test_recorded_gradients_need_not_be_there_of_epochs_that_are_trained_again(comm, shared_path, monkeypatch):
    from gradwire.commands.planning import plan_of

    prepare(comm, shared_path, monkeypatch)
    chosen = config.load(shared_path / "trial.toml", ["run.checkpoint_every=0"], ranks=1).runs()[0]
    results = shared_path / "results"
    for resume, at in ((False, (2, 0)), (True, (1, 0))):  # two rows; then the first epoch again, and its gradients over both
        with pytest.raises(RuntimeError, match="crash"):
            training.train(chosen, comm, results, resume=resume, progress=Crash(at), record_gradients=1)
    path = recorder.run_path(results, chosen)
    assert len(gw.load_run(path).epochs["test_loss"]) == 2
    assert not gradients.recorded_whole(results, chosen, 2)
    assert plan_of([chosen], results, True, True, 1)[0][2] == "unfinished"
    training.train(chosen, comm, results, resume=True, progress=Quiet(), record_gradients=1)
    assert gradients.recorded_whole(results, chosen, 3)
    gradients.gradients_path(results, chosen).unlink()
    with pytest.raises(gw.ConfigError, match="begun without recorded gradients"):
        plan_of([chosen], results, True, True, 1)


@pytest.mark.ranks(1, 3)
def test_local_steps_are_local_sgd(comm, shared_path, monkeypatch):
    """θ of the run, against the algorithm on dense float64 vectors; 450 rows are 12 or 4 steps, 3 does not divide the 4."""
    prepare(comm, shared_path, monkeypatch)
    overrides = ["run.local_steps=3", "codec.uplink=adam-sparse", "collective.name=allgather", "optimizer.name=sgd", "optimizer.lr=2"]
    trained = training.Training(config.load(shared_path / "trial.toml", overrides).runs()[0], comm)
    steps, take = [], trained.step
    monkeypatch.setattr(
        trained, "step", lambda rows, step, lr, exchanges: [steps.append((rows, exchanges)), take(rows, step, lr, exchanges)][1]
    )
    common = np.zeros(DIM)
    for epoch in range(2):
        trained.epoch(epoch, Quiet())
        columns = trained.columns()
        own, nnz, found = common.copy(), 0, 0
        for rows, exchanges in steps:
            gradient, _ = trained.model.gradient(own.astype(np.float32), trained.train, rows)
            own -= 2 * gradient.to_dense().astype(np.float64)
            if exchanges:
                nnz, found = nnz + np.count_nonzero(common - own), found + 1
                common = own = common - comm.allreduce(common - own) / comm.size
                own = common.copy()
        assert np.allclose(trained.params, common, atol=1e-5) and common.any()
        assert len(set(comm.allgather(trained.params.tobytes()))) == 1
        assert (columns["steps"], found) == (len(steps), -(-len(steps) // 3))
        assert abs(columns["nnz"] - nnz) <= 0.02 * nnz  # differences that float32 rounds to zero
        assert (columns["sparse_baseline_bytes"], columns["dense_baseline_bytes"]) == (8 * columns["nnz"], 4 * DIM * found)
        assert columns["message_nnz"] == columns["nnz"] and columns["vnmse"] == 0
        steps.clear()


@pytest.mark.ranks(2)
def test_local_steps_save_exchanges(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    settings = ("codec.uplink=none", "collective.name=allreduce", "optimizer.name=sgd", "optimizer.lr=1", "run.batch_size=20")
    each, fourth, last = (run(comm, shared_path, *settings, f"run.local_steps={every}") for every in (1, 4, 100))
    assert (each.epochs["steps"] == 12).all() and (last.epochs["steps"] == 12).all()
    assert np.array_equal(each.epochs["uplink_bytes"], 4 * fourth.epochs["uplink_bytes"])
    assert np.array_equal(each.epochs["uplink_bytes"], 12 * last.epochs["uplink_bytes"])
    for found in (each, fourth, last):
        assert np.array_equal(found.epochs["uplink_bytes"], found.epochs["dense_baseline_bytes"])
        assert found.epochs["train_loss"][-1] < found.epochs["train_loss"][0]
        assert (found.epochs["update_wall_s"] > 0).all()
    digests = [found.final_params_sha256 for found in (each, fourth, last)]
    assert len(set(digests)) == 3


@pytest.mark.ranks(2)
def test_gradients_of_local_steps_are_the_differences_that_were_exchanged(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    overrides = ["run.local_steps=4", "run.epochs=1", "run.batch_size=30", "optimizer.name=sgd", "codec.uplink=adam-sparse"]
    chosen = config.load(shared_path / "trial.toml", overrides).runs()[0]
    training.train(chosen, comm, shared_path / "results", progress=Quiet(), record_gradients=2)
    comm.Barrier()
    found = gradients.load_gradients(gradients.gradients_path(shared_path / "results", chosen))
    assert [(item.rank, item.step) for item in found] == [(0, 3), (1, 3), (0, 7), (1, 7)]  # of 8 steps
    assert (
        sum(item.gradient.nnz for item in found if item.rank == 0)
        == gw.load_run(recorder.run_path(shared_path / "results", chosen)).epochs["nnz"][0, 0]
    )


@pytest.mark.ranks(2)
def test_warm_up_keeps_more_at_first(comm, shared_path, monkeypatch):
    """ratio 0.01 after 0.1: of rows with enough entries, a tenth and a hundredth travel, both ways."""
    prepare(comm, shared_path, monkeypatch)
    settings = ("codec.uplink=topk(ratio=0.01)", "codec.error_feedback=true", "codec.warmup_epochs=1", "optimizer.warmup_epochs=1")
    rows = run(comm, shared_path, *settings).epochs
    for epoch, ratio in enumerate((0.1, 0.01, 0.01)):
        assert np.allclose(rows["message_nnz"][epoch], ratio * rows["nnz"][epoch], atol=rows["steps"][epoch])
    assert (rows["downlink_values_bytes"][0] > 3 * rows["downlink_values_bytes"][1]).all()
    assert rows["learning_rate"].tolist() == [0.025, 0.05, 0.05]


@pytest.mark.ranks(1, 3)
def test_deep_gradient_compression_trains(comm, shared_path, monkeypatch):
    """Sparsification, error feedback, momentum correction, masking, clipping and warm-up as experiments/dgc.toml has them, on small data."""
    prepare(comm, shared_path, monkeypatch)
    file = Path(__file__).parents[1] / "experiments" / "dgc.toml"
    data = tomllib.loads((shared_path / "trial.toml").read_text())["data"]
    small = [f"data.{key}={json.dumps(value)}" for key, value in data.items()]
    small += ["run.batch_size=20", "run.epochs=12", "model.l2=0.0", "run.vnmse_samples=2"]
    chosen = [each for each in config.load(file, small).runs() if each.momentum and each.optimizer["options"]["lr"] == 1.0]
    assert len(chosen) == 1 and (chosen[0].uplink, chosen[0].warmup_epochs) == ("sampled_topk(ratio=0.001)+adaptive+fp32", 4)
    trained = training.Training(chosen[0], comm)
    clipped, norm = trained.feedback, 0.1 * np.sqrt(comm.size)
    assert (clipped.momentum, clipped.masking, clipped.clip_norm) == (0.9, True, 0.1)
    compensate, norms = clipped.compensate, []

    def watched(gradient, ranks):
        before = clipped.residual + np.float32(0.9) * clipped.velocity
        total = compensate(gradient, ranks)
        norms.append((np.linalg.norm(gradient.values), np.linalg.norm(total.to_dense() - before)))
        return total

    monkeypatch.setattr(clipped, "compensate", watched)
    losses, shares = [trained.evaluate()["train_loss"]], []
    for epoch in range(12):
        trained.epoch(epoch, Quiet())
        columns = trained.columns()
        losses.append(trained.evaluate()["train_loss"])
        shares.append(columns["message_nnz"] / columns["nnz"])
    assert trained.params_sha256()
    assert all(after <= min(before, norm) * 1.001 for before, after in norms) and any(before > norm for before, _ in norms)
    assert losses[-1] < 0.75 * losses[0] and shares[0] > 10 * shares[5]


@pytest.mark.ranks(2)
def test_resume_without_a_checkpoint_starts_over_in_the_same_file(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    chosen = config.load(shared_path / "trial.toml", ["run.checkpoint_every=0"]).runs()[0]
    path = training.train(chosen, comm, shared_path / "results", progress=Quiet())
    comm.Barrier()
    again = training.train(chosen, comm, shared_path / "results", resume=True, progress=Quiet())
    assert path == again
    assert not list(shared_path.rglob("*.ckpt"))
    assert len(gw.load_run(path).epochs["test_loss"]) == 3


@pytest.mark.ranks(2)
def test_zeros_are_no_entries_for_any_codec(comm, shared_path, monkeypatch):
    """An SVM's rows beyond the margin pull at nothing: whether a codec would send such zeros must not change what is learnt."""
    prepare(comm, shared_path, monkeypatch)
    runs = [
        run(comm, shared_path, "model.name=svm", "optimizer.lr=0.5", f"codec.uplink={spec}") for spec in ("raw+fp32", "adam-sparse", "none")
    ]
    assert len({found.final_params_sha256 for found in runs}) == 1
    assert np.array_equal(runs[0].epochs["nnz"], runs[1].epochs["nnz"])
    assert np.array_equal(runs[0].epochs["uplink_bytes"], runs[1].epochs["uplink_bytes"])


@pytest.mark.ranks(2)
def test_checkpoints_of_an_earlier_run_are_not_resumed_from(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    chosen = config.load(shared_path / "trial.toml").runs()[0]
    folder = shared_path / "results" / "checkpoints" / "trial" / chosen.run_id

    class Stop(Exception):
        pass

    class Interrupted(Quiet):
        def step(self, epoch, step):
            if epoch == self.at:
                raise Stop

    for at in (2, 0):  # the second run begins anew, as after its file was deleted, and dies before its first checkpoint
        progress = Interrupted()
        progress.at = at
        with pytest.raises(Stop):
            training.train(chosen, comm, shared_path / "results", progress=progress)
        comm.Barrier()
    assert not folder.exists()
    found = run(comm, shared_path, resume=True)
    assert len(found.epochs["epoch_time_s"]) == 3 and (found.epochs["epoch_time_s"] > 0).all()
    assert not folder.exists(), "a finished run needs no checkpoint"


@pytest.mark.ranks(2)
def test_error_feedback_and_batch_ratio(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    found = run(comm, shared_path, "codec.uplink=topk(ratio=0.2)+natural", "codec.error_feedback=true", "run.batch_ratio=0.25")
    assert found.epochs["steps"][0, 0] == 4
    assert (found.epochs["message_nnz"] <= 0.2 * found.epochs["nnz"] + 4).all()
    assert (found.epochs["vnmse"] > 0).all()
    assert found.epochs["train_loss"][-1] < found.epochs["train_loss"][0]


@pytest.mark.ranks(2)
def test_ranks_that_end_with_different_parameters_are_an_error(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    chosen = config.load(shared_path / "trial.toml").runs()[0]
    trained = training.Training(chosen, comm)
    assert len(trained.params_sha256()) == 64
    trained.params[5] += comm.rank
    with pytest.raises(gw.GradwireError, match="different parameters"):
        trained.params_sha256()


def test_a_model_for_another_task_is_refused(tmp_path, monkeypatch):
    from mpi4py import MPI

    prepare(MPI.COMM_SELF, tmp_path, monkeypatch)
    chosen = config.load(tmp_path / "trial.toml", ["data.task=regression"]).runs()[0]
    with pytest.raises(gw.IncompatibleError, match="model logistic is for classification, data libsvm is for regression"):
        training.Training(chosen, MPI.COMM_SELF)


@pytest.mark.ranks(1, 3)
def test_gradients_are_recorded_when_asked(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    chosen = config.load(shared_path / "trial.toml", ["codec.uplink=fp16"]).runs()[0]
    path = training.train(chosen, comm, shared_path / "results", progress=Quiet(), record_gradients=2)
    comm.Barrier()
    found = gradients.load_gradients(gradients.gradients_path(shared_path / "results", chosen))
    last = int(gw.load_run(path).epochs["steps"][0, 0]) - 1
    wanted = [(rank, epoch, step) for epoch in range(3) for step in (0, last) for rank in range(comm.size)]
    assert [(item.rank, item.epoch, item.step) for item in found] == wanted
    assert all(item.gradient.dim == DIM and item.gradient.nnz > 0 and (item.gradient.values != 0).all() for item in found)
    plain = run(comm, shared_path, "codec.uplink=fp16", results="plain")
    assert plain.final_params_sha256 == gw.load_run(path).final_params_sha256


@pytest.mark.ranks(1)
def test_cautions_are_said_once(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    notes = []

    class Noting(Quiet):
        def note(self, text):
            notes.append(text)

    for results, *overrides in (("without", "codec.uplink=onebit"), ("with", "codec.uplink=onebit", "codec.error_feedback=true")):
        chosen = config.load(shared_path / "trial.toml", overrides).runs()[0]
        training.train(chosen, comm, shared_path / results, progress=Noting())
    assert len(notes) == 1 and "onebit is meant for error feedback; set codec.error_feedback = true" in notes[0]


@pytest.mark.ranks(1)
def test_gradients_of_an_earlier_run_do_not_count(comm, shared_path, monkeypatch):
    prepare(comm, shared_path, monkeypatch)
    chosen = config.load(shared_path / "trial.toml", ["codec.uplink=fp16"]).runs()[0]
    results = shared_path / "results"
    path = training.train(chosen, comm, results, progress=Quiet(), record_gradients=1)
    assert gradients.recorded_whole(results, chosen, chosen.epochs)
    path.unlink()
    training.train(chosen, comm, results, progress=Quiet())
    assert not gradients.gradients_path(results, chosen).exists() and not gradients.recorded_whole(results, chosen, chosen.epochs)
