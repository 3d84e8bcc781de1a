"""The three public functions: which files they write, and what summarise returns."""

from types import SimpleNamespace

import pytest

from gradwire import report
from gradwire.errors import ConfigError
from gradwire.recorder import PER_EPOCH, PER_RANK, Recorder, run_path


def test_summarise_writes_table_and_figure_and_ends_with_their_names(eight, stored, tmp_path):
    lines = report.summarise(tmp_path, "quickstart", stored(eight, tmp_path)).splitlines()
    names = ["tables/quickstart.md", "tables/quickstart.csv", "figures/quickstart.png", "figures/quickstart.pdf"]
    assert lines[-4:] == [f"wrote {tmp_path / name}" for name in names]
    assert all((tmp_path / name).stat().st_size for name in names)
    assert lines[0].startswith("quickstart: logistic on flights")


def test_summarise_uses_only_the_runs_it_is_given(eight, stored, tmp_path):
    paths = stored(eight, tmp_path)
    text = report.summarise(str(tmp_path), "quickstart", paths[:2])
    assert "fp16" in text
    assert "sketchml" not in text


def test_making_them_again_from_the_same_runs_changes_nothing(eight, stored, tmp_path):
    report.summarise(tmp_path, "quickstart", stored(eight, tmp_path))
    before = {path: path.read_bytes() for folder in ("tables", "figures") for path in (tmp_path / folder).iterdir()}
    written = [*report.tables(tmp_path, ["quickstart"]), *report.figures(tmp_path, ["quickstart"])]
    assert {path: path.read_bytes() for path in written} == before


def test_all_experiments_when_none_is_named(make_run, stored, tmp_path):
    stored([make_run("none"), make_run("none", experiment="other")], tmp_path)
    assert [path.name for path in report.tables(tmp_path)] == ["other.md", "other.csv", "quickstart.md", "quickstart.csv"]
    assert [path.name for path in report.figures(tmp_path, ["other"])] == ["other.png", "other.pdf"]


def test_without_any_run_the_error_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="gradwire run"):
        report.tables(tmp_path)
    with pytest.raises(ConfigError, match="unknown experiment 'x'; known: none"):
        report.figures(tmp_path, ["x"])
    with pytest.raises(ConfigError, match="no runs"):
        report.summarise(tmp_path, "x", [])


def test_from_a_file_that_the_recorder_wrote(tmp_path, make_run):
    """Every column that the report reads is one that the recorder writes; an unfinished run is readable too."""
    config = SimpleNamespace(experiment="tiny", run_id="none-01234567-r0", uplink="none", toml=lambda: '[data]\nname = "flights"\n')
    made = make_run("none", epochs=2, ranks=2).epochs
    recorder = Recorder(run_path(tmp_path, config))
    recorder.create(config, {"network": "local", "cores": 2, "ranks_per_host": 2, "link_rate_bps": float("nan")}, dim=234_796, ranks=2)
    for epoch in range(2):
        recorder.append(
            epoch,
            {name: made.get(name, made["nnz"])[epoch] for name in PER_RANK} | {name: made.get(name, [0, 0])[epoch] for name in PER_EPOCH},
        )
    text = report.summarise(tmp_path, "tiny", [recorder.path])
    assert "none (unfinished)" in text
    assert "28.2" in text  # 30 steps of 4 · 234,796 bytes, in MB
    recorder.finish("0" * 64)
    assert "unfinished" not in report.summarise(tmp_path, "tiny", [recorder.path])
