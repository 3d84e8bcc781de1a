"""The summary table: what it says, where it warns, and that the CSV holds the same numbers in base units."""

import csv
import io
from types import SimpleNamespace

import pytest

from gradwire import spec
from gradwire.report import table
from gradwire.report.load import collect
from gradwire.report.measures import measure


@pytest.fixture
def read(stored, tmp_path):
    """read(runs) → (collection, rows)."""

    def made(runs):
        stored(runs, tmp_path)
        collection = collect(tmp_path, "quickstart")
        return collection, [measure(group) for group in collection.groups]

    return made


def test_every_codec_has_its_line_in_every_block(eight, read):
    text = table.text(*read(eight))
    for run in eight:
        assert sum(line.split()[:1] == [run.spec] for line in text.splitlines()) == 3


def test_the_headline_says_what_ran_where_and_how_often(eight, read):
    expected = (
        "quickstart: logistic on flights, adam, gather_bcast; 4 ranks on 2 cores, measured on local; 5 epochs (1 warm-up), 1 run per row"
    )
    assert table.text(*read(eight)).splitlines()[0] == expected


def test_numbers_of_a_row(make_run, read):
    line = next(
        line
        for line in table.text(*read([make_run("fastsgd", key_bytes=0.9, value_bytes=1, vnmse=0.25)])).splitlines()[10:]
        if "fastsgd" in line
    )
    codec, up, keys, values, rest, down, dense, sparse, bits, bound, first, last, loss, auc = line.split()
    assert (codec, up, keys, values, rest, down) == ("fastsgd", "289", "135", "150", "3.60", "577")
    assert (dense, sparse, bits, bound, first, last) == ("97.6×", "4.16×", "7.20", "5.60", "0.25", "0.050")
    assert 0.42 < float(loss) < 0.45
    assert 0.79 < float(auc) < 0.81


def test_cpu_time_stands_beside_wall_time_only_where_ranks_share_cores(make_run, read):
    shared = table.text(*read([make_run("none")]))
    assert "Ranks share cores" in shared
    assert "CPU" in shared.splitlines()[4]
    alone = table.text(*read([make_run("none", environment={"network": "local", "cores": 4, "ranks_per_host": 4})]))
    assert "Ranks share cores" not in alone
    assert "CPU" not in alone


@pytest.mark.parametrize(
    ("specs", "flagged"),
    [
        (["none", "fp16", "natural"], []),
        (["adam-sparse", "bf16", "natural"], []),
        (["nonzero+raw+fp32", "raw+fp16"], []),
        (["fp16", "natural"], ["uncompressed"]),
        (["none", "natural", "topk(ratio=0.01)+raw+fp16"], ["16-bit"]),
        (["natural"], ["uncompressed", "16-bit"]),
    ],
)
def test_a_missing_baseline_is_flagged(make_run, read, specs, flagged):
    lines = [line for line in table.text(*read([make_run(spec) for spec in specs])).splitlines() if line.startswith("FLAG")]
    assert len(lines) == len(flagged)
    assert all(what in line for what, line in zip(flagged, lines))


def test_a_shaped_network_is_labelled_with_its_rate(make_run, read):
    shaped = {"network": "shaped", "cores": 4, "link_rate_bps": 2e8}
    assert "shaped to 200 Mbit/s" in table.text(*read([make_run("none", environment=shaped)]))


def test_repeats_show_their_range(make_run, read):
    text = table.text(*read([make_run("natural", seed=seed) for seed in range(3)]))
    assert "3 runs per row" in text
    assert "median of the runs' medians" in text
    row = [line for line in text.splitlines() if line.startswith("natural")][1]
    assert row.count("(") == 2


def test_error_feedback_unfinished_runs_and_a_lone_warm_up_are_named(make_run, read):
    text = table.text(*read([make_run("natural", epochs=1, finished=False, config={"codec": {"error_feedback": True}})]))
    assert "natural +EF (unfinished)" in text
    assert "+EF: with error feedback" in text
    assert "Unfinished: natural-0123abcd-r0 after 1 epochs." in text
    assert "every epoch is a warm-up epoch" in text
    assert next(line for line in text.splitlines() if line.startswith("natural")).split()[4] == "–"  # a single epoch has no range


def test_the_metric_has_the_name_that_its_model_gives_it(make_run, read, monkeypatch):
    collection, rows = read([make_run("none")])
    known, lookup = {("models", "logistic"): SimpleNamespace(metric_name="auc")}, spec.lookup
    monkeypatch.setattr("gradwire.spec.lookup", lambda kind, name: known.get((kind, name)) or lookup(kind, name))
    assert "AUC" in table.text(collection, rows)


def test_the_metric_of_a_model_that_is_not_installed_is_called_metric(make_run, read):
    text = table.text(*read([make_run("none", config={"model": {"name": "gone"}})]))
    assert "AUC" not in text
    assert "metric" in text


def test_slow_epochs_are_in_seconds(make_run, read):
    run = make_run("none")
    run.epochs["epoch_time_s"] = 100 * run.epochs["epoch_time_s"]
    assert "Time per epoch and its phases, s\n" in table.text(*read([run]))


def test_markdown_has_the_same_rows(eight, read):
    page = table.markdown(*read(eight))
    assert page.startswith("# quickstart\n")
    assert sum(line.startswith("| natural |") for line in page.splitlines()) == 3
    assert "| codec | up |" in page
    assert page.endswith("\n")


def test_csv_has_base_units_and_one_line_a_row(eight, read):
    _, rows = read(eight)
    lines = list(csv.DictReader(io.StringIO(table.as_csv(rows))))
    assert [line["label"] for line in lines] == [run.spec for run in eight]
    fastsgd = next(line for line in lines if line["spec"] == "fastsgd")
    row = next(row for row in rows if row.group.spec == "fastsgd")
    assert float(fastsgd["uplink_bytes"]) == pytest.approx(row["uplink_bytes"])
    assert float(fastsgd["epoch_time_s_low"]) <= float(fastsgd["epoch_time_s"]) <= float(fastsgd["epoch_time_s_high"])
    assert (fastsgd["ranks"], fastsgd["cores"], fastsgd["repeats"], fastsgd["error_feedback"]) == ("4", "2", "1", "False")
    assert next(line for line in lines if line["spec"] == "none")["bits_per_key"] == ""
