"""Speed-ups worked out by hand, families of rows, and published figures that stay in their own columns."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from gradwire.report import load, measures, published, speed, table
from gradwire.report.load import collect
from gradwire.report.measures import measure


@pytest.fixture
def rows(make_run, stored, tmp_path):
    """rows({spec: (seconds of an epoch, losses)}, config={…}) → [Row]."""

    def made(runs, config=None):
        stored([_run(make_run, *item, seed, config) for seed, item in enumerate(runs.items())], tmp_path)
        return [measure(group) for group in collect(tmp_path, "quickstart").groups]

    return made


def _run(make_run, spec, numbers, seed=0, config=None):
    seconds, losses = numbers
    run = make_run(spec, epochs=len(losses), seed=seed, config=config)
    run.epochs["epoch_time_s"] = np.full((len(losses), run.ranks), seconds)
    run.epochs["test_loss"] = np.array(losses)
    return run


def test_speedups_by_hand(rows):
    found = rows({"adam-sparse": (4.0, [0.6, 0.5]), "bf16": (3.0, [0.6, 0.5]), "zipml": (2.0, [0.7, 0.6]), "natural": (1.0, [0.8, 0.4])})
    (family,) = speed.families(found)
    by_spec = dict(zip([row.group.spec for row in family], speed.speeds(family)))
    assert by_spec["natural"].epoch == {"uncompressed": 4.0, "16-bit": 3.0, "zipml": 2.0}
    assert by_spec["zipml"].epoch == {"uncompressed": 2.0, "16-bit": 1.5, "zipml": 1.0}
    # the goal is 0.5 · 1.001: adam-sparse falls from 0.6 at 4 s to 0.5 at 8 s, natural from 0.8 at 1 s to 0.4 at 2 s
    assert by_spec["adam-sparse"].target_s == pytest.approx(4 + 4 * 0.0995 / 0.1)
    assert by_spec["natural"].target_s == pytest.approx(1 + 0.2995 / 0.4)
    assert by_spec["natural"].target == pytest.approx(by_spec["adam-sparse"].target_s / by_spec["natural"].target_s)
    assert by_spec["natural"].excess == pytest.approx(-0.2)
    assert np.isnan(by_spec["zipml"].target_s) and by_spec["zipml"].excess == pytest.approx(0.2)


def test_a_loss_that_is_there_at_once_is_reached_at_the_end_of_the_first_epoch():
    assert measures.first(np.array([2.0, 4.0]), np.array([0.1, 0.1]), 0.2) == 2.0
    assert np.isnan(measures.first(np.array([2.0, 4.0]), np.array([0.3, 0.25]), 0.2))


def test_local_steps_set_no_easier_target(make_run, stored, tmp_path):
    """Their epochs are the fastest uncompressed ones; the loss to reach is still that of every step exchanged."""
    local = {"run": {"local_steps": 8}}
    runs = [("none", (4.0, [0.6, 0.4]), None), ("none", (1.0, [0.6, 0.5]), local), ("natural", (2.0, [0.6, 0.4]), None)]
    stored([_run(make_run, spec, numbers, seed, config) for seed, (spec, numbers, config) in enumerate(runs)], tmp_path)
    (family,) = speed.families([measure(group) for group in collect(tmp_path, "quickstart").groups])
    found = {(row.group.spec, row["epoch_time_s"]): each for row, each in zip(family, speed.speeds(family))}
    assert found["none", 1.0].epoch["uncompressed"] == 1 and found["none", 4.0].epoch["uncompressed"] == 0.25
    assert np.isnan(found["none", 1.0].target_s) and found["none", 1.0].excess == pytest.approx(0.25)
    assert found["none", 4.0].target == 1 and found["natural", 2.0].target == pytest.approx(2)


def test_an_uncompressed_row_reaches_its_own_loss_whatever_its_repeats(make_run, stored, tmp_path):
    repeats = [_run(make_run, "none", (1.0, [0.6, 0.4 + 0.1 * seed]), seed) for seed in range(2)]
    stored([*repeats, _run(make_run, "natural", (1.0, [0.6, 0.4]), 5)], tmp_path)
    (family,) = speed.families([measure(group) for group in collect(tmp_path, "quickstart").groups])
    found = {row.group.spec: each for row, each in zip(family, speed.speeds(family))}
    assert found["none"].target == 1 and found["natural"].target > 1


@pytest.mark.parametrize("losses", [[np.nan, np.nan], [np.inf, np.inf]])
def test_losses_that_are_no_numbers_are_never_reached(rows, losses):
    found = rows({"none": (1.0, [0.6, 0.5]), "natural": (1.0, losses), "bf16": (1.0, [losses[0], 0.5])})
    (block,) = speed.blocks(found)
    lines = {row[0]: row for row in block.rows}
    assert lines["natural"][-2:] == ("never", "–") and lines["bf16"][-2] == "2.000"
    (block,) = speed.blocks(rows({"none": (1.0, losses), "natural": (1.0, [0.6, 0.5])}))
    assert all(row[-2:] == ("never", "–") for row in block.rows)


def test_a_loss_of_nothing_can_be_reached(rows):
    (block,) = speed.blocks(rows({"none": (1.0, [0.5, 0.0]), "natural": (1.0, [0.5, 0.1])}))
    assert {row[0]: row[-2] for row in block.rows} == {"none": "2.000", "natural": "never"}


def test_rows_are_compared_with_their_own_family(make_run, stored, tmp_path):
    """Models and rates make families; codecs, error feedback and local steps do not."""
    linear, local = {"model": {"name": "linear"}}, {"run": {"local_steps": 4}}
    stored(
        [
            _run(make_run, "adam-sparse", (4.0, [0.5, 0.4]), 0),
            _run(make_run, "adam-sparse", (1.0, [0.5, 0.4]), 1, local),
            _run(make_run, "natural", (2.0, [0.5, 0.4]), 2, {"codec": {"error_feedback": True}}),
            _run(make_run, "natural", (3.0, [0.5, 0.4]), 3, linear),
        ],
        tmp_path,
    )
    (family,) = speed.families([measure(group) for group in collect(tmp_path, "quickstart").groups])
    assert sorted(row["epoch_time_s"] for row in family) == [1.0, 2.0, 4.0]  # the linear model has no baseline


def test_published_ratios_stand_beside_ours(rows):
    runs = {"adam-sparse": (4.0, [0.6, 0.5]), "zipml": (2.0, [0.6, 0.5]), "sketchml": (1.0, [0.6, 0.5]), "fastsgd": (1.0, [0.6, 0.5])}
    found = rows(runs, {"data": {"name": "synthetic-kdd12"}})
    (block,) = speed.blocks(found)
    lines = {row[0]: row for row in block.rows}
    at = block.titles.index("published\nvs adam")
    assert lines["sketchml"][at : at + 2] == ("10.4×", "2.80×") and lines["zipml"][at : at + 2] == ("3.70×", "–")
    assert lines["fastsgd"][at : at + 2] == ("–", "–")  # nothing was published for it that could be compared
    assert any(note.startswith("Published: SketchML") for note in speed.notes(found))
    assert published.speedups("flights", "logistic", "sketchml") == {}
    (line,) = (each for each in csv.DictReader(io.StringIO(table.as_csv(found))) if each["spec"] == "sketchml")
    assert float(line["speedup_epoch_vs_uncompressed"]) == 4 and float(line["published_vs_adam_sparse"]) == 10.4
    assert line["speedup_epoch_vs_16_bit"] == ""


def test_without_an_uncompressed_row_nothing_is_called_faster(rows):
    found = rows({"bf16": (3.0, [0.6, 0.5]), "natural": (1.0, [0.8, 0.4])})
    assert speed.blocks(found) == [] and speed.notes(found) == []
    assert np.isnan(speed.columns(found)[0]["speedup_to_target_loss"])


def test_a_repeat_that_diverged_early_does_not_cut_the_others_off(make_run):
    whole = make_run(epochs=5)
    columns = {name: values[:2].copy() for name, values in make_run(epochs=5, seed=1).epochs.items()}
    columns["test_loss"][1] = np.nan
    cut = replace(make_run(epochs=5, seed=1), epochs=columns, diverged="NaN")
    losses = load.curves([whole, cut], lambda run: load.column(run, "test_loss"))
    assert losses.shape == (2, 5) and np.isnan(losses[1, 1:]).all() and np.array_equal(losses[0], whole.epochs["test_loss"])
    unfinished = [replace(run, finished=False) for run in (whole, cut)]
    assert load.curves(unfinished, lambda run: load.column(run, "test_loss")).shape == (2, 2)


def test_a_row_that_diverged_is_no_baseline(rows, make_run, stored, tmp_path):
    runs = [_run(make_run, "none", (4.0, [0.6, 0.5]), 0), replace(_run(make_run, "adam-sparse", (1.0, [0.6, np.nan]), 1), diverged="NaN")]
    stored([*runs, _run(make_run, "natural", (2.0, [0.6, 0.5]), 2)], tmp_path)
    (family,) = speed.families([measure(group) for group in collect(tmp_path, "quickstart").groups])
    found = {row.group.spec: each for row, each in zip(family, speed.speeds(family))}
    assert found["natural"].epoch["uncompressed"] == 2
