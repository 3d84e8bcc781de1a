"""The three public functions: which files they write, and what summarise returns."""

import pytest

from gradwire import report
from gradwire.errors import ConfigError


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
    with pytest.raises(ConfigError, match="unknown experiment 'x'"):
        report.figures(tmp_path, ["x"])
    with pytest.raises(ConfigError, match="no runs"):
        report.summarise(tmp_path, "x", [])
