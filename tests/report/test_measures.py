"""Every number of a row against the same number worked out here from the columns."""

from dataclasses import replace

import numpy as np
import pytest

from gradwire.report.load import Group
from gradwire.report.measures import PHASES, SECTIONS, Spread, cumulative_bytes, cumulative_time_s, measure, steady


def row_of(*runs):
    return measure(Group(runs[0].spec, runs[0].spec, True, runs))


def test_time_is_the_slowest_rank_then_the_median_after_warm_up(make_run):
    run = make_run("natural", epochs=4, ranks=2)
    run.epochs["epoch_time_s"] = np.array([[90.0, 99.0], [1.0, 2.0], [5.0, 4.0], [3.0, 3.5]])
    run.epochs["encode_wall_s"] = np.array([[9.0, 9.0], [0.1, 0.3], [0.2, 0.2], [0.1, 0.1]])
    row = row_of(run)
    assert row["epoch_time_s"] == 3.5
    assert row["encode_wall_s"] == 0.2
    assert row.measures["epoch_time_s"] == Spread(3.5, 2.0, 5.0, 3)


def test_cpu_time_is_all_phases_of_the_busiest_rank(make_run):
    run = make_run("natural", epochs=2, ranks=2)
    for phase in PHASES:
        run.epochs[f"{phase}_cpu_s"] = np.array([[9.0, 9.0], [1.0, 2.0]])
    assert row_of(run)["cpu_s"] == 12.0


def test_repeats_give_the_median_of_the_runs_and_their_range(make_run):
    runs = [make_run("natural", epochs=2, ranks=1, seed=seed) for seed in range(3)]
    for run, seconds in zip(runs, (5.0, 1.0, 2.0)):
        run.epochs["epoch_time_s"] = np.array([[100.0], [seconds]])
    assert row_of(*runs).measures["epoch_time_s"] == Spread(2.0, 1.0, 5.0, 3)


def test_bytes_are_the_mean_over_ranks_and_epochs_after_warm_up(make_run):
    run = make_run("natural", epochs=3, ranks=2)
    run.epochs["uplink_bytes"] = np.array([[1000, 1000], [10, 20], [30, 40]], np.uint64)
    run.epochs["dense_baseline_bytes"] = np.array([[9, 9], [100, 100], [100, 100]])
    row = row_of(run)
    assert row["uplink_bytes"] == 25
    assert row["ratio_to_dense_fp32"] == 4
    assert (
        sum(row_of(make_run("natural"))[f"downlink_{section}_bytes"] for section in SECTIONS)
        == row_of(make_run("natural"))["downlink_bytes"]
    )


def test_bits_per_key_and_their_bound_are_of_the_keys_sent(make_run):
    run = make_run("fastsgd", key_bytes=0.9)
    assert row_of(run)["bits_per_key"] == pytest.approx(7.2)
    assert row_of(run)["bound_bits_per_key"] == pytest.approx(5.6)
    run.epochs["message_nnz"] = run.epochs["nnz"] // 2
    run.epochs["entropy_bound_bytes"] = 0.8 * run.epochs["message_nnz"]
    assert row_of(run)["bits_per_key"] == pytest.approx(14.4)
    assert row_of(run)["bound_bits_per_key"] == pytest.approx(6.4)
    run.epochs["entropy_bound_bytes"] = 0 * run.epochs["nnz"]
    assert np.isnan(row_of(run)["bound_bits_per_key"])  # a dense message has no keys to bound


def test_without_keys_there_are_no_bits_per_key(make_run):
    assert np.isnan(row_of(make_run("none"))["bits_per_key"])


def test_no_bytes_give_no_ratio(make_run):
    run = make_run("natural")
    run.epochs["uplink_bytes"] = 0 * run.epochs["uplink_bytes"]
    assert np.isnan(row_of(run)["ratio_to_dense_fp32"])


def test_leaders_alone_have_baselines_in_a_hierarchy(make_run):
    """Two nodes of two ranks, dim 1000, 10 steps. Leaders' messages: 700 and 500 entries in 2000 and 1000 bytes. Dense: 2 leaders ×
    4 bytes × 1000 × 10 / 3000; sparse: 8 × 1200 / 3000, whatever the four fresh gradients had."""
    run = make_run("natural", epochs=2, ranks=4)
    rows = {
        "uplink_bytes": [2000, 0, 1000, 0],
        "uplink_keys_bytes": [900, 0, 400, 0],
        "message_nnz": [700, 0, 500, 0],
        "nnz": [400, 500, 300, 350],
        "dense_baseline_bytes": [40_000] * 4,
        "sparse_baseline_bytes": [3200, 4000, 2400, 2800],
    }
    run.epochs.update({name: np.array([[9] * 4, numbers]) for name, numbers in rows.items()})
    row = row_of(run)
    assert row["ratio_to_dense_fp32"] == pytest.approx(80_000 / 3000)
    assert row["ratio_to_sparse_fp32"] == pytest.approx(9600 / 3000)
    assert row["uplink_bytes"] == 750
    run.epochs["uplink_keys_bytes"] = np.zeros((2, 4))  # dense messages: how sparse the nodes' means were is not known
    assert np.isnan(row_of(run)["ratio_to_sparse_fp32"])
    assert row_of(run)["ratio_to_dense_fp32"] == pytest.approx(80_000 / 3000)


