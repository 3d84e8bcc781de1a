"""The rate of every codec: chosen by the metric, whichever way that is better, with what diverged as the worst; and what is shown of it."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from gradwire.report import load, table, tuning
from gradwire.report.load import collect
from gradwire.report.measures import measure

RATES = (0.01, 0.1, 1.0)


@pytest.fixture
def rows(make_run, stored, tmp_path):
    """rows({(spec, rate): [metric of each repeat, None if it diverged]}, model) → (Collection, [Row])."""

    def made(numbers, model="mlp"):
        runs = []
        for number, ((spec, rate), metrics) in enumerate(numbers.items()):
            for seed, metric in enumerate(metrics):
                config = {
                    "model": {"name": model},
                    "data": {"name": "fashion-mnist"},
                    "optimizer": {"lr": list(rate) if isinstance(rate, tuple) else rate},
                }
                run = make_run(spec, seed=seed, config=config, run_id=f"{spec}-{number}-r{seed}")
                run = replace(run, path=run.path.with_name(f"{run.run_id}.h5"), diverged=None if metric else "NaN")
                run.epochs["test_metric"][-1] = metric or np.nan
                runs.append(run)
        stored(runs, tmp_path)
        collection = collect(tmp_path, "quickstart")
        return collection, [measure(group) for group in collection.groups]

    return made


GRID = {
    ("none", 0.01): [0.80], ("none", 0.1): [0.90], ("none", 1.0): [0.85],
    ("natural", 0.01): [0.70], ("natural", 0.1): [0.60], ("natural", 1.0): [0.89],
}  # fmt: skip


def chosen(rows):
    return {choice.row.group.spec: choice.rate[0] for choice in tuning.choose(rows)}


def test_the_best_rate_of_each(rows):
    assert chosen(rows(GRID)[1]) == {"none": 0.1, "natural": 1.0}


def test_a_metric_that_is_a_size_is_better_the_smaller_it_is(rows):
    assert chosen(rows(GRID, "transformer")[1]) == {"none": 0.01, "natural": 0.1}


@pytest.mark.parametrize("model", ["mlp", "transformer"])
def test_what_diverged_is_the_worst_there_is(rows, model):
    best = 0.9 if model == "mlp" else 0.1
    numbers = GRID | {("none", 0.1): [None, best, None], ("none", 0.01): [0.5, 0.5, 0.5], ("none", 1.0): [None, None, None]}
    _collection, found = rows(numbers, model)
    assert chosen(found)["none"] == 0.01
    (block,) = tuning.blocks(tuning.choose(found))
    assert {row[0]: row[1:] for row in block.rows}["none"] == ("0.5000*", "– (2 of 3 diverged)", "– (3 of 3 diverged)")


def test_one_of_three_that_diverged_leaves_a_median(rows):
    numbers = GRID | {("none", 0.1): [0.9, 0.95, None]}
    _, found = rows(numbers)
    assert chosen(found)["none"] == 0.1
    (choice, _) = tuning.choose(found)
    assert choice.row["test_metric"] == 0.9 and choice.row.measures["test_metric"].low == -np.inf and choice.row.group.diverged == 1


def test_what_is_shown_is_the_chosen_and_the_whole_grid_beside_it(rows):
    collection, found = rows(GRID)
    text = table.text(collection, found)
    assert "lr=" not in text and "at each learning rate (* chosen)" in text and "0.9000*" in text and "0.8900*" in text
    assert "Best at the edge of the grid" in text and "natural (1)" in text and "none (" not in text.partition("edge of the grid")[2]
    lines = list(csv.DictReader(io.StringIO(table.as_csv(found))))
    assert "(1 warm-up)" in table.text(collection, found).partition("\n")[0]
    assert len(lines) == 6 and [line["label"] for line in lines if line["chosen"] == "True"] == ["none, lr=0.1", "natural, lr=1.0"]


def test_rows_at_their_own_rates_are_compared_with_each_other(rows):
    _collection, found = rows(GRID)
    assert len({choice.row.group.family for choice in tuning.choose(found)}) == 1
    assert len({row.group.family for row in found}) == 3


def test_one_codec_at_many_rates_is_no_tuning(rows):
    _, found = rows({pair: metrics for pair, metrics in GRID.items() if pair[0] == "none"})
    assert tuning.choose(found) == [] and tuning.shown(found, []) is found


def test_one_rate_is_no_tuning(rows):
    _, found = rows({pair: metrics for pair, metrics in GRID.items() if pair[1] == 0.1})
    assert tuning.choose(found) == []


def test_unequal_grids_are_flagged(rows):
    _collection, found = rows({pair: metrics for pair, metrics in GRID.items() if pair != ("natural", 0.01)})
    assert any(line.startswith("FLAG: expected the same learning rates") for line in tuning.notes(tuning.choose(found)))
    (block,) = tuning.blocks(tuning.choose(found))
    assert block.rows[1][1] == "–"
    assert not any("FLAG: expected the same" in line for line in tuning.notes(tuning.choose(rows(GRID)[1])))


def test_labels_can_go_without_a_setting(make_run):
    runs = [make_run("none", config={"optimizer": {"lr": rate}}) for rate in RATES]
    assert load.labels(runs)[0] == "none, lr=0.01" and load.labels(runs, {"optimizer.lr"}) == ["none"] * 3


def test_repeats_that_diverged_are_one_note(rows):
    collection, _found = rows(GRID | {("none", 0.1): [None, 0.9, None]})
    (note,) = (note for note in collection.notes if "diverged" in note)
    assert note.startswith("none, lr=0.1: 2 of 3 diverged, none-1-r0 in epoch 5: NaN.")


def test_a_rate_for_each_epoch_is_a_rate(rows):
    grid = {("none", 0.1): [0.8], ("none", (0.1, 0.01)): [0.9], ("natural", 0.1): [0.9], ("natural", (0.1, 0.01)): [0.8]}
    collection, found = rows(grid)
    text = table.text(collection, found)
    assert "0.1/0.01" in text and "0.9000*" in text
    assert {choice.row.group.spec: choice.rate for choice in tuning.choose(found)} == {"none": (0.1, 0.01), "natural": (0.1,)}
    assert not any("edge of the grid: none" in note for note in tuning.notes(tuning.choose(found)))


def test_a_single_list_of_rates_is_no_obstacle(make_run, stored, tmp_path):
    stored(
        [make_run(spec, seed=seed, config={"optimizer": {"lr": [0.1, 0.05]}}) for seed, spec in enumerate(("none", "natural"))], tmp_path
    )
    collection = collect(tmp_path, "quickstart")
    assert "natural" in table.text(collection, [measure(group) for group in collection.groups])


def test_the_csv_compares_what_the_page_compares(rows):
    """Chosen rows with each other; of the others it has what was measured."""
    _collection, found = rows(GRID)
    lines = {(line["spec"], line["chosen"]): line for line in csv.DictReader(io.StringIO(table.as_csv(found)))}
    natural = lines["natural", "True"]
    assert float(natural["metric_points_vs_uncompressed"]) == pytest.approx(-1.0)
    assert float(natural["speedup_epoch_vs_uncompressed"]) > 0
    others = lines["natural", "False"]
    assert others["metric_points_vs_uncompressed"] == others["speedup_epoch_vs_uncompressed"] == "" and float(others["epoch_time_s"]) > 0


def test_a_baseline_of_which_one_repeat_diverged_is_one(rows):
    numbers = GRID | {("none", 0.1): [0.90, 0.91, None]}
    collection, found = rows(numbers)
    text = table.text(collection, found)
    assert "Accuracy for bytes" in text and "none (diverged in 1 of 3)" in text and "-1.00" in text


def test_an_uncompressed_row_that_diverged_everywhere_is_flagged(rows):
    collection, found = rows({pair: [None] if pair[0] == "none" else metrics for pair, metrics in GRID.items()})
    text = table.text(collection, found)
    assert "Accuracy for bytes" not in text and "the uncompressed row diverged, so nothing can be compared with it." in text
