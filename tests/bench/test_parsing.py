"""The benchmark's rows, and that both parsers read the same from the generated text. No time is asserted."""

import sys

import pytest

from gradwire.bench import parsing


def test_rows_have_both_parsers_and_their_ratio():
    rows = parsing.benchmark_parser(megabytes=0.1, repeats=7)
    assert len(rows) == 6
    for row in rows:
        assert set(row) == {"what", "median", "unit", "low", "high", "n", "baseline"}
        assert 0 < row["low"] <= row["median"] <= row["high"]
        assert row["n"] == 7
    assert [row["unit"] for row in rows] == ["MB/s", "MB/s", "×"] * 2
    assert [bool(row["baseline"]) for row in rows] == [False, False, True] * 2


def test_without_scikit_learn_only_our_rows_come(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    rows = parsing.benchmark_parser(megabytes=0.1, repeats=1)
    assert [(row["unit"], row["n"]) for row in rows] == [("MB/s", 1)] * 2


def test_interval_of_the_median():
    row = parsing._row("x", list(range(100)), "s", "")
    assert (row["median"], row["low"], row["high"]) == (49.5, 40, 59)
    few = parsing._row("x", [3.0, 1.0, 2.0], "s", "")
    assert (few["low"], few["median"], few["high"]) == (1, 2, 3)


@pytest.mark.parametrize("write", [parsing._write_one_hot, parsing._write_values])
def test_generated_text_is_what_scikit_learn_reads(tmp_path, write):
    from sklearn.datasets import load_svmlight_file

    path = tmp_path / "text.svm"
    write(path, 50_000)
    matrix, labels = load_svmlight_file(str(path), n_features=parsing._KDD12_FEATURES, dtype="float32", zero_based=False)
    ours = parsing.parse_range(path, 0, path.stat().st_size, parsing._KDD12_FEATURES, False)
    assert (matrix.indices == ours.indices).all()
    assert (matrix.data == (1 if ours.values is None else ours.values)).all()
    assert (labels == ours.labels).all()
