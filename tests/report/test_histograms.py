"""Histograms of recorded gradients: counts by hand, layers, sparse and dense ones alike, and which run is shown."""

import csv
import io
from types import SimpleNamespace

import numpy as np
import pytest

import gradwire as gw
from gradwire import report
from gradwire.blocks import Block
from gradwire.errors import DataError
from gradwire.gradients import GradientLog, Recorded, load_blocks
from gradwire.report import histograms
from gradwire.report.load import collect
from gradwire.report.measures import measure

BLOCKS = (Block("first.weight", 0, (2, 2)), Block("first.bias", 4, (2,)), Block("last.weight", 6, (3,)))
VALUES = np.array([1, -1.5, 0.25, 0, 4, 0, 1e-40, -2, 0], np.float32)


@pytest.fixture
def record(tmp_path):
    """record(run_id, gradients, blocks) → path of a file with one gradient an epoch."""

    def write(run_id, gradients, blocks=BLOCKS):
        path = tmp_path / "gradients" / "quickstart" / f"{run_id}.hdf5"
        config = SimpleNamespace(experiment="quickstart", run_id=run_id, toml=lambda: "")
        log = GradientLog(path, config, gradients[0].dim, blocks=blocks)
        log.append([Recorded(gradient, 0, epoch, 0) for epoch, gradient in enumerate(gradients)])
        return path

    return write


def sparse(values):
    keys = np.flatnonzero(values).astype(np.uint32)
    return gw.Gradient(values[keys], len(values), keys)


@pytest.mark.parametrize("make", [lambda values: gw.Gradient(values, len(values)), sparse])
def test_counts_by_hand(record, make):
    first, last = histograms.measure(record("none-1", [make(VALUES)]))
    assert (first["layer"], first["parameters"], first["zeros"]) == ("first", 6, pytest.approx(2 / 6))
    assert first["exponents"] == {0: 2, -2: 1, 2: 1} and first["values"].sum() == 4
    assert first["rms"] == pytest.approx(np.sqrt((1 + 2.25 + 0.0625 + 16) / 4))
    assert (last["layer"], last["exponents"]) == ("last", {1: 1, -127: 1})


def test_values_beyond_the_histogram_are_not_lost(record):
    values = np.zeros(10_000, np.float32)
    values[:200], values[0] = 1e-3, 100
    (found,) = histograms.measure(record("none-1", [gw.Gradient(values, len(values))], blocks=()))
    assert found["values"].sum() == 200 and found["values"][-1] == 1 and found["layer"] == ""


def test_blocks_come_back(record):
    path = record("none-1", [gw.Gradient(VALUES, 9)])
    assert load_blocks(path) == (Block("first.weight", 0, (4,)), Block("first.bias", 4, (2,)), Block("last.weight", 6, (3,)))
    assert load_blocks(record("none-2", [gw.Gradient(VALUES, 9)], blocks=())) == ()


def test_blocks_that_do_not_fit_are_refused(record):
    for number, starts in enumerate(((1, 4, 6), (0, 6, 4), (0, 4, 9))):
        blocks = [block._replace(start=start) for block, start in zip(BLOCKS, starts)]
        with pytest.raises(DataError, match="expected block_starts that grow from 0 to below 9"):
            load_blocks(record(f"none-{number}", [gw.Gradient(VALUES, 9)], blocks))


def test_figure_and_numbers_of_the_uncompressed_run(record, make_run, stored, tmp_path):
    runs = [make_run(spec, seed=seed) for seed, spec in enumerate(("natural", "none"))]
    stored(runs, tmp_path)
    assert not any("gradients" in path.name for path in report.figures(tmp_path))
    record(runs[0].run_id, [gw.Gradient(2 * VALUES, 9)] * 2)
    rows = [measure(group) for group in collect(tmp_path, "quickstart").groups]
    assert histograms.recorded(tmp_path, rows)[0].spec == "natural"
    record(runs[1].run_id, [gw.Gradient(VALUES, 9)] * 2)
    assert histograms.recorded(tmp_path, rows)[0].spec == "none"
    written = report.figures(tmp_path)
    assert [path.name for path in written[2:]] == [f"quickstart-gradients.{kind}" for kind in ("png", "pdf", "csv")]
    assert all(path.stat().st_size for path in written)
    lines = list(csv.DictReader(io.StringIO(written[-1].read_text())))
    of_first = [line for line in lines if (line["layer"], line["epoch"], line["histogram"]) == ("first", "1", "exponent")]
    assert {(line["from"], line["count"]) for line in of_first} == {("0", "2"), ("-2", "1"), ("2", "1")}
    before = written[2].read_bytes(), written[3].read_bytes()
    report.figures(tmp_path)
    assert before == (written[2].read_bytes(), written[3].read_bytes())


def test_gradients_of_zeros_have_no_figure(make_run):
    with pytest.raises(DataError, match="expected recorded gradients with a value"):
        histograms.draw(make_run(), [{"layer": "a", "epoch": 0, "values": np.zeros(3, int), "exponents": {}}])
