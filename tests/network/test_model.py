"""Predictions for runs whose truth is known: own settings, other rates, ranks and collectives."""

from dataclasses import replace

import numpy as np
import pytest

from gradwire import ConfigError, DataError, IncompatibleError
from gradwire.network.costs import cost
from gradwire.network.link import Link, Measurement
from gradwire.network.model import LATENCY_S, measurements, own_alpha, predict_run, predictions
from gradwire.network.profile import of_run

COLLECTIVES = ("gather_bcast", "allgather", "reduce_scatter")


def measured_s(run):
    return float(np.median(run.epochs["epoch_time_s"].max(axis=1)[1:]))


@pytest.mark.parametrize("collective", COLLECTIVES)
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_a_run_at_its_own_settings_takes_its_own_time(make_run, collective, ranks):
    run = make_run(collective=collective, ranks=ranks)
    found = predict_run(run)
    assert found.epoch_s == pytest.approx(measured_s(run), rel=1e-9)
    assert found.step_s == pytest.approx(sum(found.parts.values()))
    assert found.link is None


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_and_so_it_does_with_its_own_link(make_run, collective):
    run = make_run(collective=collective)
    link = Link.of_rate(1e8, 1e-4)
    assert predict_run(run, alpha=link.alpha, beta=link.beta).epoch_s == pytest.approx(measured_s(run), rel=1e-9)
    assert predict_run(run, rate=1e8).epoch_s == pytest.approx(measured_s(run), rel=1e-9)  # finds α itself
    assert own_alpha(of_run(run)) == pytest.approx(1e-4)


@pytest.mark.parametrize("collective", COLLECTIVES)
@pytest.mark.parametrize("rate", [2e7, 1e9])
def test_another_rate_is_predicted(make_run, collective, rate):
    target = make_run(collective=collective, rate_bps=rate)
    assert predict_run(make_run(collective=collective), rate=rate).epoch_s == pytest.approx(measured_s(target), rel=1e-9)