def test_where_all_ranks_send_the_baseline_is_the_fresh_gradients(make_run):
    """Two ranks, 100 and 300 fresh entries: 8 × 400 / 800 = 4, although a sparsifier sent only 50 of them."""
    run = make_run("natural", epochs=2, ranks=2)
    rows = {"uplink_bytes": [300, 500], "message_nnz": [20, 30], "sparse_baseline_bytes": [800, 2400], "dense_baseline_bytes": [8000, 8000]}
    run.epochs.update({name: np.array([[9, 9], numbers]) for name, numbers in rows.items()})
    assert (row_of(run)["ratio_to_sparse_fp32"], row_of(run)["ratio_to_dense_fp32"]) == (4, 20)


def test_error_and_result_are_of_the_first_and_the_last_epoch(make_run):
    run = make_run("sketchml", epochs=3, ranks=2)
    run.epochs["vnmse"] = np.array([[0.2, 0.4], [7, 7], [0.1, 0.0]])
    run.epochs["test_loss"] = np.array([0.5, 0.4, 0.45])
    row = row_of(run)
    assert (row["vnmse_first"], row["vnmse_last"], row["test_loss"]) == (pytest.approx(0.3), 0.05, 0.45)


def test_without_an_epoch_after_warm_up_the_warm_up_counts(make_run):
    assert steady(make_run(epochs=1)).tolist() == [True]
    assert steady(make_run(epochs=3)).tolist() == [False, True, True]


def test_progress_counts_every_epoch(make_run):
    run = make_run(epochs=3, ranks=2)
    run.epochs["epoch_time_s"] = np.array([[1.0, 2.0], [3.0, 1.0], [1.0, 1.0]])
    run.epochs["uplink_bytes"] = np.array([[10, 20], [10, 20], [10, 20]], np.uint64)
    run.epochs["downlink_bytes"] = np.array([[1, 1], [1, 1], [1, 1]], np.uint64)
    assert cumulative_time_s(run).tolist() == [2, 5, 6]
    assert cumulative_bytes(run).tolist() == [16, 32, 48]


def test_a_metric_that_is_not_a_number_stays_unknown(make_run):
    run = make_run("natural")
    run.epochs["test_metric"] = np.full(5, np.nan)
    spread = row_of(run).measures["test_metric"]
    assert spread.n == 0
    assert np.isnan(spread.median)


def test_a_repeat_that_diverged_is_seen_in_the_range(make_run):
    runs = [make_run("natural", epochs=2, seed=seed) for seed in range(3)]
    for run, loss in zip(runs, (0.4, 0.5, np.nan)):
        run.epochs["test_loss"] = np.array([0.6, loss])
    assert row_of(*runs).measures["test_loss"] == Spread(0.5, 0.4, np.inf, 3)


def test_the_epoch_in_which_a_run_diverged_is_no_whole_one(make_run):
    """It was cut off: neither its time nor its bytes say what an epoch costs."""
    whole, cut = make_run("natural", epochs=4), make_run("natural", epochs=4)
    for name, column in cut.epochs.items():
        if name not in ("warmup", "ranks"):
            column[-1] = column[-1] // 10 if column.dtype.kind in "iu" else column[-1] / 10
    diverged = row_of(replace(cut, diverged="NaN"))
    expected = row_of(whole)
    assert diverged["uplink_bytes"] == expected["uplink_bytes"] and diverged["uplink_step_bytes"] == expected["uplink_step_bytes"]
    assert diverged["epoch_time_s"] > 0.9 * expected["epoch_time_s"]
    at_once = replace(make_run("natural", epochs=1), diverged="NaN")
    at_once.epochs["steps"][:], at_once.epochs["vnmse"][:] = 0, np.nan
    row = row_of(at_once)
    assert np.isnan(row["uplink_step_bytes"]) and np.isnan(row["vnmse_last"])


def test_bytes_of_a_step(make_run):
    run = make_run("natural")
    assert row_of(run)["uplink_step_bytes"] == pytest.approx(run.epochs["uplink_bytes"][1, 0] / 30)


def test_bits_of_a_key_are_unknown_where_small_tensors_have_none(make_run):
    row = row_of(make_run("topk", config={"codec": {"granularity": "tensor", "uncompressed_below": 50}}))
    assert np.isnan(row["bits_per_key"]) and np.isnan(row["bound_bits_per_key"])
    assert row_of(make_run("topk"))["bits_per_key"] > 0
