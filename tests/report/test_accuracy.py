"""Accuracy for bytes, by hand: points, target, steps, what theory allows, and which rows are compared with which."""

import csv
import io

import numpy as np
import pytest

from gradwire.report import accuracy, figure, table
from gradwire.report.load import collect
from gradwire.report.measures import measure

STEPS = 30
"""Of an epoch of the made-up runs."""


@pytest.fixture
def rows(make_run, stored, tmp_path):
    """rows([(spec, metrics of the epochs, config, fields)], model) → (Collection, [Row])."""

    def made(runs, model="mlp"):
        made = []
        for seed, (spec, metrics, config, fields) in enumerate(runs):
            config = {"model": {"name": model}, "data": {"name": "fashion-mnist"}} | config
            config["run"] = {"epochs": 4} | config.get("run", {})
            run = make_run(spec, epochs=len(metrics), seed=seed, config=config, **fields)
            run.epochs["test_metric"][:] = metrics
            run.epochs["train_loss"][:] = 1 - np.array(metrics)
            made.append(run)
        stored(made, tmp_path)
        collection = collect(tmp_path, "quickstart")
        return collection, [measure(group) for group in collection.groups]

    return made


UP = ("none", [0.80, 0.86, 0.88, 0.88], {}, {})


def by_spec(found):
    (problem,) = accuracy.compared(found)
    return {row.group.spec: each for row, each in zip(problem, accuracy.measured(problem))}


def test_points_steps_and_slowdown_by_hand(rows):
    _, found = rows([UP, ("natural", [0.60, 0.80, 0.87, 0.876], {}, {}), ("onebit", [0.5, 0.6, 0.7, 0.8], {}, {})])
    each = by_spec(found)
    assert each["none"].points == 0 and each["none"].slowdown == 1 and each["none"].loss_slowdown == 1
    assert each["natural"].points == pytest.approx(-0.4) and each["natural"].is_within
    assert each["onebit"].points == pytest.approx(-8.0) and not each["onebit"].is_within
    # the target is 0.875: none comes to it three quarters of the way through epoch 3, natural five sixths through epoch 4
    assert each["none"].steps == pytest.approx(STEPS * 2.75) and each["natural"].steps == pytest.approx(STEPS * (3 + 5 / 6))
    assert each["natural"].slowdown == pytest.approx((3 + 5 / 6) / 2.75)
    assert np.isnan(each["onebit"].steps) and np.isnan(each["onebit"].slowdown)
    # the loss to reach is 0.12, of none after its third epoch
    assert np.isnan(each["natural"].loss_slowdown)
    assert by_spec(rows([UP, ("natural", [0.8, 0.8, 0.86, 0.9], {}, {})])[1])["natural"].loss_slowdown == pytest.approx(3.5 / 3)


def test_bits_per_byte_are_better_the_smaller_they_are(rows):
    _, found = rows([("none", [3.0, 2.4], {}, {}), ("natural", [3.0, 2.39], {}, {}), ("onebit", [3.0, 2.41], {}, {})], "transformer")
    each = by_spec(found)
    assert each["natural"].points == pytest.approx(1.0) and each["onebit"].points == pytest.approx(-1.0)
    assert each["natural"].is_within and not each["onebit"].is_within and each["natural"].slowdown < 1


def test_exactly_the_tolerance_is_within(rows):
    each = by_spec(rows([UP, ("natural", [0.8, 0.8, 0.8, 0.875], {}, {})])[1])["natural"]
    assert each.is_within and each.steps == pytest.approx(4 * STEPS)


def test_what_diverged_is_said(rows):
    diverged = {"diverged": "NaN"}
    collection, found = rows([UP, ("natural", [0.8, np.nan], {}, diverged)])
    each = by_spec(found)["natural"]
    assert each.diverged == 1 and not each.is_within and np.isnan(each.steps)
    (block,) = accuracy.blocks(found)
    assert {row[0]: row[1:4] for row in block.rows}["natural (diverged)"] == ("–", "1 of 1 diverged", "–")
    figure.draw(collection, found)


def test_rows_are_compared_whatever_carries_them(rows):
    """Collective, optimizer, local steps and codec are part of the way to exchange; model, data, batch and ranks are not."""
    others = [
        ("natural", [0.8, 0.8, 0.8, 0.8], {"collective": {"name": "allgather"}}, {}),
        ("topk", [0.8, 0.8, 0.8, 0.8], {"optimizer": {"name": "sgd"}}, {}),
        ("none", [0.9, 0.9, 0.9, 0.9], {"run": {"local_steps": 4}}, {}),
    ]
    _, found = rows([UP, *others])
    (problem,) = accuracy.compared(found)
    assert len(problem) == 4
    points = {row.group.label: each.points for row, each in zip(problem, accuracy.measured(problem))}
    assert points["none, local_steps=4"] > 1  # a row of local steps is no baseline
    _, found = rows([UP, ("natural", [0.8, 0.8, 0.8, 0.8], {"run": {"batch_size": 7}}, {})])
    assert accuracy.compared(found) == [] and len(accuracy.problems(found)) == 2