@pytest.mark.parametrize("growth", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("ranks", [2, 3, 8, 12])
def test_other_ranks_are_predicted(make_run, ranks, growth):
    """The root decodes more messages, the mean has more entries, an epoch has fewer steps."""
    source, target = (make_run(ranks=each, growth=growth) for each in (4, ranks))
    assert predict_run(source, ranks=ranks).epoch_s == pytest.approx(measured_s(target), rel=1e-9)
    assert predict_run(source, ranks=ranks).steps == 240 // ranks


def test_other_ranks_of_reduce_scatter(make_run):
    truth = {"encode_mean": 0.4e-3, "decode_mean": 0.3e-3}  # as an entry of a message: what the profile takes
    source, target = (make_run(collective="reduce_scatter", ranks=each, work=truth) for each in (4, 8))
    assert predict_run(source, ranks=8).epoch_s == pytest.approx(measured_s(target), rel=1e-9)


def test_other_ranks_of_allgather_are_predicted_but_for_the_update(make_run):
    source, target = (make_run(collective="allgather", ranks=each, work={"update": 0.0}) for each in (4, 8))
    found = predict_run(source, ranks=8)
    assert found.epoch_s == pytest.approx(measured_s(target), rel=1e-9)
    assert "as if ranks shared no key" in found.notes[0]


def test_the_root_may_be_another_rank(make_run):
    at = {"collective": {"root": 2}}
    found = predict_run(make_run(config=at), ranks=8)
    assert found.epoch_s == pytest.approx(predict_run(make_run(), ranks=8).epoch_s)


def test_another_collective_is_predicted(make_run):
    """By hand: the driver's run tells the work on one message; allgather decodes four of them and encodes no mean."""
    run = make_run()
    found = predict_run(run, collective="allgather", alpha=1e-4, beta=8e-8)
    assert found.parts["encode"] == pytest.approx(0.4e-3)
    assert found.parts["decode"] == pytest.approx(4 * 0.3e-3)
    assert found.parts["comm"] == pytest.approx(cost("allgather", 4, 30_000).seconds(1e-4, 8e-8))


def test_a_slower_byte_never_makes_a_faster_epoch(make_run):
    run = make_run()
    times = [predict_run(run, alpha=1e-4, beta=beta, ranks=8).epoch_s for beta in np.geomspace(1e-10, 1e-5, 50)]
    assert np.all(np.diff(times) > 0)
    times = [predict_run(run, alpha=alpha, beta=1e-8, ranks=8).epoch_s for alpha in np.geomspace(1e-7, 1e-1, 50)]
    assert np.all(np.diff(times) > 0)


def test_the_mean_never_has_more_entries_than_dim(make_run):
    run = make_run(growth=1.0, dim=8_000)  # a message has 1000 of them
    profile = of_run(run)
    assert [profile.union(ranks) for ranks in (1, 4, 8, 100)] == pytest.approx([1, 4, 8, 8])


def test_local_steps_spread_an_exchange_over_steps(make_run):
    run = make_run(config={"run": {"local_steps": 4}})
    profile = of_run(run)
    assert (profile.every, profile.up) == (4, 4 * 30_000)
    assert profile.cost().link_bytes == pytest.approx(cost("gather_bcast", 4, 120_000, 240_000).link_bytes / 4)


def test_shared_cores_are_measured_in_cpu_time_which_is_said(make_run):
    run = make_run(cores=2, cpu_share=0.5)
    found = predict_run(run, rate=1e8, alpha=0)
    assert found.clock == "CPU"
    assert found.parts["compute"] == pytest.approx(1e-3)
    assert any("shared cores" in note for note in found.notes)
    wall = predict_run(run, rate=1e8, alpha=0, clock="wall")
    assert wall.parts["compute"] == pytest.approx(2e-3)
    assert predict_run(make_run(cores=4, cpu_share=0.5)).clock == "wall"


def test_a_run_that_knows_no_rate_needs_a_link(make_run):
    run = make_run(network="local")
    assert predict_run(run).epoch_s == pytest.approx(measured_s(run))
    for asked in ({"ranks": 8}, {"collective": "allgather"}, {"alpha": 1e-4}):
        with pytest.raises(ConfigError, match="unknown rate"):
            predict_run(run, **asked)
    assert predict_run(run, ranks=8, rate=1e9).link.alpha == LATENCY_S
    with pytest.raises(ConfigError, match="got both"):
        predict_run(run, beta=1e-8, rate=1e9)


def test_a_profile_without_times_of_a_network_needs_a_link(make_run):
    with pytest.raises(ConfigError, match="expected a link"):
        of_run(make_run()).step_s(ranks=8)


def test_a_batch_that_depends_on_the_ranks_cannot_be_predicted_for_others(make_run):
    run = make_run(config={"run": {"batch_ratio": 0.1}})
    assert predict_run(run).epoch_s == pytest.approx(measured_s(run))
    with pytest.raises(IncompatibleError, match=r"run\.batch_ratio"):
        predict_run(run, ranks=8)


def test_a_downlink_of_its_own_says_nothing_about_the_union(make_run):
    profile = of_run(make_run(config={"codec": {"downlink": "none"}}))
    assert profile.growth == 1.0
    assert "another codec" in profile.notes[0]


def test_runs_without_epochs_or_bytes_are_refused(make_run):
    run = make_run()
    run.epochs["uplink_bytes"] = run.epochs["uplink_bytes"] * 0
    with pytest.raises(DataError, match="nothing was sent"):
        of_run(run)
    run.epochs["test_loss"] = run.epochs["test_loss"][:0]
    with pytest.raises(DataError, match="at least one finished epoch"):
        of_run(run)


def test_runs_are_measurements_of_their_network(make_run):
    found = measurements([make_run(), make_run(ranks=1)])
    assert len(found) == 1  # one rank says nothing
    m = found[0]
    assert (m.collective, m.ranks, m.up, m.rate_bps) == ("gather_bcast", 4, 30_000, 1e8)
    assert m.down == pytest.approx(60_000)
    assert m.seconds == pytest.approx(m.cost.seconds(1e-4, Link.of_rate(1e8).beta))


def test_runs_that_were_not_fitted_are_predicted(make_run):
    """Fitted at 100 Mbit/s and 2 and 4 ranks; 8 ranks, 1 Gbit/s, in a world whose lines give 1.2 times their time per byte."""
    specs = {"natural": 24_000, "bf16": 76_000, "none": 920_000}

    def runs(ranks, rate):
        return [make_run(spec, ranks=ranks, rate_bps=rate / 1.2, nbytes=size) for spec, size in specs.items()]

    sources, targets = [*runs(2, 1e8), *runs(4, 1e8)], [*runs(4, 1e9), *runs(8, 1e8), make_run("fp16")]
    for run in (*sources, *targets):
        run.environment["link_rate_bps"] *= 1.2
    found = predictions(sources, targets)
    assert len(found) == 6  # no source has fp16
    assert [each.error for each in found] == pytest.approx([0] * 6, abs=1e-6)
    assert found[3].source == sources[3].run_id  # 4 ranks are nearer to 8 than 2
    assert found[0].predicted_s == pytest.approx(found[0].measured_s)


def test_predictions_need_a_pair(make_run):
    with pytest.raises(DataError, match="same codec and collective"):
        predictions([make_run(), make_run(nbytes=10**6)], [make_run("fp16")])


def test_a_run_is_predicted_from_runs_of_its_own_job(make_run):
    """Another model, data set, batch or error feedback is other work and other bytes: no source of this run."""
    svm = {"model": {"name": "svm"}}
    sources = [make_run(nbytes=size, config=config) for size, config in ((30_000, None), (900_000, svm), (100_000, None))]
    sources[2].config["codec"]["error_feedback"] = True
    targets = [make_run(rate_bps=1e9), make_run(rate_bps=1e9, nbytes=900_000, config=svm)]
    found = predictions(sources, targets)
    assert [each.error for each in found] == pytest.approx([0, 0], abs=1e-6)
    assert [each.title for each in found] == ["logistic on flights", "svm on flights"]
    for other in ({"data": {"name": "kddb"}}, {"run": {"batch_size": 200}}, {"codec": {"momentum": 0.9}}):
        with pytest.raises(DataError, match="codecs to predict: natural; codecs of the other runs: natural"):
            predictions(sources, [make_run(config=other)])


def test_measured_collectives_help_where_runs_are_few(make_run):
    beta = Link.of_rate(1e8).beta
    calls = [Measurement("gatherv", 4, size, 0, 1e-4 + 3 * size * beta, 1e8) for size in (1e4, 1e5)]
    found = predictions([make_run()], [make_run(rate_bps=1e9)], calls)
    assert found[0].error == pytest.approx(0, abs=1e-3)


def hierarchical(make_run, ranks=4, per_node=2, **options):
    """A run over nodes: what their leaders do is a run of half as many ranks, the others wait."""
    inner = make_run(collective="allgather", ranks=ranks // per_node, total_steps=240 // per_node, growth=0.0, **options)
    leader = np.arange(ranks) % per_node == 0
    for name, values in inner.epochs.items():
        if values.ndim == 2:
            spread = np.repeat(values, per_node, axis=1)
            inner.epochs[name] = spread * leader if name.startswith(("uplink", "downlink", "encode", "decode")) else spread
    config = inner.config | {"collective": {"name": "hierarchical", "per_node": per_node}}
    return replace(inner, config=config, ranks=ranks)


def test_a_node_is_one_sender(make_run):
    run = hierarchical(make_run, work={"update": 0.0})
    profile = of_run(run)
    assert (profile.per_node, profile.senders(4), profile.senders(7), profile.formula()) == (2, 2, 4, "allgather")
    assert profile.up == 30_000
    assert predict_run(run).epoch_s == pytest.approx(measured_s(run))
    target = hierarchical(make_run, ranks=8, work={"update": 0.0})
    assert predict_run(run, ranks=8).epoch_s == pytest.approx(measured_s(target))
    assert measurements([run])[0].ranks == 2


def test_nodes_are_known_only_to_a_run_that_had_them(make_run):
    for run, asked in ((make_run(), "hierarchical"), (hierarchical(make_run), "allgather")):
        with pytest.raises(IncompatibleError, match="record a run with it"):
            predict_run(run, collective=asked, rate=1e9)


@pytest.mark.parametrize("ranks", [2, 4, 7])
def test_factors_are_as_long_for_any_ranks(make_run, ranks):
    run = make_run("none", collective="powersgd", growth=0.0, nbytes=7040)
    found = predict_run(run, ranks=ranks, alpha=1e-4, beta=8e-8)
    assert found.parts["comm"] == pytest.approx(cost("powersgd", ranks, 7040).seconds(1e-4, 8e-8))
    assert found.parts["decode"] == pytest.approx(0.3e-3) and found.notes == ()


def test_factors_say_nothing_about_other_collectives(make_run):
    for own, asked in (("powersgd", "allreduce"), ("allreduce", "powersgd")):
        with pytest.raises(IncompatibleError, match=f"none: {asked} does not send what {own} has sent; record a run with {asked}"):
            predict_run(make_run("none", collective=own, growth=0.0), collective=asked, rate=1e9)


@pytest.mark.parametrize(("spec", "name"), [("fp16", "allreduce_halves"), ("none", "allreduce")])
def test_halves_are_not_added_by_mpi(make_run, spec, name):
    assert of_run(make_run(spec, collective="allreduce", growth=0.0)).formula() == name