def test_an_average_that_comes_back_compressed_is_no_baseline(rows):
    back = ("none", [0.9, 0.9, 0.9, 0.9], {"codec": {"downlink": "natural"}}, {})
    _, found = rows([UP, back])
    assert by_spec(found)["none"] is not None
    (problem,) = accuracy.compared(found)
    assert sorted(each.points for each in accuracy.measured(problem)) == [0, pytest.approx(2.0)]


def test_where_the_loss_is_the_aim_there_is_no_block(rows):
    _collection, found = rows([UP, ("natural", [0.8, 0.8, 0.8, 0.8], {}, {})], "logistic")
    assert accuracy.blocks(found) == [] and accuracy.notes(found) == []
    assert next(iter(csv.DictReader(io.StringIO(table.as_csv(found)))))["metric_points_vs_uncompressed"] == ""


@pytest.mark.parametrize(
    ("omegas", "config", "expected"),
    [
        ((0.125, 0.125), {}, (1.125 * (1 + 0.125 / 4), 1.125**2)),
        ((0.125, 0.0), {}, (1 + 0.125 / 4, 1.125)),
        ((0.0, 0.5), {}, (1.5, 1.5)),
        ((0.125, 0.125), {"codec": {"error_feedback": True}}, (np.nan, np.nan)),
        ((0.125, 0.125), {"run": {"local_steps": 2}}, (np.nan, np.nan)),
        ((np.nan, 0.125), {}, (np.nan, np.nan)),
    ],
)
def test_the_steps_that_theory_allows(rows, omegas, config, expected):
    _collection, found = rows([UP, ("natural", [0.8, 0.8, 0.8, 0.88], config, {"omegas": omegas})])
    assert by_spec(found)["natural"].theory == pytest.approx(expected, nan_ok=True)
    assert any(line.startswith("Theory:") for line in accuracy.notes(found)) == bool(np.isfinite(expected[0]))


def test_numbers_are_in_the_csv_and_the_figure_shows_the_metric(rows):
    repeat = ("natural", [0.60, 0.80, 0.87, 0.876], {}, {})
    collection, found = rows([UP, repeat])
    line = list(csv.DictReader(io.StringIO(table.as_csv(found))))[1]
    assert float(line["metric_points_vs_uncompressed"]) == pytest.approx(-0.4)
    assert float(line["steps_to_metric_vs_uncompressed"]) == pytest.approx((3 + 5 / 6) / 2.75)
    drawn = figure.draw(collection, found)
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["Error against time", "Error against bytes", "Bytes per epoch"]
    assert drawn.axes[0].lines[1].get_ydata() == pytest.approx([40, 20, 13, 12.4])


def test_rows_that_end_far_above_the_others_leave_the_axes_by_name(rows):
    collection, found = rows([UP, ("natural", [0.80, 0.86, 0.88, 0.87], {}, {}), ("onebit", [0.1, 0.2, 0.3, 0.4], {}, {})])
    assert "Above the axes, with where they end: onebit (60.0)." in figure.caption(collection, found)
    low, high = figure.draw(collection, found).axes[0].get_ylim()
    assert 11 < low < 12 and high == pytest.approx(2 * 13)
    assert "Above the axes" not in figure.caption(collection, found[:2])


def test_bits_per_byte_are_drawn_as_they_are(rows):
    collection, found = rows([("none", [3.0, 2.4], {}, {}), ("natural", [3.0, 2.39], {}, {})], "transformer")
    drawn = figure.draw(collection, found)
    assert drawn.axes[0].get_ylabel() == "test bits per byte" and drawn.axes[0].lines[1].get_ydata().tolist() == [3.0, 2.39]


def test_repeats_give_median_and_range(rows):
    three = [("natural", [0.8, 0.8, 0.8, last], {}, {}) for last in (0.87, 0.88, 0.90)]
    _, found = rows([UP, *three])
    each = by_spec(found)["natural"]
    assert (each.median, each.low, each.high) == (0.88, 0.87, 0.90)
    (block,) = accuracy.blocks(found)
    assert block.rows[1][1:3] == ("0.8800", "(0.8700–0.9000)")


def test_unfinished_runs_are_marked(rows):
    _, found = rows([UP, ("natural", [0.8, 0.8], {}, {"finished": False})])
    (block,) = accuracy.blocks(found)
    assert block.rows[1][0] == "natural (unfinished)"
